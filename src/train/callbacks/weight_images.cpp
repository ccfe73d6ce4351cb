// Sources: keras/src/callbacks/tensorboard.py, _log_weight_as_image;
// tensorboard/plugins/image/summary_v2.py.
#include "train/callbacks/weight_images.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "io/png_write.h"

namespace stoker::train {
namespace {

// One axis of the images: how many places there are, and how far apart these are in the weight.
struct Axis {
  std::int64_t extent = 1;
  std::int64_t stride = 0;
};

struct Cut {
  Axis image, row, column, channel;
};

std::vector<Axis> axes_of(const Shape& shape) {
  std::vector<Axis> axes;
  std::int64_t stride = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    if (shape[i] != 1) axes.insert(axes.begin(), Axis{shape[i], stride});
    stride *= shape[i];
  }
  return axes;
}

std::optional<Cut> cut_of(const Shape& shape) {
  const std::vector<Axis> axes = axes_of(shape);
  switch (axes.size()) {
    case 1:
      return Cut{.image = {}, .row = axes[0], .column = {}, .channel = {}};
    case 2: {
      const bool is_tall = axes[0].extent > axes[1].extent;
      return Cut{.image = {},
                 .row = axes[is_tall ? 1 : 0],
                 .column = axes[is_tall ? 0 : 1],
                 .channel = {}};
    }
    case 3:
      return Cut{.image = axes[2], .row = axes[0], .column = axes[1], .channel = {}};
    case 4:
      if (axes[3].extent != 3 && axes[3].extent != 4) return std::nullopt;
      return Cut{.image = axes[0], .row = axes[1], .column = axes[2], .channel = axes[3]};
    default:
      return std::nullopt;
  }
}

// TensorFlow's conversion of numbers in [0, 1], which cuts fractions off (tf.image,
// convert_image_dtype). A NaN is black.
std::uint8_t pixel_of(float value) {
  constexpr float kScale = 255.5f;
  return value > 0.0f ? static_cast<std::uint8_t>(std::min(value * kScale, 255.0f)) : 0;
}

}  // namespace

WeightImages images_of_weight(const Tensor& weight) {
  constexpr std::int64_t kMostImages = 3;
  const std::optional<Cut> cut = cut_of(weight.shape());
  if (!cut || weight.empty() || weight.dtype() != DType::float32) return {};
  const float* values = weight.data<float>().data();
  WeightImages images{.width = cut->column.extent, .height = cut->row.extent};
  for (std::int64_t i = 0; i < std::min(cut->image.extent, kMostImages); ++i) {
    std::vector<std::uint8_t> pixels;
    pixels.reserve(static_cast<std::size_t>(images.width * images.height * cut->channel.extent));
    for (std::int64_t y = 0; y < images.height; ++y) {
      for (std::int64_t x = 0; x < images.width; ++x) {
        for (std::int64_t c = 0; c < cut->channel.extent; ++c) {
          pixels.push_back(pixel_of(values[i * cut->image.stride + y * cut->row.stride +
                                           x * cut->column.stride + c * cut->channel.stride]));
        }
      }
    }
    images.pngs.push_back(
        io::encode_png(images.width, images.height, static_cast<int>(cut->channel.extent), pixels));
  }
  return images;
}

}  // namespace stoker::train
