// Layers with several inputs.
#pragma once

#include <cstdint>
#include <string>

#include "stoker/axes.h"
#include "stoker/layers/layer.h"

namespace stoker {

// These layers have two or more inputs and are called with a list: Add()({a, b}). Those that
// compute element by element broadcast their inputs; where ranks differ, extents of 1 are inserted
// behind the batch. Subtract takes exactly two. The output is floating.
Layer Add(NameOptions options = {});
Layer Subtract(NameOptions options = {});
Layer Multiply(NameOptions options = {});
Layer Average(NameOptions options = {});
Layer Maximum(NameOptions options = {});
Layer Minimum(NameOptions options = {});
// Joins the inputs one behind the other along `axis`, which counts the batch as 0 and must not be
// the batch. All other extents have to be equal.
Layer Concatenate(std::int64_t axis = -1, NameOptions options = {});
// Sums products of two inputs over an axis of each, sample by sample: (batch, a.., n) and (batch,
// n, b..) give (batch, a.., b..). One axis holds for both inputs. With `normalize` the vectors
// along the axes have length 1 first, so that products of vectors are cosines.
struct DotOptions {
  bool normalize = false;
  std::string name{};
  std::string dtype{};
};
Layer Dot(Axes axes, DotOptions options = {});

}  // namespace stoker
