// What an image's memory has to hold.
#pragma once

#include <cstddef>

#include "core/format.h"
#include "stoker/error.h"
#include "stoker/image.h"

namespace stoker::data {

inline void require(bool holds, const char* what, const ImageSize& size, std::size_t elements) {
  if (holds) return;
  throw ShapeError(format(what, ": expected ", size.height, " x ", size.width, " x ", size.channels,
                          " elements, received ", elements));
}

}  // namespace stoker::data
