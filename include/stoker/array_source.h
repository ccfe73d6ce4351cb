// Batches of tensors in memory.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
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

// Makes batches of rows of inputs and targets (and of weights for the samples); the last one may be
// short. Sample weights are none, one for all targets, or one for each target in their order.
// Element types stay as they are: uint8 images travel as bytes. Throws ShapeError if the numbers of
// rows differ, and for sample weights that don't belong to the targets; ValueError for an empty
// data set.
SourceHandle array_source(std::vector<Tensor> inputs, std::vector<Tensor> targets,
                          std::vector<Tensor> sample_weights = {}, ArrayOptions options = {});

// Makes a source of one input and one target.
SourceHandle array_source(Tensor x, Tensor y, ArrayOptions options = {});
SourceHandle array_source(Tensor x, Tensor y, Tensor sample_weight, ArrayOptions options = {});

namespace detail {
std::vector<Tensor> none_or_one(std::optional<Tensor> tensor);
}  // namespace detail

// Takes a Tensor that is the weight for all targets, or std::nullopt. This is a template, so that
// {} and {a, b} are lists of weights.
template <std::convertible_to<std::optional<Tensor>> T>
SourceHandle array_source(std::vector<Tensor> inputs, std::vector<Tensor> targets, T sample_weight,
                          ArrayOptions options = {}) {
  return array_source(std::move(inputs), std::move(targets),
                      detail::none_or_one(std::move(sample_weight)), options);
}

}  // namespace stoker
