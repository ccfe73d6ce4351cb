// A residual network (He et al.: "Deep residual learning for image recognition", 2016) by the
// functional API, on Fashion-MNIST. The images are flipped and shifted by the step itself; the rate
// goes up and down once (Smith: "Super-convergence", 2018).
//
//   resnet [--data DIR] [--epochs N] [--quick]
//
// --quick takes ten steps and checks nothing. Without it the test accuracy has to be 0.91.
#include <stoker/stoker.h>

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace stoker;

namespace {

Value normed(const Value& x) { return ReLU()(BatchNormalization()(x)); }

Value convolved(const Value& x, std::int64_t filters, std::int64_t strides = 1) {
  return Conv2D(filters, 3, {.strides = strides, .padding = "same", .use_bias = false})(x);
}

// Two convolutions beside a way around them.
Value block(const Value& x, std::int64_t filters, std::int64_t strides) {
  const Value y = BatchNormalization()(convolved(normed(convolved(x, filters, strides)), filters));
  const bool fits = strides == 1 && x.shape().back() == filters;
  const Value around = fits ? x : Conv2D(filters, 1, {.strides = strides, .use_bias = false})(x);
  return ops::relu(y + around);
}

Model network() {
  const Value image = Input({28, 28, 1}, {.dtype = "uint8"});
  Value x = Rescaling(1.0 / 255)(image);
  x = RandomFlip("horizontal")(x);
  x = RandomTranslation(0.07, 0.07, {.fill_mode = "constant"})(x);
  x = normed(convolved(x, 16));
  for (const auto& [filters, strides] : {std::pair{16, 1}, {32, 2}, {64, 2}}) {
    x = block(x, filters, strides);
  }
  return Model(image, Dense(10)(GlobalAveragePooling2D()(x)), {.name = "resnet", .seed = 1});
}

int run(const std::string& folder, std::int64_t epochs, bool is_quick) {
  const ImageDataset data = folder.empty() ? load_fashion_mnist() : load_idx_images(folder);
  constexpr std::int64_t kBatch = 128;
  const std::int64_t rows = is_quick ? 10 * kBatch : data.train_labels.size();
  const Tensor images = data.train_images.rows(0, rows), labels = data.train_labels.rows(0, rows);
  const std::int64_t steps = epochs * ((rows + kBatch - 1) / kBatch);

  Model model = network();
  model.summary();
  model.compile({.optimizer = SGD({.learning_rate = CosineDecay(
                                       0.0, steps - steps / 5,
                                       {.warmup_target = 0.2, .warmup_steps = steps / 5}),
                                   .momentum = 0.9,
                                   .nesterov = true,
                                   .weight_decay = 1e-4}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  const History history = model.fit(images, labels, {.epochs = epochs, .batch_size = kBatch});
  std::cout << history.feed.verdict();
  if (is_quick) return EXIT_SUCCESS;
  const Logs result = model.evaluate(data.test_images, data.test_labels, {.verbose = 0});
  std::printf("test accuracy %.4f\n", result["accuracy"]);
  return result["accuracy"] >= 0.91 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string folder;
    std::int64_t epochs = 8;
    bool is_quick = false;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--quick") is_quick = true;
      if (name == "--data" && i + 1 < argc) folder = argv[++i];
      if (name == "--epochs" && i + 1 < argc) epochs = std::stoll(argv[++i]);
    }
    return run(folder, is_quick ? 1 : epochs, is_quick);
  } catch (const std::exception& error) {
    std::cerr << "resnet: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
