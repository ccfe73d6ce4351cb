// Stoker's side of `scripts/bench feed --only loaders`: what a training loop of the program's own
// gets its batches from. benchmarks/feed/loaders/side.py is the peers' twin, and says which lines a
// side reads and answers; compare.py asks. Epochs are never cut short here, since a Loader goes on
// with the rest of one.
//
// usage: loaders_bench uint8|float32|ideal FOLDER ITERATIONS
//        loaders_bench calibrate
//
// Side `ideal` is no loader: two threads that know nothing of each other burn what generator and
// consumer of the row `generator` do. `calibrate` prints how many iterations last two milliseconds.
#include <stoker/stoker.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "feed/common.h"

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)
using bench::burn;
using bench::now;

constexpr ImageSize kImage{224, 224, 3};
constexpr std::int64_t kImages = 32;     // in a batch
constexpr std::int64_t kElements = 128;  // in a batch
constexpr std::int64_t kSteps = 250;     // of the row `generator`
constexpr std::uint64_t kSeed = 7;

// Epochs of batches by a Loader, or, without workers, by the loop over a Dataset, in which the
// loop's own thread makes the batches.
template <class T>
class Epochs {
 public:
  Epochs(const SourceHandle& source, int workers, std::optional<std::int64_t> steps)
      : loader_(stream(source, {.steps_per_epoch = steps, .seed = kSeed, .workers = workers})) {}
  Epochs(const Dataset<T, std::int32_t>& batches, int workers) : batches_(batches) {
    if (workers > 0) loader_.emplace(stream(batches, {.seed = kSeed, .workers = workers}));
  }

  // Calls use(x, y) with the rows of each batch of the next epoch.
  template <class F>
  void next(F use) {
    if (loader_) {
      for (const BatchView& batch : *loader_) use(batch.x<T>(), batch.y<std::int32_t>());
    } else {
      for (const auto& [x, y] : batches_->pass(epoch_++, kSeed)) use(x, y);
    }
  }

 private:
  std::optional<Dataset<T, std::int32_t>> batches_;
  std::optional<Loader> loader_;
  std::int64_t epoch_ = 0;
};

// What is true of the batches of an epoch, as side.py finds it out of the peers'.
template <class T>
class Findings {
 public:
  explicit Findings(Shape element) : element_(std::move(element)) {}

  void add(std::span<const T> x, std::span<const std::int32_t> y) {
    const std::size_t size = x.size() / y.size();
    for (std::size_t row = 0; row < y.size(); ++row) look_at(x.subspan(row * size, size));
    labels_.insert(labels_.end(), y.begin(), y.end());
  }
  void print() const {
    std::vector<std::int32_t> sorted = labels_;
    std::ranges::sort(sorted);
    const bool is_permutation =
        std::ranges::adjacent_find(sorted, std::ranges::equal_to{}) == sorted.end();
    const auto count = static_cast<double>(labels_.size());
    std::cout << R"({"shape": [)" << element_[0] << ", " << element_[1] << ", " << element_[2]
              << R"(], "dtype": ")" << (std::is_same_v<T, float> ? "float32" : "uint8")
              << R"(", "count": )" << labels_.size() << R"(, "mean": )"
              << sum_ / (count * static_cast<double>(element_.elements())) << R"(, "flipped": )"
              << static_cast<double>(flipped_) / count << R"(, "each_once": )"
              << (is_permutation ? "true" : "false") << R"(, "in_order": )"
              << (std::ranges::is_sorted(labels_) ? "true" : "false") << "}" << std::endl;
  }

 private:
  // The left half of every stored image is the brighter one.
  void look_at(std::span<const T> image) {
    double left = 0.0;
    double right = 0.0;
    const auto row = static_cast<std::size_t>(element_[1] * element_[2]);
    for (std::size_t i = 0; i < image.size(); ++i) {
      (i % row < row / 2 ? left : right) += static_cast<double>(image[i]);
    }
    sum_ += left + right;
    if (left < right) ++flipped_;
  }

  Shape element_;
  double sum_ = 0.0;
  std::int64_t flipped_ = 0;
  std::vector<std::int32_t> labels_;
};

// A row with its setting: runs epochs for at least so many seconds, and prints what it took.
class Row {
 public:
  virtual ~Row() = default;
  virtual void run(double seconds) = 0;
  virtual void check() = 0;
};

void print_run(double seconds, std::int64_t batches, std::int64_t rows) {
  std::cout << R"({"seconds": )" << seconds << R"(, "batches": )" << batches << R"(, "rows": )"
            << rows << "}" << std::endl;
}

template <class T>
class LoaderRow final : public Row {
 public:
  // `iterations` is what the loop burns for each batch.
  LoaderRow(Epochs<T> epochs, Shape element, std::int64_t iterations = 0)
      : epochs_(std::move(epochs)), element_(std::move(element)), iterations_(iterations) {}

  void run(double seconds) override {
    std::int64_t rows = 0;
    std::int64_t batches = 0;
    const double begin = now();
    do {
      epochs_.next([&](std::span<const T>, std::span<const std::int32_t> y) {
        if (iterations_ > 0) burn(iterations_);
        rows += static_cast<std::int64_t>(y.size());
        ++batches;
      });
    } while (now() - begin < seconds);
    print_run(now() - begin, batches, rows);
  }
  void check() override {
    Findings<T> findings(element_);
    epochs_.next(
        [&](std::span<const T> x, std::span<const std::int32_t> y) { findings.add(x, y); });
    findings.print();
  }

 private:
  Epochs<T> epochs_;
  Shape element_;
  std::int64_t iterations_;
};

template <class T>
std::unique_ptr<Row> row_of_batches(const Dataset<T, std::int32_t>& batches, int workers,
                                    Shape element) {
  return std::make_unique<LoaderRow<T>>(Epochs<T>(batches, workers), std::move(element));
}

