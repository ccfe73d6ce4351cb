// The middle of images.
#pragma once

#include <cstdint>

#include "ops/ops.h"

namespace stoker::layers {

// Images that are smaller are cropped to the aspect ratio and resized.
graph::Value center_crop(graph::Value images, std::int64_t height, std::int64_t width);

}  // namespace stoker::layers
