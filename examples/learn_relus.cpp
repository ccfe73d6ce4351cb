// When training does not learn, 4: dead relus. The pictures come as numbers from 0 to 255, and the
// first steps are so large that relus fall below 0 for every picture. There they have no slope, and
// never come back.
// The page relus_dead.html names the share of silent units of each layer in its table;
// relus_alive.html rescales the pictures first. See docs/not-learning.md.
#include "bars.h"

using namespace stoker;

int main() {
  const Bars training = make_bars(2000, 1), validation = make_bars(500, 2);
  const auto bytes_of = [](const Tensor& x) {
    Tensor bytes(x.shape(), DType::uint8);
    std::ranges::transform(x.data<float>(), bytes.data<std::uint8_t>().begin(),
                           [](float value) { return static_cast<std::uint8_t>(255.0f * value); });
    return bytes;
  };
  const Tensor pictures = bytes_of(training.x);
  const Validation held{bytes_of(validation.x), validation.y};
  const auto train = [&](const std::string& page, float scale) {
    Sequential model({Input({12, 12, 1}), Rescaling(scale), Flatten(),
                      Dense(32, {.activation = "relu"}), Dense(32, {.activation = "relu"}),
                      Dense(4)});
    model.compile({.optimizer = SGD({.learning_rate = 0.1}),
                   .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                   .metrics = {"accuracy"}});
    model.fit(pictures, training.y,
              {.epochs = 15,
               .verbose = 2,
               .validation_data = held,
               .callbacks = {Report(page, {.validation = held, .class_names = kBarNames})}});
  };
  train("relus_dead.html", 1.0f);
  train("relus_alive.html", 1.0f / 255.0f);
}
