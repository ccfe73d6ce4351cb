// Lists of different lengths as one tensor, and class numbers as rows of zeros with a one: Keras's
// pad_sequences and to_categorical.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stoker/tensor.h"

namespace stoker {

enum class PadSide : std::uint8_t {
  pre,   // at the beginning
  post,  // at the end
};

struct PadSequencesOptions {
  std::optional<std::int64_t> maxlen{};  // the length of all; without it that of the longest
  PadSide padding = PadSide::pre;        // the side that zeros (`value`) are added to
  PadSide truncating = PadSide::pre;     // the side that a longer sequence loses elements at
  float value = 0.0f;
};

// Returns the sequences as rows of equal length, (sequences, length), int32 or float32, with
// Keras's defaults. Throws ValueError for a maxlen below 0, and for a value that is no int32 where
// the elements are; DeviceError if there is not enough memory.
//
//   Tensor x = pad_sequences({{1, 2, 3}, {4}}, {.maxlen = 4});   // 0 1 2 3, 0 0 0 4
Tensor pad_sequences(const std::vector<std::vector<std::int32_t>>& sequences,
                     const PadSequencesOptions& options = {});
Tensor pad_sequences(const std::vector<std::vector<float>>& sequences,
                     const PadSequencesOptions& options = {});

// Returns float32 zeros of shape (x.shape..., num_classes) with a 1 at the class of each element of
// `x`, which is int32 or uint8. Without num_classes it is the largest class and one more. A last
// axis of extent 1 of an `x` with several axes is left out, as in Keras. Throws DTypeError for
// other elements, ValueError for a class outside of [0, num_classes). (Keras counts negative
// classes from the end.)
Tensor to_categorical(const Tensor& x, std::optional<std::int64_t> num_classes = std::nullopt);

}  // namespace stoker
