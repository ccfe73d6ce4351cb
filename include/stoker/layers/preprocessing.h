// Layers that prepare inputs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/axes.h"
#include "stoker/layers/layer.h"
#include "stoker/tensor.h"

namespace stoker {

// y = x * scale + offset.
struct RescalingOptions {
  double offset = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer Rescaling(double scale, RescalingOptions options = {});

// y = (x - mean) / max(sqrt(variance), 1e-7), or with `invert` the x of such a y. There is a mean
// and a variance for each place along the axes, of which none is the batch, and one of all elements
// for {}. They are given, as one number or one for each place along the last of the axes, or else
// weights that adapt() learns; these are not trained.
struct NormalizationOptions {
  Axes axis = -1;
  std::vector<double> mean{};
  std::vector<double> variance{};
  bool invert = false;
  std::string name{};
  std::string dtype{};
};
Layer Normalization(NormalizationOptions options = {});
// Has a Normalization begin with the mean and variance of `data`, whose first axis is the batch. It
// must not be in a model yet. Throws ValueError, and ShapeError where the data does not fit.
void adapt(const Layer& normalization, const Tensor& data);

// Images (batch, height, width, channels) in another size. A pixel of the result is the mean of the
// nearest four pixels, weighed by their distance ("bilinear"), or the nearest one ("nearest"). With
// crop_to_aspect_ratio the image's middle is resized that has the result's aspect ratio; with
// pad_to_aspect_ratio the whole image is, and fill_value stands around it.
struct ResizingOptions {
  std::string interpolation = "bilinear";
  bool crop_to_aspect_ratio = false;
  bool pad_to_aspect_ratio = false;
  double fill_value = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer Resizing(std::int64_t height, std::int64_t width, ResizingOptions options = {});

// The middle of images (batch, height, width, channels). An image that is smaller is cropped to the
// aspect ratio and resized.
Layer CenterCrop(std::int64_t height, std::int64_t width, NameOptions options = {});

// Rows of num_tokens numbers for whole numbers in [0, num_tokens), int32, uint8 or float32; any
// other ends the step with a DataError. Each number gets a row of its own with "one_hot", x (..) or
// (.., 1)
// -> (.., num_tokens). The numbers along the last axis share one with "multi_hot", which has a 1
// for those that are among them, and with "count", which has how often they are: (.., n) -> (..,
// num_tokens).
struct CategoryEncodingOptions {
  std::string output_mode = "multi_hot";
  std::string name{};
  std::string dtype{};
};
Layer CategoryEncoding(std::int64_t num_tokens, CategoryEncodingOptions options = {});

// The number of the bin in which each element lies: 0 below the first boundary, 1 from there to
// below the second, and so on. `output_mode` is "int", or one of CategoryEncoding's. Throws
// ValueError for boundaries that do not ascend.
struct DiscretizationOptions {
  std::string output_mode = "int";
  std::string name{};
  std::string dtype{};
};
Layer Discretization(std::vector<double> bin_boundaries, DiscretizationOptions options = {});

// ---- Images at random --------------------------------------------------------------------------
// These layers act while training, on the device, each image (batch, height, width, channels) by
// itself; otherwise they return their input as floats. Random numbers come from the model's seed,
// or from the layer's own.

// A range from which an amount is drawn: {lower, upper}, or one number f for {-|f|, |f|}.
struct Factor {
  double lower;
  double upper;
  Factor(int both) : Factor(static_cast<double>(both)) {}
  Factor(double both) : lower(both < 0 ? both : -both), upper(both < 0 ? -both : both) {}
  Factor(double from, double to) : lower(from < to ? from : to), upper(from < to ? to : from) {}
  friend bool operator==(const Factor&, const Factor&) = default;
};

struct SeedOption {
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};

// Flips half of the images: "horizontal", "vertical", or "horizontal_and_vertical", which as in
// Keras 3 turns them upside down and left to right at once.
Layer RandomFlip(std::string mode = "horizontal_and_vertical", SeedOption options = {});

// What lies outside of an image is its mirror image ("reflect"), the image again ("wrap"), its
// border
// ("nearest") or fill_value ("constant"). `interpolation` is "bilinear" or "nearest".
struct RandomTransformOptions {
  std::string fill_mode = "reflect";
  std::string interpolation = "bilinear";
  std::optional<std::uint64_t> seed{};
  double fill_value = 0.0;
  std::string name{};
  std::string dtype{};
};
// Moves images down by height_factor of their height and to the right by width_factor of their
// width.
Layer RandomTranslation(Factor height_factor, Factor width_factor,
                        RandomTransformOptions options = {});
// Turns images around their middle by `factor` of a whole turn.
Layer RandomRotation(Factor factor, RandomTransformOptions options = {});
// Scales images around their middle; a positive factor makes what they show smaller. Without a
// width_factor the aspect ratio stays.
Layer RandomZoom(Factor height_factor, RandomTransformOptions options = {});
Layer RandomZoom(Factor height_factor, Factor width_factor, RandomTransformOptions options = {});
// Shears images, in half of the cases to the other side. Factors lie in [0, 1].
Layer RandomShear(Factor x_factor, Factor y_factor, RandomTransformOptions options = {});
// Cuts images to a size, at one place of all images of a batch, and in the middle when not
// training. Images that are smaller are cropped to the aspect ratio and resized.
Layer RandomCrop(std::int64_t height, std::int64_t width, SeedOption options = {});

// Values are cut off where they leave value_range.
struct RandomColorOptions {
  std::vector<double> value_range{0.0, 255.0};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
// Adds `factor` of the value range to all of an image.
Layer RandomBrightness(Factor factor, RandomColorOptions options = {});
// Multiplies the distances from the mean of each channel by a number in [1 - lower, 1 + upper]. As
// in Keras 3, one number f stands for {0, f}.
Layer RandomContrast(Factor factor, RandomColorOptions options = {});
// Takes the color from a share `factor` of the images, which keep their channels, one or three.
Layer RandomGrayscale(double factor = 0.5, SeedOption options = {});
// Takes a share of the color from images: each is mixed with its gray one.
Layer RandomColorDegeneration(Factor factor, RandomColorOptions options = {});
// Keeps so many bits of the eight of each value, a number from `factor` without its upper end, if
// they differ. One number f stands for {1, f}.
Layer RandomPosterization(Factor factor, RandomColorOptions options = {});
// Adds a number to images, in {0, 255} by `addition_factor`, and inverts what is not below a
// threshold, by `threshold_factor`. Of either one number f is {0, f}, as in Keras.
struct SolarizationOptions {
  Factor addition_factor = 0.0;
  Factor threshold_factor = 0.0;
  std::vector<double> value_range{0.0, 255.0};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer Solarization(SolarizationOptions options = {});
// Inverts images with a probability that is drawn from `factor`, of which one number f is {0, f}.
Layer RandomInvert(Factor factor = 1.0, RandomColorOptions options = {});

}  // namespace stoker
