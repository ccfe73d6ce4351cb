// Padding of convolutions and pooling windows, as Keras names and counts it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "layers/layer.h"

namespace stoker::layers {

// With "causal" all padding stands before the first step, so that no window reaches beyond its own.
enum class Padding : std::uint8_t { valid, same, causal };

// Accepts "valid" or "same", and "causal" where that is allowed, in any case. Throws ValueError
// naming the layer for other names.
Padding parse_padding(const LayerBase& layer, const std::string& name, bool allow_causal = false);

// The padding that "same" adds before and after an axis of `extent`, so that ceil(extent / stride)
// windows of `reach` (the whole span of a dilated kernel) fit. An odd padding has one more after
// than before.
std::array<std::int64_t, 2> same_padding(std::int64_t extent, std::int64_t reach,
                                         std::int64_t stride);

// The extent that a transposed convolution makes of an axis. It is Keras's
// (backend/common/backend_utils.py, _get_output_shape_given_tf_padding).
std::int64_t transposed_extent(std::int64_t extent, std::int64_t reach, std::int64_t stride,
                               Padding padding, std::optional<std::int64_t> output_padding);

}  // namespace stoker::layers
