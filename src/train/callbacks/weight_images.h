// Weights as images, cut as Keras cuts them for TensorBoard.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stoker/tensor.h"

namespace stoker::train {

struct WeightImages {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::string> pngs{};  // Three at most; none where the weight is no image.
};

// Extents of 1 do not count. A vector is a column, and a matrix lies on its longer side; of a
// weight with three axes each slice along the last is an image, and of one with four, whose last
// extent has to be 3 or 4, each slice along the first. Values in [0, 1] go from black to white, and
// those outside are cut off.
WeightImages images_of_weight(const Tensor& weight);

}  // namespace stoker::train
