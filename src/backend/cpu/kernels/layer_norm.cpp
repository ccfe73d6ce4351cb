// Layer normalization and the gradient of its input, row by row. A row that is summed stays in the
// cache until it is written. What is left behind the whole vectors is masked.
#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/vector.h"

namespace stoker::backend::cpu::STOKER_ISA {
namespace {

// Calls f(place, lanes) for the vectors of a row; `lanes` is how many of the last one count.
template <class F>
[[gnu::always_inline]] inline void each_vector(std::int64_t columns, const F& f) {
  std::int64_t c = 0;
  for (; c + kWidth <= columns; c += kWidth) f(c, kWidth);
  if (c < columns) f(c, columns - c);
}

[[gnu::always_inline]] inline Floats load_lanes(const float* from, std::int64_t lanes) {
  return lanes == kWidth ? load(from) : load_first(from, lanes);
}
[[gnu::always_inline]] inline void store_lanes(float* to, Floats x, std::int64_t lanes) {
  if (lanes == kWidth) {
    store(to, x);
  } else {
    store_first(to, x, lanes);
  }
}

// The sum of f(place, lanes) over a row. It is taken in pieces and not in one running float, which
// keeps the error of a long row small. f gives 0 for lanes that do not count.
template <class F>
[[gnu::always_inline]] inline float sum_of(std::int64_t columns, const F& f) {
  constexpr std::int64_t kPiece = 4096;
  double total = 0.0;
  for (std::int64_t first = 0; first < columns; first += kPiece) {
    const std::int64_t count = columns - first < kPiece ? columns - first : kPiece;
    Floats sums[2] = {};
    int next = 0;
    each_vector(count, [&](std::int64_t c, std::int64_t lanes) {
      sums[next] += f(first + c, lanes);
      next = 1 - next;
    });
    total += static_cast<double>(sum_of_lanes(sums[0] + sums[1]));
  }
  return static_cast<float>(total);
}

// Sets the lanes that do not count to 0.
[[gnu::always_inline]] inline Floats only(Floats x, std::int64_t lanes) {
  if (lanes == kWidth) return x;
  float values[kWidth];
  store(values, x);
  return load_first(values, lanes);
}

}  // namespace

void layer_norm(const LayerNorm& p, std::int64_t begin, std::int64_t end) {
  const float scale = 1.0f / static_cast<float>(p.columns);
  for (std::int64_t row = begin; row < end; ++row) {
    const float* x = p.x + row * p.columns;
    float* y = p.y + row * p.columns;
    const float mean = scale * sum_of(p.columns, [&](std::int64_t c, std::int64_t lanes) {
                         return load_lanes(x + c, lanes);
                       });
    const float variance = scale * sum_of(p.columns, [&](std::int64_t c, std::int64_t lanes) {
                             const Floats d = only(load_lanes(x + c, lanes) - mean, lanes);
                             return d * d;
                           });
    const float inverse = 1.0f / sqrt(all(variance + p.epsilon))[0];
    p.mean[row] = mean;
    p.inverse[row] = inverse;
    each_vector(p.columns, [&](std::int64_t c, std::int64_t lanes) {
      const Floats standard = (load_lanes(x + c, lanes) - mean) * inverse;
      store_lanes(y + c, standard * load_lanes(p.gamma + c, lanes) + load_lanes(p.beta + c, lanes),
                  lanes);
    });
  }
}

// With g = dy gamma and the standardised row s: dx = (g - mean(g) - s mean(g s)) / deviation.
void layer_norm_backward(const LayerNorm& p, std::int64_t begin, std::int64_t end) {
  const float scale = 1.0f / static_cast<float>(p.columns);
  for (std::int64_t row = begin; row < end; ++row) {
    const float* x = p.x + row * p.columns;
    const float* dy = p.dy + row * p.columns;
    float* dx = p.dx + row * p.columns;
    const float mean = p.mean[row], inverse = p.inverse[row];
    const float sum = scale * sum_of(p.columns, [&](std::int64_t c, std::int64_t lanes) {
                        return load_lanes(dy + c, lanes) * load_lanes(p.gamma + c, lanes);
                      });
    const float product = scale * sum_of(p.columns, [&](std::int64_t c, std::int64_t lanes) {
                            const Floats g =
                                load_lanes(dy + c, lanes) * load_lanes(p.gamma + c, lanes);
                            return g * ((load_lanes(x + c, lanes) - mean) * inverse);
                          });
    each_vector(p.columns, [&](std::int64_t c, std::int64_t lanes) {
      const Floats g = load_lanes(dy + c, lanes) * load_lanes(p.gamma + c, lanes);
      const Floats standard = (load_lanes(x + c, lanes) - mean) * inverse;
      store_lanes(dx + c, (g - sum - standard * product) * inverse, lanes);
    });
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
