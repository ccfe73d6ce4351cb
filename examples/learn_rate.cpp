// When training does not learn, 3: the learning rate. With too large a one each step jumps over the
// valley; with too small a one nothing happens.
// The pages rate_large.html and rate_small.html show a loss that leaps or creeps; rate_right.html
// shows one in between. See docs/not-learning.md.
#include "bars.h"

using namespace stoker;

int main() {
  const Bars training = make_bars(2000, 1), validation = make_bars(500, 2);
  const auto train = [&](const std::string& page, double rate) {
    Sequential model({Input({12, 12, 1}), Flatten(), Dense(32, {.activation = "tanh"}), Dense(4)});
    model.compile({.optimizer = SGD({.learning_rate = rate, .momentum = 0.9}),
                   .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                   .metrics = {"accuracy"}});
    const Validation held{validation.x, validation.y};
    model.fit(training.x, training.y,
              {.epochs = 15,
               .verbose = 2,
               .validation_data = held,
               .callbacks = {Report(page, {.validation = held, .class_names = kBarNames})}});
  };
  train("rate_large.html", 3.0);
  train("rate_small.html", 1e-5);
  train("rate_right.html", 0.02);
}
