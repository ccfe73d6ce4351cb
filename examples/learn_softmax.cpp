// When training does not learn, 1: the softmax is missing. The loss expects probabilities and gets
// numbers from minus to plus infinity: what is not between 0 and 1 is clipped, and has no slope.
// The page softmax_missing.html shows a loss that stays high and a confusion matrix of few columns;
// softmax_there.html shows the cure. See docs/not-learning.md.
#include "bars.h"

using namespace stoker;

int main() {
  const Bars training = make_bars(2000, 1), validation = make_bars(500, 2);
  const auto train = [&](const std::string& page, const Loss& loss) {
    Sequential model({Input({12, 12, 1}), Flatten(), Dense(32, {.activation = "relu"}), Dense(4)});
    model.compile({.optimizer = Adam(), .loss = loss, .metrics = {"accuracy"}});
    const Validation held{validation.x, validation.y};
    model.fit(training.x, training.y,
              {.epochs = 15,
               .verbose = 2,
               .validation_data = held,
               .callbacks = {Report(page, {.validation = held, .class_names = kBarNames})}});
  };
  train("softmax_missing.html", SparseCategoricalCrossentropy());
  train("softmax_there.html", SparseCategoricalCrossentropy({.from_logits = true}));
}
