// Layers of several values.
#pragma once

#include <cstdint>

#include "stoker/layers/layer.h"

namespace stoker {

// Layers of two or more values, which are called with a list: Add()({a, b}). Those that compute
// element by element broadcast; where ranks differ, extents of 1 are put behind the batch. Subtract
// takes exactly two. What comes out is floating.
Layer Add(NameOptions options = {});
Layer Subtract(NameOptions options = {});
Layer Multiply(NameOptions options = {});
Layer Average(NameOptions options = {});
Layer Maximum(NameOptions options = {});
Layer Minimum(NameOptions options = {});
// One behind the other along `axis`, which counts the batch as 0 and is not the batch; all other
// extents are equal.
Layer Concatenate(std::int64_t axis = -1, NameOptions options = {});

}  // namespace stoker
