// Reductions of contiguous memory. Sums go through several partial sums, so that float32 error
// stays small and the additions do not wait for each other.
#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/vector.h"

namespace stoker::backend::cpu::STOKER_ISA {
namespace {

// Sums of this many floats are taken in float32, the sums of those in double.
constexpr std::int64_t kBlock = 1024;

float sum_of_block(const float* x, std::int64_t count) {
  Floats s0{}, s1{}, s2{}, s3{};
  std::int64_t i = 0;
  for (; i + 4 * kWidth <= count; i += 4 * kWidth) {
    s0 += load(x + i);
    s1 += load(x + i + kWidth);
    s2 += load(x + i + 2 * kWidth);
    s3 += load(x + i + 3 * kWidth);
  }
  for (; i + kWidth <= count; i += kWidth) s0 += load(x + i);
  float tail = 0.0f;
  for (; i < count; ++i) tail += x[i];
  return sum_of_lanes((s0 + s1) + (s2 + s3)) + tail;
}

double sum(const float* x, std::int64_t count) {
  double total = 0.0;
  while (count > kBlock) {
    total += static_cast<double>(sum_of_block(x, kBlock));
    x += kBlock;
    count -= kBlock;
  }
  return total + static_cast<double>(sum_of_block(x, count));
}

struct Larger {
  static constexpr float kStart = -kInfinity;
  [[gnu::always_inline]] static Floats of(Floats a, Floats b) { return maximum(a, b); }
  [[gnu::always_inline]] static float of(float a, float b) { return a > b || a != a ? a : b; }
};
struct Smaller {
  static constexpr float kStart = kInfinity;
  [[gnu::always_inline]] static Floats of(Floats a, Floats b) { return minimum(a, b); }
  [[gnu::always_inline]] static float of(float a, float b) { return a < b || a != a ? a : b; }
};

template <class Pick>
float extreme(const float* x, std::int64_t count) {
  float best = Pick::kStart;
  std::int64_t i = 0;
  if (count >= 2 * kWidth) {
    Floats b0 = load(x), b1 = load(x + kWidth);
    for (i = 2 * kWidth; i + 2 * kWidth <= count; i += 2 * kWidth) {
      b0 = Pick::of(b0, load(x + i));
      b1 = Pick::of(b1, load(x + i + kWidth));
    }
    b0 = Pick::of(b0, b1);
    for (int lane = 0; lane < kWidth; ++lane) best = Pick::of(best, b0[lane]);
  }
  for (; i < count; ++i) best = Pick::of(best, x[i]);
  return best;
}

// Four rows are added among themselves before they meet the sums: less traffic and less error.
// (Eight would be more streams than the processor fetches ahead.)
void sum_rows(float* __restrict into, const float* __restrict x, std::int64_t rows,
              std::int64_t columns) {
  for (; rows >= 4; rows -= 4, x += 4 * columns) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const float* at = x + c;
      into[c] += (at[0] + at[columns]) + (at[2 * columns] + at[3 * columns]);
    }
  }
  for (; rows > 0; --rows, x += columns) {
    for (std::int64_t c = 0; c < columns; ++c) into[c] += x[c];
  }
}

template <class Pick>
void extreme_rows(float* __restrict into, const float* __restrict x, std::int64_t rows,
                  std::int64_t columns) {
  for (; rows > 0; --rows, x += columns) {
    for (std::int64_t c = 0; c < columns; ++c) into[c] = Pick::of(into[c], x[c]);
  }
}

}  // namespace

double reduce(Reduction kind, const float* x, std::int64_t count) {
  switch (kind) {
    case Reduction::sum:
      return sum(x, count);
    case Reduction::max:
      return static_cast<double>(extreme<Larger>(x, count));
    case Reduction::min:
      return static_cast<double>(extreme<Smaller>(x, count));
  }
  return 0.0;
}

void reduce_rows(Reduction kind, float* into, const float* x, std::int64_t rows,
                 std::int64_t columns) {
  switch (kind) {
    case Reduction::sum:
      return sum_rows(into, x, rows, columns);
    case Reduction::max:
      return extreme_rows<Larger>(into, x, rows, columns);
    case Reduction::min:
      return extreme_rows<Smaller>(into, x, rows, columns);
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
