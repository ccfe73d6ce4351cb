// This example uses a Dataset: elements in memory, which the feed's workers shuffle, augment and
// batch for the training. The images show horizontal or vertical stripes, and the network tells
// which.
#include <stoker/stoker.h>

#include <iostream>

using namespace stoker;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t kImages = 2048;
constexpr ImageSize kSize{16, 16, 1};

// Image n is drawn when it is asked for, and is the same whenever that is.
void draw(MapContext& context, std::span<const std::int32_t>, std::span<std::uint8_t> image,
          std::span<std::int32_t> label) {
  label[0] = context.random.integer(0, 2);
  const std::int32_t phase = context.random.integer(0, 4);
  for (std::int64_t y = 0; y < kSize.height; ++y) {
    for (std::int64_t x = 0; x < kSize.width; ++x) {
      const std::int64_t along = label[0] == 0 ? y : x;
      const std::int32_t noise = context.random.integer(0, 100);
      image[static_cast<std::size_t>(y * kSize.width + x)] =
          static_cast<std::uint8_t>(((along + phase) % 4 < 2 ? 100 : 0) + noise);
    }
  }
}

int main() {
  const auto images = range(kImages).map<std::uint8_t, std::int32_t>(
      {Shape{kSize.height, kSize.width, kSize.channels}, Shape{}}, draw);

  // Stages only describe the data; nothing runs yet. Elements can be asked for by number, so any
  // number of workers may make batches, and the batches are always the same.
  const auto train = images.take(1792)
                         .shuffle(1792, 7)
                         .map(augment::Shift{.size = kSize, .height_factor = 0.2f})
                         .map(augment::Brightness{.factor = 0.1f})
                         .batch(64);
  const auto test = images.skip(1792).batch(64);

  // A loop over the Dataset shows its batches, as spans of each component.
  for (const auto& [image, label] : train) {
    std::cout << "The first of " << train.cardinality() << " batches has " << label.size()
              << " images of " << image.size() / label.size() << " pixels.\n";
    break;
  }

  // uint8 takes a quarter of the bytes of float32, and the step rescales it.
  Sequential model({Input({16, 16, 1}), Rescaling(1.0 / 255), Conv2D(8, 3, {.activation = "relu"}),
                    MaxPooling2D(2), Flatten(), Dense(2)});
  model.compile({.optimizer = Adam({.learning_rate = 0.003}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  const History history = model.fit(
      train, {.epochs = 3, .verbose = 2, .validation_generator = test, .workers = AUTOTUNE});
  std::cout << history.feed.verdict();
}
