// Recurrent networks. Samples do not depend on each other, so a thread takes some of them through
// all steps: in each step one product of their states with the packed kernel, and one pass over the
// gates.
#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/packed_product.h"
#include "backend/cpu/kernels/vector.h"

namespace stoker::backend::cpu::STOKER_ISA {
namespace {

[[gnu::always_inline]] inline Floats apply(Gate gate, Floats x) {
  switch (gate) {
    case Gate::linear:
      return x;
    case Gate::relu:
      return relu(x);
    case Gate::sigmoid:
      return sigmoid(x);
    case Gate::hard_sigmoid:
      return minimum(maximum(x * (1.0f / 6.0f) + 0.5f, all(0.0f)), all(1.0f));
    case Gate::tanh:
      return tanh(x);
  }
  return x;
}

// The derivative at the place where the function has the value y.
[[gnu::always_inline]] inline Floats slope(Gate gate, Floats y) {
  switch (gate) {
    case Gate::linear:
      return all(1.0f);
    case Gate::relu:
      return select(y > 0.0f, 1.0f, all(0.0f));
    case Gate::sigmoid:
      return y * (1.0f - y);
    case Gate::hard_sigmoid:
      return select((y > 0.0f) & (y < 1.0f), 1.0f / 6.0f, all(0.0f));
    case Gate::tanh:
      return 1.0f - y * y;
  }
  return y;
}

// A vector of units, or the last ones, which are fewer. Null arrays are zeros to load, and nothing
// to store to.
struct Whole {
  std::int64_t at;
  [[gnu::always_inline]] Floats of(const float* x) const {
    return x == nullptr ? Floats{} : load(x + at);
  }
  [[gnu::always_inline]] void put(float* y, Floats value) const {
    if (y != nullptr) store(y + at, value);
  }
};
struct Some {
  std::int64_t at, count;
  [[gnu::always_inline]] Floats of(const float* x) const {
    return x == nullptr ? Floats{} : load_first(x + at, count);
  }
  [[gnu::always_inline]] void put(float* y, Floats value) const {
    if (y != nullptr) store_first(y + at, value, count);
  }
};
template <class F>
[[gnu::always_inline]] inline void each(std::int64_t units, const F& f) {
  std::int64_t i = 0;
  for (; i + kWidth <= units; i += kWidth) f(Whole{i});
  if (i < units) f(Some{i, units - i});
}

[[gnu::always_inline]] inline float* row(float* array, std::int64_t index, std::int64_t columns) {
  return array == nullptr ? nullptr : array + index * columns;
}
[[gnu::always_inline]] inline const float* row(const float* array, std::int64_t index,
                                               std::int64_t columns) {
  return array == nullptr ? nullptr : array + index * columns;
}

// The place in the input of the step that is taken as number `step`, and in the sequence of states.
std::int64_t time_of(const RecurrenceSizes& s, std::int64_t step) {
  return s.is_backwards ? s.steps - 1 - step : step;
}
std::int64_t place_of(const RecurrenceSizes& s, std::int64_t step) {
  return s.in_order_of_input ? time_of(s, step) : step;
}

void copy(const float* from, float* to, std::int64_t count) {
  each(count, [&](auto lanes) { lanes.put(to, lanes.of(from)); });
}
void zero(float* to, std::int64_t count) {
  each(count, [&](auto lanes) { lanes.put(to, Floats{}); });
}

// ---- Forward ------------------------------------------------------------------------------------

// The arrays of one sample in one step.
struct Sample {
  const float* x;
  const float* product;  // the state times the recurrent kernel
  const float* bias;
  float* state;
  float* cell;
  float* kept;
  float* reset;  // the state times the reset gate
};

void step_simple(const RecurrenceSizes& s, const Sample& p) {
  each(
      s.units, [&](auto u) __attribute__((always_inline)) {
        u.put(p.state, apply(s.activation, u.of(p.x) + u.of(p.product)));
      });
}

void step_lstm(const RecurrenceSizes& s, const Sample& p) {
  const std::int64_t n = s.units;
  each(
      n, [&](auto u) __attribute__((always_inline)) {
        const Gate gate = s.recurrent_activation;
        const Floats i = apply(gate, u.of(p.x) + u.of(p.product));
        const Floats f = apply(gate, u.of(p.x + n) + u.of(p.product + n));
        const Floats g = apply(s.activation, u.of(p.x + 2 * n) + u.of(p.product + 2 * n));
        const Floats o = apply(gate, u.of(p.x + 3 * n) + u.of(p.product + 3 * n));
        const Floats cell = f * u.of(p.cell) + i * g;
        u.put(p.cell, cell);
        u.put(p.state, o * apply(s.activation, cell));
        if (p.kept == nullptr) return;
        u.put(p.kept, i);
        u.put(p.kept + n, f);
        u.put(p.kept + 2 * n, g);
        u.put(p.kept + 3 * n, o);
      });
}

void step_gru(const RecurrenceSizes& s, const Sample& p) {
  const std::int64_t n = s.units;
  each(
      n, [&](auto u) __attribute__((always_inline)) {
        const Gate gate = s.recurrent_activation;
        const auto inner = [&](std::int64_t from) __attribute__((always_inline)) {
          return u.of(p.product + from) + u.of(row(p.bias, from, 1));
        };
        const Floats z = apply(gate, u.of(p.x) + inner(0));
        const Floats r = apply(gate, u.of(p.x + n) + inner(n));
        const Floats q = inner(2 * n);
        const Floats candidate = apply(s.activation, u.of(p.x + 2 * n) + r * q);
        u.put(p.state, z * u.of(p.state) + (1.0f - z) * candidate);
        if (p.kept == nullptr) return;
        u.put(p.kept, z);
        u.put(p.kept + n, r);
        u.put(p.kept + 2 * n, candidate);
        u.put(p.kept + 3 * n, q);
      });
}

// The gates of a GRU whose reset gate comes before the product are made first; the update gate
// waits in the place of its product.
void reset_gru(const RecurrenceSizes& s, const Sample& p, float* product) {
  const std::int64_t n = s.units;
  each(
      n, [&](auto u) __attribute__((always_inline)) {
        const Floats z = apply(s.recurrent_activation, u.of(p.x) + u.of(product));
        const Floats r = apply(s.recurrent_activation, u.of(p.x + n) + u.of(product + n));
        u.put(product, z);
        u.put(p.reset, r * u.of(p.state));
        if (p.kept == nullptr) return;
        u.put(p.kept, z);
        u.put(p.kept + n, r);
      });
}
void step_gru_reset_before(const RecurrenceSizes& s, const Sample& p, const float* candidates) {
  const std::int64_t n = s.units;
  each(
      n, [&](auto u) __attribute__((always_inline)) {
        const Floats candidate = apply(s.activation, u.of(p.x + 2 * n) + u.of(candidates));
        const Floats z = u.of(p.product);
        u.put(p.state, z * u.of(p.state) + (1.0f - z) * candidate);
        if (p.kept != nullptr) u.put(p.kept + 2 * n, candidate);
      });
}

bool is_masked(const float* mask, std::int64_t sample, std::int64_t steps, std::int64_t time) {
  return mask != nullptr && mask[sample * steps + time] == 0.0f;
}

}  // namespace

void pack(const float* matrix, std::int64_t k, std::int64_t n, std::int64_t stride, float* packed) {
  for (std::int64_t column = 0; column < n; column += kPanel) {
    const std::int64_t columns = n - column < kPanel ? n - column : kPanel;
    for (std::int64_t i = 0; i < k; ++i, packed += kPanel) {
      const float* from = matrix + i * stride + column;
      if (columns == kPanel) {
        store(packed, load(from));
        store(packed + kWidth, load(from + kWidth));
        continue;
      }
      for (int c = 0; c < kPanel; ++c) packed[c] = c < columns ? from[c] : 0.0f;
    }
  }
}

void recurrence(const RecurrenceForward& p, std::int64_t begin, std::int64_t end) {
  const RecurrenceSizes& s = p.sizes;
  const std::int64_t n = s.units, rows = end - begin;
  const std::int64_t wide = recurrence_products(s), narrow = padded_columns(n);
  // The block's scratch memory is taken as arrays of all its samples. The candidate's products lie
  // behind those of the gates.
  float* product = p.scratch + begin * recurrence_scratch(s);
  float* states = product + rows * wide;
  float* cells = states + rows * narrow;
  float* resets = cells + rows * narrow;
  const bool resets_first = s.cell == RecurrentCell::gru_reset_before;
  const std::int64_t columns = resets_first ? 2 * n : s.gates;
  const float* packed_candidate = p.packed + packed_floats(n, 2 * n);
  float* candidates = product + padded_columns(2 * n);

  for (std::int64_t r = 0; r < rows; ++r) {
    copy(row(p.state, begin + r, n), states + r * narrow, n);
    copy(row(p.cell, begin + r, n), cells + r * narrow, n);
  }
  for (std::int64_t step = 0; step < s.steps; ++step) {
    const std::int64_t time = time_of(s, step), place = place_of(s, step);
    const auto sample = [&](std::int64_t r) {
      const std::int64_t of_input = (begin + r) * s.steps + time;
      return Sample{.x = p.x + of_input * s.gates,
                    .product = product + r * wide,
                    .bias = p.recurrent_bias,
                    .state = states + r * narrow,
                    .cell = cells + r * narrow,
                    .kept = row(p.kept, of_input, s.kept),
                    .reset = resets + r * narrow};
    };
    packed_product(rows, n, columns, states, narrow, p.packed, product, wide);
    if (resets_first) {
      for (std::int64_t r = 0; r < rows; ++r) reset_gru(s, sample(r), product + r * wide);
      packed_product(rows, n, n, resets, narrow, packed_candidate, candidates, wide);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      if (!is_masked(p.mask, begin + r, s.steps, time)) {
        switch (s.cell) {
          case RecurrentCell::simple:
            step_simple(s, sample(r));
            break;
          case RecurrentCell::gru:
            step_gru(s, sample(r));
            break;
          case RecurrentCell::gru_reset_before:
            step_gru_reset_before(s, sample(r), candidates + r * wide);
            break;
          case RecurrentCell::lstm:
            step_lstm(s, sample(r));
            break;
        }
      } else if (p.kept != nullptr) {
        zero(p.kept + ((begin + r) * s.steps + time) * s.kept, s.kept);
      }
      const std::int64_t of_sequence = (begin + r) * s.steps + place;
      if (p.sequence != nullptr) copy(states + r * narrow, p.sequence + of_sequence * n, n);
      if (p.cells != nullptr) copy(cells + r * narrow, p.cells + of_sequence * n, n);
    }
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    copy(states + r * narrow, row(p.last, begin + r, n), n);
    if (p.last_cell != nullptr) copy(cells + r * narrow, row(p.last_cell, begin + r, n), n);
  }
}

// ---- Backward -----------------------------------------------------------------------------------
namespace {

// The arrays of one sample in one step. The gradient of the state behind the step is in dstate;
// what of it the state before gets directly, and not through the product, is left in `direct`.
struct BackwardSample {
  const float* state;   // behind the step
  const float* before;  // the state before it
  const float* cell;
  const float* cell_before;
  const float* kept;
  const float* dstate;
  float* dcell;
  float* direct;
  float* dx;
  float* dproduct;
};

void back_simple(const RecurrenceSizes& s, const BackwardSample& p) {
  each(
      s.units, [&](auto u) __attribute__((always_inline)) {
        u.put(p.dx, u.of(p.dstate) * slope(s.activation, u.of(p.state)));
        u.put(p.direct, Floats{});
      });
}

void back_lstm(const RecurrenceSizes& s, const BackwardSample& p) {
  const std::int64_t n = s.units;
  each(
      n, [&](auto u) __attribute__((always_inline)) {
        const Gate gate = s.recurrent_activation;
        const Floats i = u.of(p.kept), f = u.of(p.kept + n), g = u.of(p.kept + 2 * n),
                     o = u.of(p.kept + 3 * n);
        const Floats dstate = u.of(p.dstate);
        const Floats active = apply(s.activation, u.of(p.cell));
        const Floats dcell = u.of(p.dcell) + dstate * o * slope(s.activation, active);
        u.put(p.dx, dcell * g * slope(gate, i));
        u.put(p.dx + n, dcell * u.of(p.cell_before) * slope(gate, f));
        u.put(p.dx + 2 * n, dcell * i * slope(s.activation, g));
        u.put(p.dx + 3 * n, dstate * active * slope(gate, o));
        u.put(p.dcell, dcell * f);
        u.put(p.direct, Floats{});
      });
}

void back_gru(const RecurrenceSizes& s, const BackwardSample& p) {
  const std::int64_t n = s.units;
  each(
      n, [&](auto u) __attribute__((always_inline)) {
        const Gate gate = s.recurrent_activation;
        const Floats z = u.of(p.kept), r = u.of(p.kept + n), candidate = u.of(p.kept + 2 * n),
                     q = u.of(p.kept + 3 * n);
        const Floats dstate = u.of(p.dstate);
        const Floats dz = dstate * (u.of(p.before) - candidate) * slope(gate, z);
        const Floats dcandidate = dstate * (1.0f - z) * slope(s.activation, candidate);
        const Floats dr = dcandidate * q * slope(gate, r);
        u.put(p.dx, dz);
        u.put(p.dx + n, dr);
        u.put(p.dx + 2 * n, dcandidate);
        u.put(p.dproduct, dz);
        u.put(p.dproduct + n, dr);
        u.put(p.dproduct + 2 * n, dcandidate * r);
        u.put(p.direct, dstate * z);
      });
}

// The part of the step behind the product with the candidate's kernel, and then the one before it,
// which gets that product's gradient.
void back_candidate(const RecurrenceSizes& s, const BackwardSample& p) {
  const std::int64_t n = s.units;
  each(
      n, [&](auto u) __attribute__((always_inline)) {
        const Floats z = u.of(p.kept), candidate = u.of(p.kept + 2 * n);
        const Floats dstate = u.of(p.dstate);
        u.put(p.dx, dstate * (u.of(p.before) - candidate) * slope(s.recurrent_activation, z));
        u.put(p.dx + 2 * n, dstate * (1.0f - z) * slope(s.activation, candidate));
        u.put(p.direct, dstate * z);
      });
}
void back_reset(const RecurrenceSizes& s, const BackwardSample& p, const float* dreset) {
  const std::int64_t n = s.units;
  each(
      n, [&](auto u) __attribute__((always_inline)) {
        const Floats r = u.of(p.kept + n), dproduct = u.of(dreset);
        u.put(p.dx + n, dproduct * u.of(p.before) * slope(s.recurrent_activation, r));
        u.put(p.direct, u.of(p.direct) + dproduct * r);
      });
}

}  // namespace

void recurrence_backward(const RecurrenceBackward& p, std::int64_t begin, std::int64_t end) {
  const RecurrenceSizes& s = p.sizes;
  const std::int64_t n = s.units, rows = end - begin, narrow = padded_columns(n);
  float* products = p.scratch + begin * recurrence_scratch(s);
  float* dstates = products + rows * narrow;
  float* dcells = dstates + rows * narrow;
  float* direct = dcells + rows * narrow;
  const bool resets_first = s.cell == RecurrentCell::gru_reset_before;
  const float* packed_candidate = p.packed + packed_floats(2 * n, n);

  for (std::int64_t r = 0; r < rows; ++r) {
    copy(row(p.dlast, begin + r, n), dstates + r * narrow, n);
    copy(row(p.dcell, begin + r, n), dcells + r * narrow, n);
  }
  for (std::int64_t step = s.steps - 1; step >= 0; --step) {
    const std::int64_t time = time_of(s, step), place = place_of(s, step);
    const auto sample = [&](std::int64_t r) {
      const std::int64_t of_input = (begin + r) * s.steps + time;
      const std::int64_t of_sequence = (begin + r) * s.steps + place;
      const std::int64_t earlier = (begin + r) * s.steps + (step == 0 ? 0 : place_of(s, step - 1));
      return BackwardSample{
          .state = p.sequence + of_sequence * n,
          .before = step == 0 ? row(p.state, begin + r, n) : p.sequence + earlier * n,
          .cell = row(p.cells, of_sequence, n),
          .cell_before = step == 0 ? row(p.cell, begin + r, n) : row(p.cells, earlier, n),
          .kept = row(p.kept, of_input, s.kept),
          .dstate = dstates + r * narrow,
          .dcell = dcells + r * narrow,
          .direct = direct + r * narrow,
          .dx = p.dx + of_input * s.gates,
          .dproduct = row(p.dproduct, of_input, s.gates)};
    };
    for (std::int64_t r = 0; r < rows; ++r) {
      const BackwardSample one = sample(r);
      const std::int64_t of_input = (begin + r) * s.steps + time;
      if (p.dsequence != nullptr) {
        const float* given = p.dsequence + ((begin + r) * s.steps + place) * n;
        float* dstate = dstates + r * narrow;
        each(n, [&](auto u) { u.put(dstate, u.of(dstate) + u.of(given)); });
      }
      copy(one.before, p.before + of_input * n, n);
      if (p.reset != nullptr) {
        const float* kept = one.kept + n;
        float* reset = p.reset + of_input * n;
        each(n, [&](auto u) { u.put(reset, u.of(kept) * u.of(one.before)); });
      }
      if (is_masked(p.mask, begin + r, s.steps, time)) {
        zero(one.dx, s.gates);
        if (one.dproduct != nullptr) zero(one.dproduct, s.gates);
        copy(one.dstate, one.direct, n);
        continue;
      }
      switch (s.cell) {
        case RecurrentCell::simple:
          back_simple(s, one);
          break;
        case RecurrentCell::gru:
          back_gru(s, one);
          break;
        case RecurrentCell::gru_reset_before:
          back_candidate(s, one);
          break;
        case RecurrentCell::lstm:
          back_lstm(s, one);
          break;
      }
    }
    const std::int64_t stride = s.steps * s.gates;  // from sample to sample
    if (resets_first) {
      packed_product(rows, n, n, sample(0).dx + 2 * n, stride, packed_candidate, products, narrow);
      for (std::int64_t r = 0; r < rows; ++r) {
        if (is_masked(p.mask, begin + r, s.steps, time)) continue;
        back_reset(s, sample(r), products + r * narrow);
      }
    }
    const float* dproduct = p.dproduct != nullptr ? sample(0).dproduct : sample(0).dx;
    packed_product(rows, resets_first ? 2 * n : s.gates, n, dproduct, stride, p.packed, products,
                   narrow);
    for (std::int64_t r = 0; r < rows; ++r) {
      float* dstate = dstates + r * narrow;
      const float* through = products + r * narrow;
      const float* past = direct + r * narrow;
      each(n, [&](auto u) { u.put(dstate, u.of(through) + u.of(past)); });
    }
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    if (p.dstate != nullptr) copy(dstates + r * narrow, row(p.dstate, begin + r, n), n);
    if (p.dstate_cell != nullptr) copy(dcells + r * narrow, row(p.dstate_cell, begin + r, n), n);
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
