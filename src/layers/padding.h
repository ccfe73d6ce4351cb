// Padding of convolutions and pooling windows, as Keras names and counts it.
#pragma once

#include <array>
#include <cstdint>
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

}  // namespace stoker::layers
