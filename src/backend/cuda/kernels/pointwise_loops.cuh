// The loop of op pointwise. A generated node is a struct that knows pointers, shapes and its
// expression, all as constants:
//   one(i, range, y)   the expression's outputs for element i
//   pack(i, range, y)  the same for the elements of a pack: four, or eight where that is 16 bytes
//                      of a 16-bit type; i is a multiple of that
// This header is free-standing, since NVRTC compiles it, and so does the emulator of the tests.
#pragma once

#include "backend/cuda/kernels/numbers.cuh"
#include "backend/cuda/kernels/philox.cuh"
#include "backend/cuda/kernels/scalars.cuh"
#include "backend/cuda/kernels/tiling.h"

namespace stoker::backend::cuda {

// A part of the elements, cut into units of one pack each. The first and the last unit may lie in
// the part only partly.
template <class Index>
struct Part {
  Index units;       // the units of the parts before it
  Index first_unit;  // begin / Node::kPack
  Index begin, end;  // elements
  float value;
};

// Returns the last part that begins at `unit` or before it.
template <class Index>
__device__ __forceinline__ Part<Index> part_of(const Part<Index>* parts, u32 count, Index unit) {
  u32 low = 0;
  for (u32 high = count; high - low > 1;) {
    const u32 middle = (low + high) / 2;
    if (parts[middle].units <= unit) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return parts[low];
}

// All inputs of a unit are read before its outputs are written, so an output may share the memory
// of an input.
template <class Node>
__device__ __forceinline__ void pointwise(const Node& node, u32 block, u32 blocks) {
  using Index = typename Node::Index;
  if (node.is_refused()) return;
  const Index stride = static_cast<Index>(blocks) * kThreads;
  Index unit = static_cast<Index>(block) * kThreads + threadIdx.x;
  for (; unit < Node::kUnits; unit += stride) {
    const Part<Index> part = node.part(unit);
    const Index first = Node::kPack * (part.first_unit + (unit - part.units));
    if (Node::kIsWhole || (part.begin <= first && first + Node::kPack <= part.end)) {
      float y[Node::kOutputs][Node::kPack];
      node.pack(first, part.value, y);
      node.store_pack(first, y);
      continue;
    }
    const Index end = first + Node::kPack < part.end ? first + Node::kPack : part.end;
    for (Index i = first < part.begin ? part.begin : first; i < end; ++i) {
      float y[Node::kOutputs];
      node.one(i, part.value, y);
      node.store_one(i, y);
    }
  }
}

}  // namespace stoker::backend::cuda
