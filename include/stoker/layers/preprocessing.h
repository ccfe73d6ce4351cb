// Layers that prepare inputs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/axes.h"
#include "stoker/layers/layer.h"
#include "stoker/layers/size2d.h"
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
// Of the factors of the layers below one number f stands for {0, f}, as in Keras, but for
// brightness_factor.
//
// Turns the hue of images (red, green, blue) by half of `factor` of a whole turn, in half of the
// cases to the other side. Factors lie in [0, 1].
Layer RandomHue(Factor factor, RandomColorOptions options = {});
// Multiplies the saturation of images (red, green, blue) by f / (1 - f) for a factor f in [0, 1]:
// 0.5 changes nothing, 0 gives gray. As in Keras it is the saturation, and not the result, that is
// cut off at value_range; so with {0, 255} values of strong colors may leave it.
Layer RandomSaturation(Factor factor, RandomColorOptions options = {});
// Smooths images with factors in [0, 0.5), which is most with 0, and sharpens them with factors in
// (0.5, 1]. A smooth pixel is the mean of a pixel, counted five times, and the eight around it,
// which are 0 outside of the image.
Layer RandomSharpness(Factor factor, RandomColorOptions options = {});
// RandomBrightness, RandomContrast, RandomSaturation and RandomHue, those whose factor is given, in
// this order.
struct RandomColorJitterOptions {
  std::vector<double> value_range{0.0, 255.0};
  std::optional<Factor> brightness_factor{};
  std::optional<Factor> contrast_factor{};
  std::optional<Factor> saturation_factor{};
  std::optional<Factor> hue_factor{};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer RandomColorJitter(RandomColorJitterOptions options = {});
// Blurs images with a probability from `factor`. The kernel's deviations along width and height are
// drawn from `sigma`, in pixels, two for each batch; its size, two odd numbers {width, height} or
// one for both, stays. Pixels outside of the image are 0. Factors and sigmas lie in [0, 1].
struct RandomGaussianBlurOptions {
  Factor factor = 1.0;
  Size2D kernel_size = 3;
  Factor sigma = 1.0;
  std::vector<double> value_range{0.0, 255.0};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer RandomGaussianBlur(RandomGaussianBlurOptions options = {});

// Stretches each channel of an image over value_range; one that has a single value stays. It acts
// whether training or not, as in Keras.
struct ValueRangeOptions {
  std::vector<double> value_range{0.0, 255.0};
  std::string name{};
  std::string dtype{};
};
Layer AutoContrast(ValueRangeOptions options = {});

// Gives each channel values that are about equally often, by the cumulated histogram of `bins`
// bins. As in Keras it is the histogram of all images of a batch together, and the layer acts while
// training alone. A channel whose values all lie in one bin stays.
struct EqualizationOptions {
  std::vector<double> value_range{0.0, 255.0};
  std::int64_t bins = 256;
  std::string name{};
  std::string dtype{};
};
Layer Equalization(EqualizationOptions options = {});

// Contrast limited adaptive histogram equalization: equalizes each of the tiles of an image by its
// own histogram of 256 bins, in which no bin counts more than clip_limit times the mean (all do
// with 0 or less), and mixes what the nearest four tiles make of a pixel. It acts whether training
// or not, as in Keras. tile_grid_size is how many tiles {height, width} has; the image's mirror
// image fills the last ones.
struct ContrastLimitedOptions {
  std::vector<double> value_range{0.0, 255.0};
  double clip_limit = 4.0;
  Size2D tile_grid_size = 8;
  std::string name{};
  std::string dtype{};
};
Layer ContrastLimitedAdaptiveHistogramEqualization(ContrastLimitedOptions options = {});

// Moves the corners of images, with a probability from `factor`, by up to half of `scale` of their
// distance from the upper left corner, which stays as in Keras. What lies outside is fill_value.
struct RandomPerspectiveOptions {
  Factor factor = 1.0;
  double scale = 1.0;
  std::string interpolation = "bilinear";
  double fill_value = 0.0;
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer RandomPerspective(RandomPerspectiveOptions options = {});

// Moves the pixels of images, with a probability from `factor`, by normal numbers that a Gaussian
// has smoothed (Simard, Steinkraus, Platt: "Best practices for convolutional neural networks",
// 2003). A number s from `scale`, one for a batch, sets how far: the deviation of the Gaussian, and
// of the numbers before it, is 0.05 s of the shorter side, in pixels, and the result counts 0.1 s
// of the longer side times. Rows and columns move by numbers of their own.
struct RandomElasticTransformOptions {
  Factor factor = 1.0;
  Factor scale = 1.0;
  std::string interpolation = "bilinear";
  std::string fill_mode = "reflect";
  double fill_value = 0.0;
  std::vector<double> value_range{0.0, 255.0};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer RandomElasticTransform(RandomElasticTransformOptions options = {});

// Erases a rectangle of images with a probability from `factor`. Its sides are the square roots of
// two numbers from `scale`, of the image's. fill_value is one number or one for each channel; with
// none the rectangle is noise, normal numbers times the upper end of value_range. Either is cut off
// at value_range.
struct RandomErasingOptions {
  Factor factor = 1.0;
  Factor scale{0.02, 0.33};
  std::vector<double> fill_value{};
  std::vector<double> value_range{0.0, 255.0};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer RandomErasing(RandomErasingOptions options = {});

// MixUp and CutMix take images, or images and labels where Keras takes a dictionary of them, and
// return as many values: MixUp().call({images, labels}). Labels (batch, ..) are floats, such as
// rows of probabilities, and an input of the model. Each image is mixed with another one of the
// batch, in an order that is drawn anew in each step, and its labels by the same shares.
//
// y = w x + (1 - w) other with w from Beta(alpha, alpha) (Zhang et al.: "mixup", 2018).
struct MixUpOptions {
  double alpha = 0.2;
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer MixUp(MixUpOptions options = {});
// A rectangle comes from the other image (Yun et al.: "CutMix", 2019). Its share of the area is
// drawn from Beta(a, a), with one number `a` from `factor` for a batch.
struct CutMixOptions {
  Factor factor = 1.0;
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer CutMix(CutMixOptions options = {});

// Applies num_ops layers to a batch, each drawn anew of eleven: RandomShear, RandomTranslation,
// RandomRotation, RandomBrightness, RandomColorDegeneration, RandomContrast, RandomSharpness,
// RandomPosterization, Solarization, AutoContrast, Equalization, all with `factor` (Cubuk et al.:
// "RandAugment", 2020). Every step computes all of them num_ops times.
struct RandAugmentOptions {
  std::vector<double> value_range{0.0, 255.0};
  std::int64_t num_ops = 2;
  Factor factor = 0.5;
  std::string interpolation = "bilinear";
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer RandAugment(RandAugmentOptions options = {});
// Mixes a batch with num_chains changed ones, each made by chain_depth layers that are drawn of
// RandAugment's or of none; without all_ops of its geometric ones, RandomPosterization,
// Solarization, AutoContrast and Equalization (Hendrycks et al.: "AugMix", 2020). Shares are drawn
// from a Dirichlet and a Beta distribution of `alpha`. Every step computes all layers num_chains *
// chain_depth times.
struct AugMixOptions {
  std::vector<double> value_range{0.0, 255.0};
  std::int64_t num_chains = 3;
  std::int64_t chain_depth = 3;
  Factor factor = 0.3;
  double alpha = 1.0;
  bool all_ops = true;
  std::string interpolation = "bilinear";
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer AugMix(AugMixOptions options = {});

}  // namespace stoker
