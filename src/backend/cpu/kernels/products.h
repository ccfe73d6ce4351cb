// Products of small matrices in registers: a tile of the result stays there while the inner extent
// passes by. Rows of the right matrix and of the result are whole vectors.
#pragma once

#include <cstddef>
#include <utility>

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
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void product_tile(LeftMatrix a, RightMatrix b, ResultMatrix y,
                                                std::int64_t depth, bool adds) {
  Floats sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = adds ? load(y.data + r * y.row_step + v * kWidth) : Floats{};
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    Floats right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = load(b.data + k * b.row_step + v * kWidth);
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
      store(y.data + r * y.row_step + v * kWidth, sums[r][v]);
    }
  }
}

// The same for any number of rows.
template <int kRows, int kVectors>
inline void product_panel(LeftMatrix a, RightMatrix b, ResultMatrix y, std::int64_t rows,
                          std::int64_t depth, bool adds) {
  const auto step = [&](std::int64_t count) {
    a.data += count * a.row_step;
    y.data += count * y.row_step;
    rows -= count;
  };
  for (; rows >= kRows; step(kRows)) product_tile<kRows, kVectors>(a, b, y, depth, adds);
  for (; rows >= 4; step(4)) product_tile<4, kVectors>(a, b, y, depth, adds);
  for (; rows >= 1; step(1)) product_tile<1, kVectors>(a, b, y, depth, adds);
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
    std::int64_t vectors = 1;
    if (columns >= kVectors * kWidth) {
      vectors = kVectors;
      product_panel<kWideRows, kVectors>(a, b, y, rows, depth, adds);
    } else if (kVectors > 2 && columns >= 2 * kWidth) {
      vectors = 2;
      product_panel<kTallRows, 2>(a, b, y, rows, depth, adds);
    } else {
      product_panel<kTallRows, 1>(a, b, y, rows, depth, adds);
    }
    b.data += vectors * kWidth;
    y.data += vectors * kWidth;
    columns -= vectors * kWidth;
  }
}

// ---- Transposes ----
template <int kHalf, std::size_t... lanes>
[[gnu::always_inline]] inline void exchange_halves(Floats& a, Floats& b,
                                                   std::index_sequence<lanes...>) {
  const Floats low =
      __builtin_shufflevector(a, b, (lanes & kHalf ? kWidth + lanes - kHalf : lanes)...);
  b = __builtin_shufflevector(a, b, (lanes & kHalf ? kWidth + lanes : lanes + kHalf)...);
  a = low;
}
// In each step, pairs of rows exchange halves of pieces of 2 kHalf lanes (Eklundh: "A fast computer
// method for matrix transposing", 1972).
template <int kHalf>
[[gnu::always_inline]] inline void exchange(Floats (&rows)[kWidth]) {
  if constexpr (kHalf < kWidth) {
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) {
      if ((i & kHalf) == 0) {
        exchange_halves<kHalf>(rows[i], rows[i + kHalf], std::make_index_sequence<kWidth>());
      }
    }
    exchange<2 * kHalf>(rows);
  }
}

// Writes the transpose of rows: a row of `to` has an element of each, and zeros up to a whole
// vector.
inline void transpose(float* to, std::int64_t to_step, const float* from, std::int64_t from_step,
                      std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; r += kWidth) {
    for (std::int64_t c = 0; c < columns; c += kWidth) {
      Floats block[kWidth];
      const bool is_whole = columns - c >= kWidth;
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) {
        const float* row = from + (r + i) * from_step + c;
        block[i] = r + i >= rows ? Floats{} : is_whole ? load(row) : load_first(row, columns - c);
      }
      exchange<1>(block);
#pragma GCC unroll 16
      for (int j = 0; j < kWidth; ++j) {
        if (c + j < columns) store(to + (c + j) * to_step + r, block[j]);
      }
    }
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
