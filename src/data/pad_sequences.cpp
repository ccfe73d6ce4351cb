#include "stoker/pad_sequences.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

template <class T>
T padding_value(float value) {
  if constexpr (std::is_same_v<T, std::int32_t>) {
    // Both bounds are floats, and so is everything between them.
    if (!(value >= -0x1p31f && value < 0x1p31f)) {
      throw ValueError(format("pad_sequences: expected a value that fits int32, received ", value));
    }
    return static_cast<std::int32_t>(value);
  } else {
    return value;
  }
}

template <class T>
Tensor padded(const std::vector<std::vector<T>>& sequences, const PadSequencesOptions& options) {
  if (options.maxlen)
    check::require("pad_sequences", "maxlen", *options.maxlen, check::at_least(0));
  std::size_t length = 0;
  if (options.maxlen) {
    length = static_cast<std::size_t>(*options.maxlen);
  } else {
    for (const auto& sequence : sequences) length = std::max(length, sequence.size());
  }
  const T value = padding_value<T>(options.value);
  Tensor result(
      Shape{static_cast<std::int64_t>(sequences.size()), static_cast<std::int64_t>(length)},
      dtype_of<T>);
  const std::span<T> rows = result.data<T>();
  std::ranges::fill(rows, value);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    std::span<const T> kept = sequences[i];
    const std::size_t count = std::min(length, kept.size());
    kept = options.truncating == PadSide::pre ? kept.last(count) : kept.first(count);
    const std::size_t at = options.padding == PadSide::pre ? length - count : 0;
    std::ranges::copy(kept, rows.subspan(i * length + at, count).begin());
  }
  return result;
}

template <class T>
Tensor one_hot(const Tensor& x, std::optional<std::int64_t> num_classes) {
  const std::span<const T> classes = x.data<T>();
  if (!num_classes) {
    if (classes.empty()) {
      throw ValueError("to_categorical: expected num_classes where there are no elements");
    }
    num_classes = static_cast<std::int64_t>(*std::ranges::max_element(classes)) + 1;
  }
  check::require("to_categorical", "num_classes", *num_classes, check::at_least(1));
  Shape shape;
  const std::size_t rank = x.shape().rank();
  const bool drops_last = rank > 1 && x.shape()[rank - 1] == 1;
  for (std::size_t i = 0; i < rank - (drops_last ? 1 : 0); ++i) shape.push_back(x.shape()[i]);
  shape.push_back(*num_classes);
  Tensor result(shape);
  const std::span<float> rows = result.data<float>();
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto label = static_cast<std::int64_t>(classes[i]);
    if (label < 0 || label >= *num_classes) {
      throw ValueError(format("to_categorical: expected classes in [0, ", *num_classes,
                              "), received ", label, " as element ", i));
    }
    rows[i * static_cast<std::size_t>(*num_classes) + static_cast<std::size_t>(label)] = 1.0f;
  }
  return result;
}

}  // namespace

Tensor pad_sequences(const std::vector<std::vector<std::int32_t>>& sequences,
                     const PadSequencesOptions& options) {
  return padded(sequences, options);
}
Tensor pad_sequences(const std::vector<std::vector<float>>& sequences,
                     const PadSequencesOptions& options) {
  return padded(sequences, options);
}

Tensor to_categorical(const Tensor& x, std::optional<std::int64_t> num_classes) {
  if (x.dtype() == DType::uint8) return one_hot<std::uint8_t>(x, num_classes);
  if (x.dtype() == DType::int32) return one_hot<std::int32_t>(x, num_classes);
  throw DTypeError(
      format("to_categorical: expected classes as int32 or uint8, received ", x.dtype()));
}

}  // namespace stoker
