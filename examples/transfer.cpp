// Two ways to learn from few labels, on Fashion-MNIST with 20 of each class: an autoencoder sees
// all images without labels, is saved, and its encoder then carries a classifier; and a classifier
// of other classes is taken over, frozen at first and then tuned as a whole. Both are compared with
// the same network that starts from nothing.
//
//   transfer [--data DIR] [--quick]
#include <stoker/stoker.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace stoker;

namespace {

Tensor pixels_of(const Tensor& images) {
  Tensor pixels(images.shape());
  std::transform(images.data<std::uint8_t>().begin(), images.data<std::uint8_t>().end(),
                 pixels.data<float>().begin(),
                 [](std::uint8_t value) { return static_cast<float>(value) / 255.0f; });
  return pixels;
}

// The rows whose label is in [first, last), at most so many of each class. Labels count from first.
struct Images {
  Tensor x, y;
};
Images chosen(const Tensor& pixels, const Tensor& labels, std::int32_t first, std::int32_t last,
              std::int64_t most) {
  std::vector<std::int64_t> rows, counts(10, 0);
  const auto given = labels.data<std::int32_t>();
  for (std::size_t i = 0; i < given.size(); ++i) {
    const bool is_wanted = given[i] >= first && given[i] < last;
    if (is_wanted && counts[static_cast<std::size_t>(given[i])]++ < most) {
      rows.push_back(static_cast<std::int64_t>(i));
    }
  }
  Images images{Tensor({static_cast<std::int64_t>(rows.size()), 28, 28, 1}),
                Tensor({static_cast<std::int64_t>(rows.size())}, DType::int32)};
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const auto from = pixels.data<float>().subspan(static_cast<std::size_t>(rows[n]) * 784, 784);
    std::copy(from.begin(), from.end(), images.x.data<float>().subspan(n * 784).begin());
    images.y.data<std::int32_t>()[n] = given[static_cast<std::size_t>(rows[n])] - first;
  }
  return images;
}

Sequential encoder(std::uint64_t seed) {
  return Sequential(
      {Input({28, 28, 1}), Conv2D(32, 3, {.strides = 2, .padding = "same", .activation = "relu"}),
       Conv2D(64, 3, {.strides = 2, .padding = "same", .activation = "relu"}), Flatten(),
       Dense(64, {.activation = "relu"})},
      {.name = "encoder", .seed = seed});
}

// A classifier on the layers of another model, which it shares.
Model classifier(const Model& features, std::int64_t classes) {
  const Value x = Input({28, 28, 1});
  return Model(x, Dense(classes)(Dropout(0.3)(features(x))), {.seed = 3});
}

double accuracy_of(Model& model, const Images& few, const Images& test, double rate,
                   std::int64_t epochs) {
  model.compile({.optimizer = Adam({.learning_rate = rate}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  model.fit(few.x, few.y, {.epochs = epochs, .verbose = 0, .batch_size = 20});
  return model.evaluate(test.x, test.y, {.verbose = 0})["accuracy"];
}

int run(const std::string& folder, bool is_quick) {
  const ImageDataset data = folder.empty() ? load_fashion_mnist() : load_idx_images(folder);
  const Tensor images = pixels_of(is_quick ? data.train_images.rows(0, 2000) : data.train_images);
  const Tensor labels = is_quick ? data.train_labels.rows(0, 2000) : data.train_labels;
  const Tensor test_images = pixels_of(data.test_images);
  const std::int64_t epochs = is_quick ? 1 : 4, tuning = is_quick ? 1 : 40;

  // ---- All images without labels, then ten classes with 20 labels each ----
  const Images few = chosen(images, labels, 0, 10, 20);
  const Images test = chosen(test_images, data.test_labels, 0, 10, is_quick ? 20 : 100000);
  const Sequential code = encoder(1);
  const Value x = Input({28, 28, 1});
  Value y = Reshape({7, 7, 64})(Dense(7 * 7 * 64, {.activation = "relu"})(code(x)));
  y = Conv2DTranspose(32, 3, {.strides = 2, .padding = "same", .activation = "relu"})(y);
  y = Conv2DTranspose(1, 3, {.strides = 2, .padding = "same"})(y);
  Model autoencoder(x, y, {.name = "autoencoder", .seed = 1});
  autoencoder.compile({.optimizer = Adam(), .loss = BinaryCrossentropy({.from_logits = true})});
  autoencoder.fit(images, images, {.epochs = epochs, .verbose = 2, .batch_size = 128});
  Model by_codes = classifier(code, 10);
  const double with_codes = accuracy_of(by_codes, few, test, 1e-3, tuning);
  Sequential fresh = encoder(1);
  Model from_nothing = classifier(fresh, 10);
  const double without = accuracy_of(from_nothing, few, test, 1e-3, tuning);
  std::printf("ten classes by 20 labels each: %.3f from nothing, %.3f on an autoencoder's codes\n",
              without, with_codes);

  // ---- Five classes with all labels, saved; then the other five with 20 labels each ----
  const auto file = std::filesystem::temp_directory_path() / "transfer_encoder.keras";
  {
    const Images many = chosen(images, labels, 0, 5, 100000);
    Sequential base = encoder(2);
    Model first = classifier(base, 5);
    first.compile({.optimizer = Adam(),
                   .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                   .metrics = {"accuracy"}});
    first.fit(many.x, many.y, {.epochs = epochs, .verbose = 2, .batch_size = 128});
    base.save(file.string());
  }
  const Images others = chosen(images, labels, 5, 10, 20);
  const Images test_others = chosen(test_images, data.test_labels, 5, 10, is_quick ? 20 : 100000);
  Model base = Model::load(file.string());
  std::filesystem::remove(file);
  base.set_trainable(false);
  Model tuned = classifier(base, 5);
  const double frozen = accuracy_of(tuned, others, test_others, 1e-3, tuning);
  base.set_trainable(true);
  const double whole = accuracy_of(tuned, others, test_others, 1e-4, tuning / 2 + 1);
  Sequential plain = encoder(2);
  Model alone = classifier(plain, 5);
  const double untaught = accuracy_of(alone, others, test_others, 1e-3, tuning);
  std::printf(
      "five classes by 20 labels each: %.3f from nothing, %.3f on frozen layers, %.3f tuned\n",
      untaught, frozen, whole);
  if (is_quick) return EXIT_SUCCESS;
  return with_codes > without && whole > untaught ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string folder;
    bool is_quick = false;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--quick") is_quick = true;
      if (name == "--data" && i + 1 < argc) folder = argv[++i];
    }
    return run(folder, is_quick);
  } catch (const std::exception& error) {
    std::cerr << "transfer: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
