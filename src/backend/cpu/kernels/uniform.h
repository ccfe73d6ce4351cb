// Uniform random numbers by element, as graph/expression.h defines them.
#pragma once

#include <cstdint>

#include "stoker/detail/philox.h"

namespace stoker::backend::cpu::STOKER_ISA {

// Draws the numbers of 4 * blocks elements, the first of which is 4 * first_block.
inline void fill_uniform(float* to, std::int64_t first_block, std::int64_t blocks,
                         std::uint64_t seed, std::uint32_t stream, std::uint32_t step) {
  const auto first = static_cast<std::uint64_t>(first_block);
  // The rounds are unrolled, so that the loop over blocks becomes vector code. Only the low half of
  // the block's number counts up: numbers from 2^32 on would be 64 GiB into a tensor.
  const auto low = static_cast<std::uint32_t>(first);
  const auto high = static_cast<std::uint32_t>(first >> 32);
  std::uint32_t k0[10], k1[10];
  for (std::uint32_t i = 0; i < 10; ++i) {
    k0[i] = static_cast<std::uint32_t>(seed) + i * detail::PhiloxBlock::kWeyl0;
    k1[i] = static_cast<std::uint32_t>(seed >> 32) + i * detail::PhiloxBlock::kWeyl1;
  }
  for (std::int64_t i = 0; i < blocks; ++i) {
    detail::PhiloxBlock block{low + static_cast<std::uint32_t>(i), high, stream, step};
    block.round(k0[0], k1[0]);
    block.round(k0[1], k1[1]);
    block.round(k0[2], k1[2]);
    block.round(k0[3], k1[3]);
    block.round(k0[4], k1[4]);
    block.round(k0[5], k1[5]);
    block.round(k0[6], k1[6]);
    block.round(k0[7], k1[7]);
    block.round(k0[8], k1[8]);
    block.round(k0[9], k1[9]);
    to[4 * i + 0] = unit_float(block.w0);
    to[4 * i + 1] = unit_float(block.w1);
    to[4 * i + 2] = unit_float(block.w2);
    to[4 * i + 3] = unit_float(block.w3);
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
