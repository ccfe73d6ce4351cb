#include "train/callbacks/row_view.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace stoker::train {
namespace {

constexpr std::int64_t kMostPixels = 64;   // on a side
constexpr std::int64_t kMostNumbers = 12;  // of a row as text

template <class T>
T element(const std::byte* data, std::int64_t i) {
  T value;
  std::memcpy(&value, data + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

// What is to be subtracted from values and what they are to be multiplied by, to lie in [0, 255].
struct Range {
  double low = 0.0;
  double factor = 1.0;
};

Range range_of(const FieldView& field, std::int64_t row) {
  double low = HUGE_VAL;
  double high = -HUGE_VAL;
  for (std::int64_t i = 0; i < field.row_elements(); ++i) {
    const double value = field.at(row, i);
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (field.field().dtype == DType::uint8 || low > high) return {};
  if (low >= 0.0 && high <= 1.0) return {0.0, 255.0};
  if (low >= 0.0 && high <= 255.0) return {};
  return {low, high > low ? 255.0 / (high - low) : 1.0};
}

}  // namespace

double FieldView::at(std::int64_t row, std::int64_t i) const {
  const std::int64_t at = row * row_elements() + i;
  switch (field_->dtype) {
    case DType::float32:
      return element<float>(data_, at);
    case DType::int32:
      return element<std::int32_t>(data_, at);
    case DType::uint8:
      return element<std::uint8_t>(data_, at);
    case DType::bfloat16:
      return static_cast<float>(element<bfloat16>(data_, at));
    case DType::float16:
      return static_cast<float>(element<float16>(data_, at));
  }
  return 0.0;
}

std::vector<Tensor> BatchView::inputs() const {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < spec_.inputs.size(); ++i) {
    const FieldView view = input(i);
    Tensor tensor(view.field().shape.without_batch().with_batch(rows_), view.field().dtype);
    std::memcpy(tensor.raw(), view.data(), tensor.bytes());
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::optional<report::Picture> picture_of(const FieldView& field, std::int64_t row) {
  const Shape& shape = field.field().shape;
  if (shape.rank() != 4 || (shape[3] != 1 && shape[3] != 3) || field.row_elements() == 0) {
    return std::nullopt;
  }
  const std::int64_t height = shape[1];
  const std::int64_t width = shape[2];
  const std::int64_t channels = shape[3];
  const double scale = std::min(
      1.0, static_cast<double>(kMostPixels) / static_cast<double>(std::max(height, width)));
  const auto scaled = [&](std::int64_t size) {
    return std::max<std::int64_t>(1, std::llround(static_cast<double>(size) * scale));
  };
  report::Picture picture{scaled(width), scaled(height), channels, {}};
  const Range range = range_of(field, row);
  // Each pixel is the mean of those that it stands for.
  for (std::int64_t y = 0; y < picture.height; ++y) {
    const std::int64_t top = y * height / picture.height;
    const std::int64_t bottom = std::max(top + 1, (y + 1) * height / picture.height);
    for (std::int64_t x = 0; x < picture.width; ++x) {
      const std::int64_t left = x * width / picture.width;
      const std::int64_t right = std::max(left + 1, (x + 1) * width / picture.width);
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = 0.0;
        for (std::int64_t i = top; i < bottom; ++i) {
          for (std::int64_t j = left; j < right; ++j) {
            sum += field.at(row, (i * width + j) * channels + c);
          }
        }
        const double mean = sum / static_cast<double>((bottom - top) * (right - left));
        const double value = (mean - range.low) * range.factor;
        picture.pixels.push_back(static_cast<std::uint8_t>(
            std::isfinite(value) ? std::clamp(std::lround(value), 0L, 255L) : 0L));
      }
    }
  }
  return picture;
}

std::string text_of(const FieldView& field, std::int64_t row) {
  std::string text;
  const std::int64_t count = field.row_elements();
  for (std::int64_t i = 0; i < std::min(count, kMostNumbers); ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "%s%.4g", i == 0 ? "" : ", ", field.at(row, i));
    text += number;
  }
  return count > kMostNumbers ? text + ", …" : text;
}

}  // namespace stoker::train