std::unique_ptr<Row> image_row(const std::string& folder, bool as_float, int workers) {
  const auto images = image_folder(folder, {.size = kImage, .shuffle = false}).dataset;
  const Shape shape{kImage.height, kImage.width, kImage.channels};
  const augment::Flip flip{.size = kImage};
  if (!as_float) return row_of_batches(images.map(flip).batch(kImages), workers, shape);
  const auto floats = images.map(flip).map<float, std::int32_t>(
      {shape, Shape{}}, [](std::span<const std::uint8_t> from, std::span<const std::int32_t> label,
                           std::span<float> to, std::span<std::int32_t> out) {
        std::copy(from.begin(), from.end(), to.begin());
        out[0] = label[0];
      });
  return row_of_batches(floats.batch(kImages), workers, shape);
}

std::unique_ptr<Row> element_row(const std::string& folder, const std::string& map, int workers) {
  const Tensor x = read_npy(folder + "/x.npy");
  const Tensor y = read_npy(folder + "/y.npy");
  const auto rescale = [](std::span<float> values, std::span<std::int32_t>) {
    for (float& value : values) value /= 255.0f;
  };
  auto elements =
      Dataset<float, std::int32_t>::from_tensor_slices({x, y}).shuffle(x.shape()[0], kSeed);
  if (map == "element") elements = elements.map(rescale);
  elements = elements.batch(kElements);
  if (map == "batch") elements = elements.map(rescale);
  return row_of_batches(elements, workers, Shape{28, 28, 1});
}

std::unique_ptr<Row> generator_row(const std::string& folder, std::int64_t iterations,
                                   int workers) {
  const Tensor x = read_npy(folder + "/x.npy");
  const auto source = generator<float, std::int32_t>(
      {.x = {kImages, 28, 28, 1}, .y = {kImages}},
      pure(
          [x, iterations](BatchContext& batch, std::span<float> to, std::span<std::int32_t> label) {
            burn(iterations);
            const auto first = static_cast<std::size_t>(batch.index * kImages);
            const std::size_t pixels = to.size() / kImages;
            std::ranges::copy(x.data<float>().subspan(first * pixels, to.size()), to.begin());
            std::iota(label.begin(), label.end(), static_cast<std::int32_t>(first));
          }));
  return std::make_unique<LoaderRow<float>>(Epochs<float>(source, workers, kSteps),
                                            Shape{28, 28, 1}, iterations);
}

class Ideal final : public Row {
 public:
  explicit Ideal(std::int64_t iterations) : iterations_(iterations) {}
  void run(double) override {
    const auto work = [&] {
      for (std::int64_t i = 0; i < kSteps; ++i) burn(iterations_);
    };
    const double begin = now();
    std::thread other(work);
    work();
    other.join();
    print_run(now() - begin, kSteps, kSteps * kImages);
  }
  void check() override { std::cout << "{}" << std::endl; }

 private:
  std::int64_t iterations_;
};

std::vector<std::string> settings_of(const std::string& side, const std::string& row) {
  if (side == "ideal") return {"threads=2"};
  if (row == "generator") return {"workers=1", "workers=2"};
  std::vector<std::string> found;
  for (const char* map : {"element", "batch"}) {
    for (int workers = row == "elements" || row == "map" ? 0 : 1; workers <= 4; ++workers) {
      found.push_back("workers=" + std::to_string(workers) +
                      (row == "map" ? std::string(",map=") + map : ""));
    }
    if (row != "map") break;
  }
  return found;
}

std::string value_of(const std::string& setting, const std::string& key) {
  std::istringstream pairs(setting);
  for (std::string pair; std::getline(pairs, pair, ',');) {
    if (pair.starts_with(key + "=")) return pair.substr(key.size() + 1);
  }
  return "";
}

std::unique_ptr<Row> row_of(const std::string& side, const std::string& folder,
                            std::int64_t iterations, const std::string& row,
                            const std::string& setting) {
  if (side == "ideal") return std::make_unique<Ideal>(iterations);
  const int workers = std::stoi(value_of(setting, "workers"));
  if (row == "generator") return generator_row(folder, iterations, workers);
  if (row == "elements" || row == "map") {
    return element_row(folder, value_of(setting, "map"), workers);
  }
  return image_row(folder + "/" + row, side == "float32", workers);
}

int calibrate() {
  constexpr std::int64_t kTry = 1'000'000;
  double best = 1e9;
  for (int i = 0; i < 30; ++i) {
    const double begin = now();
    burn(kTry);
    best = std::min(best, now() - begin);
  }
  std::cout << static_cast<std::int64_t>(kTry * 2e-3 / best) << std::endl;
  return 0;
}

int serve(const std::string& side, const std::string& folder, std::int64_t iterations) {
  std::string made;  // row and setting of `current`
  std::unique_ptr<Row> current;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string word;
    std::string row;
    std::string setting;
    double seconds = 0.0;
    words >> word >> row >> setting >> seconds;
    if (word == "settings") {
      std::string list;
      for (const std::string& name : settings_of(side, row)) list += ", \"" + name + '"';
      std::cout << '[' << list.substr(2) << ']' << std::endl;
      continue;
    }
    if (made != row + ' ' + setting) {
      current = row_of(side, folder, iterations, row, setting);
      made = row + ' ' + setting;
    }
    word == "check" ? current->check() : current->run(seconds);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 2 && std::string(argv[1]) == "calibrate") return calibrate();
    if (argc == 4) return serve(argv[1], argv[2], std::stoll(argv[3]));
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
  std::cerr << "usage: loaders_bench uint8|float32|ideal FOLDER ITERATIONS, or calibrate\n";
  return 2;
}
