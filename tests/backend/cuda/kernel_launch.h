// Launches our CUDA kernels on the emulator, in several orders, and compares.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <utility>
#include <vector>

#include "backend/cuda/emulation/kernels.h"
#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/embedding.h"
#include "backend/node_run.h"

namespace stoker::test {

inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class Params>
void launch(const Params& params) {
  backend::cuda::run_emulated(kernel_of(params), grid_of(params), &params);
}

// With fewer blocks than grid_of says: each works on several parts, as it does where there are more
// parts than blocks may be. (Batch norm cuts its sums by the number of blocks.)
template <class Params>
void launch_few_blocks(const Params& params) {
  backend::cuda::Grid grid = grid_of(params);
  constexpr bool kIsBatchNorm = requires { params.channels; };
  if (!kIsBatchNorm) grid.blocks = (grid.blocks + 2) / 3;
  backend::cuda::run_emulated(kernel_of(params), grid, &params);
}

// embedding's gradient: `p` but for its keys and uses, which are sorted first, as lowering has it.
inline void launch_embedding_backward(backend::cuda::embedding_backward_params p, const void* ids,
                                      backend::cuda::Labels kind, bool few_blocks = false) {
  using namespace backend::cuda;
  const EmbeddingSort sort(p.count, p.entries);
  const std::size_t numbers = sort.numbers_bytes / sizeof(std::uint32_t);
  // Allocated exactly, and full of garbage.
  std::vector<std::uint32_t> keys[2], uses[2];
  for (auto* memory : {&keys[0], &keys[1], &uses[0], &uses[1]}) memory->assign(numbers, 0xdeadU);
  std::vector<std::uint32_t> places(sort.counts_bytes / sizeof(std::uint32_t), 0xdeadU);
  std::uint32_t counter = 0;
  for (int pass = 0; pass < sort.passes; ++pass) {
    const int to = pass % 2;
    EmbeddingUses from{.count = p.count,
                       .entries = p.entries,
                       .chunk = sort.chunk,
                       .shift = pass * kDigitBits,
                       .kind = kind};
    if (pass == 0) from.ids = ids;
    if (pass > 0) from.keys = keys[1 - to].data();
    if (pass > 0) from.uses = uses[1 - to].data();
    const embedding_count_params count{.from = from, .places = places.data(), .counter = &counter};
    const embedding_place_params place{
        .from = from, .places = places.data(), .keys = keys[to].data(), .uses = uses[to].data()};
    few_blocks ? launch_few_blocks(count) : launch(count);
    few_blocks ? launch_few_blocks(place) : launch(place);
  }
  EXPECT_EQ(counter, 0U);
  p.keys = keys[(sort.passes - 1) % 2].data();
  p.uses = uses[(sort.passes - 1) % 2].data();
  few_blocks ? launch_few_blocks(p) : launch(p);
}

// An output that no kernel has written. Allocated exactly, so that AddressSanitizer sees its ends.
inline std::vector<float> unwritten(std::int64_t count) {
  return std::vector<float>(static_cast<std::size_t>(count), kNaN);
}

// Numbers, and their elements by signed index.
inline std::vector<float> random(std::int64_t count, std::uint32_t seed = 1) {
  return noise(static_cast<std::size_t>(count), 1.0f, seed);
}
inline double at(const std::vector<float>& x, std::int64_t i) {
  return x[static_cast<std::size_t>(i)];
}
inline double& at(std::vector<double>& x, std::int64_t i) { return x[static_cast<std::size_t>(i)]; }
inline std::vector<double> zeros(std::int64_t count) {
  return std::vector<double>(static_cast<std::size_t>(count));
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Launches in three orders of blocks and threads, once with fewer blocks: the outputs must have the
// same bits.
template <class Params>
void launch_in_all_orders(const Params& params,
                          std::initializer_list<std::vector<float>*> outputs) {
  std::vector<std::vector<float>> first;
  for (const std::uint64_t seed : {1, 2, 3}) {
    for (auto* output : outputs) std::fill(output->begin(), output->end(), kNaN);
    backend::cuda::reseed_emulation(seed);
    seed == 3 ? launch_few_blocks(params) : launch(params);
    std::size_t i = 0;
    for (const auto* output : outputs) {
      if (seed == 1) {
        first.push_back(*output);
      } else {
        EXPECT_TRUE(same_bits(first[i++], *output)) << "output " << i << " with seed " << seed;
      }
    }
  }
}

// |received - expected| <= tolerance (1 + |expected|); NaN and infinity as they are.
template <class Expected>
void expect_close(const std::vector<float>& received, const std::vector<Expected>& expected,
                  double tolerance) {
  ASSERT_EQ(received.size(), expected.size());
  for (std::size_t i = 0; i < received.size(); ++i) {
    const auto e = static_cast<double>(expected[i]);
    const double r = received[i];
    if (e != e ? r != r : r == e) continue;
    ASSERT_LE(std::abs(r - e), tolerance * (1.0 + std::abs(e))) << "at " << i;
  }
}

}  // namespace stoker::test
