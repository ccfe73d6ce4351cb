// Products of small matrices with strides, in registers: a tile of the result stays there while the
// inner extent passes by. Rows of the right matrix and of the result are contiguous; what is left
// of a row behind its whole vectors is masked.
#pragma once

#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/vector.h"

namespace stoker::backend::cpu::STOKER_ISA {

// An element of the left matrix may lie anywhere, so that it may be read as its transpose.
struct LeftMatrix {
  const float* data;
  std::int64_t row_step, column_step;
};
struct RightMatrix {
  const float* data;
  std::int64_t row_step;
};
struct ResultMatrix {
  float* data;
  std::int64_t row_step;
};

// Computes kRows rows and kVectors vectors of the product, and adds them to the result if asked to.
template <int kRows, int kVectors, bool kPartial>
[[gnu::always_inline]] inline void product_tile(LeftMatrix a, RightMatrix b, ResultMatrix y,
                                                std::int64_t depth, std::int64_t last_lanes,
                                                bool adds) {
  Floats sums[kRows][kVectors];
  const auto load_vector = [&](const float* from, int v) {
    return kPartial && v == kVectors - 1 ? load_first(from + v * kWidth, last_lanes)
                                         : load(from + v * kWidth);
  };
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = adds ? load_vector(y.data + r * y.row_step, v) : Floats{};
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    Floats right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = load_vector(b.data + k * b.row_step, v);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Floats left = all(a.data[r * a.row_step + k * a.column_step]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* to = y.data + r * y.row_step + v * kWidth;
      if (kPartial && v == kVectors - 1) {
        store_first(to, sums[r][v], last_lanes);
      } else {
        store(to, sums[r][v]);
      }
    }
  }
}

// The same for any number of rows.
template <int kRows, int kVectors, bool kPartial>
inline void product_panel(LeftMatrix a, RightMatrix b, ResultMatrix y, std::int64_t rows,
                          std::int64_t depth, std::int64_t last_lanes, bool adds) {
  const auto step = [&](std::int64_t count) {
    a.data += count * a.row_step;
    y.data += count * y.row_step;
    rows -= count;
  };
  for (; rows >= kRows; step(kRows)) {
    product_tile<kRows, kVectors, kPartial>(a, b, y, depth, last_lanes, adds);
  }
  for (; rows >= 4; step(4)) {
    product_tile<4, kVectors, kPartial>(a, b, y, depth, last_lanes, adds);
  }
  for (; rows >= 1; step(1)) {
    product_tile<1, kVectors, kPartial>(a, b, y, depth, last_lanes, adds);
  }
}

// y[rows, columns] = a[rows, depth] b[depth, columns], or is increased by it. The order of the sums
// does not depend on anything but the sizes.
inline void product(LeftMatrix a, RightMatrix b, ResultMatrix y, std::int64_t rows,
                    std::int64_t columns, std::int64_t depth, bool adds) {
#if defined(__AVX512F__)
  constexpr int kVectors = 4, kTallRows = 12, kWideRows = 6;
#elif defined(__AVX__)
  constexpr int kVectors = 2, kTallRows = 8, kWideRows = 6;
#else
  constexpr int kVectors = 2, kTallRows = 8, kWideRows = 4;
#endif
  while (columns > 0) {
    const std::int64_t lanes = columns % kWidth;
    std::int64_t taken = 0;
    if (columns >= kVectors * kWidth) {
      taken = kVectors * kWidth;
      product_panel<kWideRows, kVectors, false>(a, b, y, rows, depth, 0, adds);
    } else if (kVectors > 2 && columns >= 2 * kWidth) {
      taken = 2 * kWidth;
      product_panel<kTallRows, 2, false>(a, b, y, rows, depth, 0, adds);
    } else if (columns >= kWidth) {
      taken = kWidth;
      product_panel<kTallRows, 1, false>(a, b, y, rows, depth, 0, adds);
    } else {
      taken = columns;
      product_panel<kTallRows, 1, true>(a, b, y, rows, depth, lanes, adds);
    }
    b.data += taken;
    y.data += taken;
    columns -= taken;
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
