// Products with a packed matrix, for kernels that multiply a few rows again and again with the same
// one. A row's result does not depend on the rows beside it.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/vector.h"

namespace stoker::backend::cpu::STOKER_ISA {

// A panel is so many columns of the matrix, row after row. They are two vectors, which with eight
// rows of the other factor keep sixteen sums in registers.
inline constexpr int kPanel = 2 * kWidth;

template <int kRows>
[[gnu::always_inline]] inline void panel_product(const float* a, std::int64_t a_stride,
                                                 const float* panel, std::int64_t k, float* y,
                                                 std::int64_t y_stride) {
  Floats sums[kRows][2] = {};
  for (std::int64_t i = 0; i < k; ++i) {
    const Floats first = load(panel + i * kPanel);
    const Floats second = load(panel + i * kPanel + kWidth);
    for (int r = 0; r < kRows; ++r) {
      const float factor = a[r * a_stride + i];
      sums[r][0] += first * factor;
      sums[r][1] += second * factor;
    }
  }
  for (int r = 0; r < kRows; ++r) {
    store(y + r * y_stride, sums[r][0]);
    store(y + r * y_stride + kWidth, sums[r][1]);
  }
}

// Computes y [rows, n] = a [rows, k] times the packed matrix [k, n]. Rows of y have room for whole
// panels.
[[maybe_unused]] static void packed_product(std::int64_t rows, std::int64_t k, std::int64_t n,
                                            const float* a, std::int64_t a_stride,
                                            const float* packed, float* y, std::int64_t y_stride) {
#if defined(__AVX512F__)
  constexpr int kMostRows = 8;
#else
  constexpr int kMostRows = 4;
#endif
  for (std::int64_t column = 0; column < n; column += kPanel, packed += k * kPanel) {
    std::int64_t row = 0;
    for (; row + kMostRows <= rows; row += kMostRows) {
      panel_product<kMostRows>(a + row * a_stride, a_stride, packed, k, y + row * y_stride + column,
                               y_stride);
    }
    for (; row < rows; ++row) {
      panel_product<1>(a + row * a_stride, a_stride, packed, k, y + row * y_stride + column,
                       y_stride);
    }
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
