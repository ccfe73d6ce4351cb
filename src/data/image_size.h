// Checks that an image's memory has as many elements as its size.
#pragma once

#include <cstddef>
#include <span>

#include "core/format.h"
#include "stoker/error.h"
#include "stoker/image.h"

namespace stoker::data {

template <class T>
void require(std::span<T> image, const ImageSize& size, const char* what) {
  const std::size_t elements = image.size();
  if (elements == size.elements()) return;
  throw ShapeError(format(what, ": expected ", size.height, " x ", size.width, " x ", size.channels,
                          " elements, received ", elements));
}

}  // namespace stoker::data
