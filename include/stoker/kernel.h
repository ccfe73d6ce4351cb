// Kernels of the user's own as functions of values, for what no other function says: C++ for the
// CPU, CUDA C++ for a GPU, and a gradient.
//
//   // y = x of the row's permutation; one item is one row.
//   KernelDefinition sorted{
//       .name = "sort_rows",
//       .cpu = [](const KernelData& data, std::int64_t begin, std::int64_t end) { ... },
//       .cuda = "__device__ void sort_rows(const float* const* inputs, float* const* outputs,"
//               "                          long long item) { ... }",
//       .gradient = [](const auto& inputs, const auto& outputs, const auto& gradients) { ... }};
//   Value y = ops::kernel(sorted, {x}, {x.shape()}, x.shape()[0])[0];
//
// All values are float32. A kernel is called for tensors of a step, within a layer, a loss or a
// step of the user's own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stoker/detail/function.h"
#include "stoker/layers/layer.h"
#include "stoker/shape.h"

namespace stoker {

// The elements of inputs and outputs, in C order, while the kernel runs.
struct KernelData {
  std::span<const std::span<const float>> inputs;
  std::span<const std::span<float>> outputs;
};

struct KernelDefinition {
  // An identifier of C++: the name in messages, and of the CUDA function.
  std::string name;
  // Computes the items [begin, end), which are independent of each other: several threads compute
  // different items at the same time, cut in parts that don't depend on their number. It writes all
  // elements of its items, reads no output, allocates nothing that it could have before, and does
  // not throw: an exception makes the outputs NaN, which ends the step.
  detail::Function<void(const KernelData& data, std::int64_t begin, std::int64_t end)> cpu;
  // Defines `__device__ void <name>(const float* const* inputs, float* const* outputs, long long
  // item)`, which a thread calls for each of its items. It stands in a namespace of its own and
  // includes nothing; CUDA's own functions are there. Compiled when the step is made; what the
  // compiler says is in the DeviceError of source that it does not take. Without it the kernel runs
  // on the CPU alone.
  std::string cuda{};
  // Returns a gradient for each input, of the input's shape, or an empty Value for one that has
  // none. `gradients` has one for each output; where nothing depends on it, it is zeros. Without
  // this function no gradient passes: training through the kernel is an Error.
  detail::Function<std::vector<Value>(const std::vector<Value>& inputs,
                                      const std::vector<Value>& outputs,
                                      const std::vector<Value>& gradients)>
      gradient{};
};

namespace functions {

// Calls the kernel: outputs of these shapes, which `items` items make, one for each element of the
// first output where it is 0. While shapes are checked, an extent may be -1. Throws ValueError for
// a name that is no identifier, and where there are no outputs or no function for the CPU.
std::vector<Value> kernel(const KernelDefinition& definition, const std::vector<Value>& inputs,
                          const std::vector<Shape>& outputs, std::int64_t items = 0);

}  // namespace functions
}  // namespace stoker
