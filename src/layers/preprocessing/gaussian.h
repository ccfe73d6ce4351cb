// Gaussian blur of images.
#pragma once

#include <cstdint>

#include "ops/ops.h"

namespace stoker::layers {

// Float32 images, blurred along axis 1 or 2 by a kernel of `size` numbers, an odd number of them.
// `deviation` has the shape (1, 1, 1, 1). What lies outside of an image is 0. Where `cuts_off` is
// set, the kernel ends at three times the deviation.
graph::Value blurred(graph::Value images, std::int64_t axis, std::int64_t size,
                     graph::Value deviation, bool cuts_off = false);

}  // namespace stoker::layers
