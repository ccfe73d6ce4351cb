// What layers of one to three spatial axes say of the layout of their inputs.
#pragma once

#include <cstddef>

namespace stoker::layers {

inline const char* layout_advice(std::size_t spatial_axes) {
  switch (spatial_axes) {
    case 1:
      return "Sequences are (batch, steps, channels)";
    case 2:
      return "Images are (batch, height, width, channels)";
    default:
      return "Volumes are (batch, depth, height, width, channels)";
  }
}

}  // namespace stoker::layers
