// Batches of tensors in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "stoker/generator.h"
#include "stoker/tensor.h"

namespace stoker {

struct ArrayOptions {
  std::int64_t batch_size = 32;
  // If true, each epoch has its own order of rows, keyed by (seed, epoch).
  bool shuffle = false;
  std::uint64_t seed = 0;
  bool drop_remainder = false;
};

// Rows of x and y (and weights for the samples) in batches; the last one may be short. Element
// types stay as they are: uint8 images travel as bytes. Throws ShapeError when the numbers of rows
// differ, ValueError for an empty data set.
SourceHandle array_source(Tensor x, Tensor y, ArrayOptions options = {});
SourceHandle array_source(Tensor x, Tensor y, Tensor sample_weight, ArrayOptions options = {});
SourceHandle array_source(std::vector<Tensor> inputs, std::vector<Tensor> targets,
                          std::optional<Tensor> sample_weight, ArrayOptions options = {});

}  // namespace stoker
