// When training does not learn, 2: the labels are not those of the pictures. Here they have slipped
// by one row, as when two files are read out of step or one of them was shuffled.
// The page labels_slipped.html shows a training loss that falls while the validation's rises, and a
// confusion matrix without a diagonal; labels_right.html shows the cure. See docs/not-learning.md.
#include "bars.h"

using namespace stoker;

int main() {
  const Bars training = make_bars(2000, 1), validation = make_bars(500, 2);
  const auto slipped_by = [](const Tensor& y, std::size_t rows) {
    Tensor slipped = y;
    const auto from = y.data<std::int32_t>();
    for (std::size_t i = 0; i < from.size(); ++i) {
      slipped.data<std::int32_t>()[i] = from[(i + rows) % from.size()];
    }
    return slipped;
  };
  const auto train = [&](const std::string& page, std::size_t slip) {
    Sequential model({Input({12, 12, 1}), Flatten(), Dense(32, {.activation = "relu"}), Dense(4)});
    model.compile({.optimizer = Adam(),
                   .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                   .metrics = {"accuracy"}});
    const Validation held{validation.x, slipped_by(validation.y, slip)};
    model.fit(training.x, slipped_by(training.y, slip),
              {.epochs = 15,
               .verbose = 2,
               .validation_data = held,
               .callbacks = {Report(page, {.validation = held, .class_names = kBarNames})}});
  };
  train("labels_slipped.html", 1);
  train("labels_right.html", 0);
}
