// A convolutional variational autoencoder (Kingma, Welling: "Auto-encoding variational Bayes",
// 2014) on Fashion-MNIST: a layer of our own draws the code and adds the divergence to the loss,
// and a model that shares the decoder's weights draws clothes that nobody has made.
//
//   vae [--data DIR] [--epochs N] [--picture FILE.png] [--quick]
//
// --quick takes ten steps and checks nothing.
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace stoker;

namespace {

constexpr std::int64_t kCode = 8;
constexpr std::int64_t kSide = 28, kPixels = kSide * kSide;

// Draws a code by its mean and the logarithm of its variance. The Kullback-Leibler divergence from
// a standard normal distribution, in nats an image, is a loss of the layer.
class Sampling : public CustomLayer {
 public:
  std::string class_name() const override { return "Sampling"; }
  std::vector<Value> call(LayerContext& context, const std::vector<Value>& inputs) override {
    const Value &mean = inputs[0], &log_variance = inputs[1];
    const Value divergence =
        -0.5 * ops::sum(1.0 + log_variance - ops::square(mean) - ops::exp(log_variance), -1);
    context.add_loss(ops::mean(divergence));
    context.add_metric("kl", divergence);
    if (!context.training()) return {mean};
    return {mean + ops::exp(0.5 * log_variance) * ops::random::normal(mean.shape())};
  }
};

// The negative logarithm of the probability of an image, in nats.
Value reconstruction(const Value& image, const Value& logits) {
  return ops::sum(ops::binary_crossentropy(image, logits, true), {1, 2, 3});
}

Tensor pixels_of(const Tensor& images) {
  Tensor pixels(images.shape());
  std::transform(images.data<std::uint8_t>().begin(), images.data<std::uint8_t>().end(),
                 pixels.data<float>().begin(),
                 [](std::uint8_t value) { return static_cast<float>(value) / 255.0f; });
  return pixels;
}

// Returns one picture of ten rows of ten images.
Tensor sheet_of(const Tensor& logits) {
  Tensor sheet({10 * kSide, 10 * kSide, 1}, DType::uint8);
  for (std::int64_t n = 0; n < 100; ++n) {
    for (std::int64_t i = 0; i < kPixels; ++i) {
      const float logit = logits.data<float>()[static_cast<std::size_t>(n * kPixels + i)];
      const std::int64_t y = n / 10 * kSide + i / kSide, x = n % 10 * kSide + i % kSide;
      sheet.data<std::uint8_t>()[static_cast<std::size_t>(y * 10 * kSide + x)] =
          static_cast<std::uint8_t>(255.0f / (1.0f + std::exp(-logit)));
    }
  }
  return sheet;
}

int run(const std::string& folder, std::int64_t epochs, const std::string& picture, bool is_quick) {
  const ImageDataset data = folder.empty() ? load_fashion_mnist() : load_idx_images(folder);
  const std::int64_t most = is_quick ? 1280 : data.train_labels.size();
  const Tensor train = pixels_of(data.train_images.rows(0, most));
  const Tensor test = pixels_of(is_quick ? data.test_images.rows(0, 256) : data.test_images);

  const Value image = Input({kSide, kSide, 1}, {.name = "image"});
  Value h = Conv2D(32, 3, {.strides = 2, .padding = "same", .activation = "relu"})(image);
  h = Conv2D(64, 3, {.strides = 2, .padding = "same", .activation = "relu"})(h);
  h = Dense(64, {.activation = "relu"})(Flatten()(h));
  const Value code = custom_layer<Sampling>()({Dense(kCode)(h), Dense(kCode)(h)});

  const Value given = Input({kCode}, {.name = "code"});
  h = Reshape({7, 7, 64})(Dense(7 * 7 * 64, {.activation = "relu"})(given));
  h = Conv2DTranspose(64, 3, {.strides = 2, .padding = "same", .activation = "relu"})(h);
  h = Conv2DTranspose(32, 3, {.strides = 2, .padding = "same", .activation = "relu"})(h);
  Model decoder(given, Conv2D(1, 3, {.padding = "same"})(h), {.name = "decoder"});

  Model vae(image, decoder(code), {.name = "vae", .seed = 1});
  vae.summary();
  vae.compile({.optimizer = Adam({.learning_rate = 1e-3}),
               .loss = custom_loss("reconstruction", reconstruction)});
  const double before = vae.evaluate(test, test, {.verbose = 0})["loss"];
  vae.fit(train, train, {.epochs = epochs, .batch_size = 128, .validation_data = {test, test}});
  const Logs after = vae.evaluate(test, test, {.verbose = 0});
  std::printf("nats an image on the test set: %.1f before, %.1f after, of them %.1f for the code\n",
              before, after["loss"], after["kl"]);

  // New images, of codes as they are distributed.
  const Tensor drawn = decoder.predict(Tensor::normal({100, kCode}, 0.0f, 1.0f, 7));
  if (!picture.empty()) {
    const Tensor sheet = sheet_of(drawn);
    write_png(picture, sheet.data<std::uint8_t>(), {10 * kSide, 10 * kSide, 1});
    std::printf("%s has 100 images that the decoder has drawn\n", picture.c_str());
  }
  // An image of the mean alone takes 282 nats, and of nothing learnt 543.
  return is_quick || after["loss"] < 260.0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::string folder, picture;
    std::int64_t epochs = 10;
    bool is_quick = false;
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--quick") is_quick = true;
      if (name == "--data" && i + 1 < argc) folder = argv[++i];
      if (name == "--epochs" && i + 1 < argc) epochs = std::stoll(argv[++i]);
      if (name == "--picture" && i + 1 < argc) picture = argv[++i];
    }
    return run(folder, is_quick ? 1 : epochs, picture, is_quick);
  } catch (const std::exception& error) {
    std::cerr << "vae: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
