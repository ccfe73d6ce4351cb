// Sizes of images as Keras's preprocessing layers make them.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "stoker/image.h"
#include "stoker/stoker.h"
#include "support/golden.h"

namespace stoker::test {
namespace {

// The largest part of the image with the target's proportions, about the centre, as
// crop_to_aspect_ratio wants it.
std::vector<float> cut_to_proportions(std::span<const float> image, ImageSize& size,
                                      const ImageSize& target) {
  ImageSize part = size;
  part.height = std::min(size.height, size.width * target.height / target.width);
  part.width = std::min(size.width, size.height * target.width / target.height);
  std::vector<float> result(part.elements());
  center_crop<float>(image, size, result, part);
  size = part;
  return result;
}

// What the functions on images do too; the others are layers alone.
bool changes_images(const GoldenCase& golden) {
  const std::string& function = golden.info["function"].string();
  return function == "Resizing" || function == "CenterCrop";
}

bool adapts(const GoldenCase& golden) {
  return golden.info["function"].string() == "Normalization.adapt";
}

class GoldenPreprocessing : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPreprocessing, ChangesImagesAsKerasDoes) {
  const GoldenCase golden = load_golden("preprocessing", GetParam());
  if (!changes_images(golden)) return;
  GoldenComparison comparison(golden);
  const Tensor& x = golden.tensor("x");
  const ImageSize from{x.shape()[1], x.shape()[2], x.shape()[3]};
  const ImageSize to{golden.config()["height"].integer(), golden.config()["width"].integer(),
                     from.channels};
  const bool resizes = golden.info["function"].string() == "Resizing";
  const Config* interpolation = golden.config().find("interpolation");
  const Config* keeps = golden.config().find("crop_to_aspect_ratio");
  std::vector<float> all;
  for (std::int64_t i = 0; i < x.shape()[0]; ++i) {
    const auto image =
        x.data<float>().subspan(static_cast<std::size_t>(i) * from.elements(), from.elements());
    std::vector<float> out(to.elements());
    if (!resizes) {
      center_crop<float>(image, from, out, to);
    } else {
      ImageSize size = from;
      std::vector<float> cut(image.begin(), image.end());
      if (keeps != nullptr && keeps->boolean()) cut = cut_to_proportions(image, size, to);
      const bool nearest = interpolation != nullptr && interpolation->string() == "nearest";
      resize(std::span<const float>(cut), size, std::span<float>(out), to,
             nearest ? Interpolation::nearest : Interpolation::bilinear);
    }
    all.insert(all.end(), out.begin(), out.end());
  }
  comparison.expect("y", all);
}

std::vector<float> content(const Tensor& x) {
  return {x.data<float>().begin(), x.data<float>().end()};
}

// The layers of the same names, in a model.
TEST_P(GoldenPreprocessing, LayersChangeImagesAsKerasDoes) {
  const GoldenCase golden = load_golden("preprocessing", GetParam());
  GoldenComparison comparison(golden);
  const Tensor& x = golden.tensor("x");
  const Layer layer = layer_from_config(
      adapts(golden) ? "Normalization" : golden.info["function"].string(), golden.config());
  if (adapts(golden)) adapt(layer, golden.tensor("data"));
  const char* dtype = x.dtype() == DType::int32 ? "int32" : "float32";
  Sequential model({Input(x.shape().without_batch(), {.dtype = dtype}), layer},
                   {.device = Device::cpu()});
  comparison.expect("y", content(model.predict(x)));
  if (!adapts(golden)) return;
  const std::vector<Tensor> weights = model.get_weights();
  ASSERT_EQ(weights.size(), 3u);
  comparison.expect("mean", content(weights[0]));
  comparison.expect("variance", content(weights[1]));
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenPreprocessing,
                         ::testing::ValuesIn(golden_names("preprocessing")), golden_test_name);

}  // namespace
}  // namespace stoker::test
