// How a Normalization learns from data that comes in batches.
#pragma once

#include <functional>
#include <optional>

#include "stoker/dtype.h"
#include "stoker/layers/layer.h"
#include "stoker/shape.h"

namespace stoker::layers {

// A batch of data, with the batch as the first axis of its shape.
struct DataBatch {
  const void* elements;
  DType dtype;
  Shape shape;
};

// Has a Normalization begin with the mean and variance of all batches that `next` gives before it
// gives none. Throws as the public adapt() does.
void adapt(const Layer& normalization, const std::function<std::optional<DataBatch>()>& next);

}  // namespace stoker::layers
