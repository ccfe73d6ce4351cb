// Trains the convolutional network of the first example on real images that a generator of our own
// streams in: Fashion-MNIST (60,000 + 10,000 images), shuffled and shifted on the way.
//
//   fashion_mnist_generator [--data DIR] [--epochs N] [--batch N] [--shift PIXELS] [--seed N]
//                           [--report FILE.html]
//
// --data DIR reads MNIST, or anything in its format, from DIR instead (the four IDX files, plain or
// .gz). --shift 0 turns augmentation off. --report writes a page about the training.

#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>

using namespace stoker;

namespace {

const std::vector<std::string> kClasses = {"T-shirt", "Trouser", "Pullover", "Dress", "Coat",
                                           "Sandal",  "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

struct Arguments {
  std::string data;
  std::string report;
  std::int64_t epochs = 3;
  std::int64_t batch = 128;
  int shift = 2;
  int verbose = 1;  // 3 shows the training on the whole terminal
  std::uint64_t seed = 0;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (i + 1 == argc) throw ValueError(name + " needs a value");
    const std::string value = argv[++i];
    if (name == "--data") {
      arguments.data = value;
    } else if (name == "--report") {
      arguments.report = value;
    } else if (name == "--epochs") {
      arguments.epochs = std::stoll(value);
    } else if (name == "--batch") {
      arguments.batch = std::stoll(value);
    } else if (name == "--shift") {
      arguments.shift = std::stoi(value);
    } else if (name == "--verbose") {
      arguments.verbose = std::stoi(value);
    } else if (name == "--seed") {
      arguments.seed = std::stoull(value);
    } else {
      throw ValueError(
          "unknown option " + name +
          "; there are --data, --report, --epochs, --batch, --shift, --verbose and --seed");
    }
  }
  return arguments;
}

// This generator has state: it knows the data set, and draws a new order of the images in every
// epoch. Its types say what a batch holds: images as float, labels as int32.
class ShiftedImages : public BatchGenerator<float, std::int32_t> {
 public:
  ShiftedImages(const Tensor& images, const Tensor& labels, const Arguments& arguments)
      : BatchGenerator({.x = images.shape().without_batch().with_batch(arguments.batch),
                        .y = {arguments.batch}}),
        images_(images.data<std::uint8_t>()),
        labels_(labels.data<std::int32_t>()),
        height_(images.shape()[1]),
        width_(images.shape()[2]),
        shift_(arguments.shift),
        seed_(arguments.seed),
        order_(labels_.size()) {}

  // The order depends on the epoch's number alone, whatever came before.
  void begin_epoch(std::int64_t epoch) override {
    std::iota(order_.begin(), order_.end(), 0);
    Random random(seed_, 1, static_cast<std::uint32_t>(epoch));
    for (std::size_t i = order_.size(); i > 1; --i) {
      std::swap(order_[i - 1], order_[random.integer(0, static_cast<std::int64_t>(i))]);
    }
  }

  // Writes one batch into the slot that the training step will read: x and y are that memory. It
  // runs on a thread of the feed, while the step works on an earlier batch.
  std::int64_t fill(BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) override {
    const auto begin = static_cast<std::size_t>(batch.index) * y.size();
    if (begin >= order_.size()) return 0;  // The epoch is over.
    const std::size_t rows = std::min(y.size(), order_.size() - begin);
    const auto pixels = static_cast<std::size_t>(height_ * width_);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t image = order_[begin + row];
      y[row] = labels_[image];
      const int dy = static_cast<int>(batch.random.integer(-shift_, shift_ + 1));
      const int dx = static_cast<int>(batch.random.integer(-shift_, shift_ + 1));
      shift_into(x.subspan(row * pixels, pixels), images_.subspan(image * pixels, pixels), dy, dx);
    }
    return static_cast<std::int64_t>(rows);  // The last batch of an epoch is shorter.
  }

 private:
  // Pixels from 0 to 1 are moved down by dy and right by dx. The pixels that come in are black.
  void shift_into(std::span<float> to, std::span<const std::uint8_t> from, int dy, int dx) const {
    for (std::int64_t r = 0; r < height_; ++r) {
      for (std::int64_t c = 0; c < width_; ++c) {
        const std::int64_t source_r = r - dy;
        const std::int64_t source_c = c - dx;
        const bool inside =
            source_r >= 0 && source_r < height_ && source_c >= 0 && source_c < width_;
        to[r * width_ + c] =
            inside ? static_cast<float>(from[source_r * width_ + source_c]) * (1.0f / 255.0f)
                   : 0.0f;
      }
    }
  }

  std::span<const std::uint8_t> images_;
  std::span<const std::int32_t> labels_;
  std::int64_t height_, width_;
  int shift_;
  std::uint64_t seed_;
  std::vector<std::size_t> order_;
};

int run(const Arguments& arguments) {
  const ImageDataset data =
      arguments.data.empty() ? load_fashion_mnist() : load_idx_images(arguments.data);

  Sequential model(
      {
          Input(data.train_images.shape().without_batch()),
          Conv2D(32, 3, {.activation = "relu"}),
          MaxPooling2D(2),
          Conv2D(64, 3, {.activation = "relu"}),
          MaxPooling2D(2),
          Flatten(),
          Dropout(0.5),
          Dense(10),
      },
      {.seed = arguments.seed});
  model.summary();
  model.compile({.optimizer = Adam({.learning_rate = 1e-3}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});

  ShiftedImages train(data.train_images, data.train_labels, arguments);
  Arguments as_they_are = arguments;
  as_they_are.shift = 0;
  ShiftedImages test(data.test_images, data.test_labels, as_they_are);

  FitOptions options{
      .epochs = arguments.epochs, .verbose = arguments.verbose, .validation_generator = test};
  if (!arguments.report.empty()) {
    options.callbacks = {Report(
        arguments.report, {.title = "Fashion-MNIST", .validation = test, .class_names = kClasses})};
  }
  const auto start = std::chrono::steady_clock::now();
  const History history = model.fit_generator(train, options);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

  const Logs result = model.evaluate_generator(test, {.verbose = 0});
  std::printf("test accuracy %.4f\n", result["accuracy"]);
  std::printf("%.0f images/s (training and validation)\n",
              static_cast<double>(arguments.epochs) *
                  static_cast<double>(data.train_labels.size() + data.test_labels.size()) /
                  seconds.count());
  std::cout << history.feed.verdict();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << "fashion_mnist_generator: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
