// A thread computes all gates of a unit for the samples of its block, so that what it reads of the
// kernel serves all of them. States lie in global memory, where __syncthreads() lets the threads of
// a block see what the others wrote.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/recurrence.h"

namespace stoker::backend::cuda {

__device__ __forceinline__ float gate_of(Gate gate, float x) {
  switch (gate) {
    case Gate::linear:
      return x;
    case Gate::relu:
      return relu(x);
    case Gate::sigmoid:
      return sigmoid(x);
    case Gate::hard_sigmoid:
      return minimum(maximum(x * (1.0f / 6.0f) + 0.5f, 0.0f), 1.0f);
    case Gate::tanh:
      return tanhf(x);
  }
  return x;
}
// The derivative at the place where the function has the value y.
__device__ __forceinline__ float gate_slope(Gate gate, float y) {
  switch (gate) {
    case Gate::linear:
      return 1.0f;
    case Gate::relu:
      return y > 0.0f ? 1.0f : 0.0f;
    case Gate::sigmoid:
      return y * (1.0f - y);
    case Gate::hard_sigmoid:
      return y > 0.0f && y < 1.0f ? 1.0f / 6.0f : 0.0f;
    case Gate::tanh:
      return 1.0f - y * y;
  }
  return y;
}

// The samples of a block: [first, first + count).
struct RecurrentRows {
  std::int64_t first;
  int count;
};
template <class F>
__device__ __forceinline__ void each_recurrent_block(std::int64_t batch, F f) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kRecurrentRows;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kRecurrentRows; first < batch;
       first += step) {
    const std::int64_t left = batch - first;
    f(RecurrentRows{first, left < kRecurrentRows ? static_cast<int>(left) : kRecurrentRows});
    __syncthreads();
  }
}
template <class F>
__device__ __forceinline__ void each_unit(int units, F f) {
  for (int u = static_cast<int>(threadIdx.x); u < units; u += kBlockThreads) f(u);
}

// The place in the input of the step that is taken as number `step`, and in the sequence of states.
__device__ __forceinline__ int time_of(const RecurrenceSizes& s, int step) {
  return s.is_backwards != 0 ? s.steps - 1 - step : step;
}
__device__ __forceinline__ int place_of(const RecurrenceSizes& s, int step) {
  return s.in_order_of_input != 0 ? time_of(s, step) : step;
}
__device__ __forceinline__ bool is_left_out(const float* mask, const RecurrenceSizes& s,
                                            std::int64_t sample, int time) {
  return mask != nullptr && mask[sample * s.steps + time] == 0.0f;
}
__device__ __forceinline__ float or_zero(const float* array, std::int64_t at) {
  return array == nullptr ? 0.0f : array[at];
}
__device__ __forceinline__ void put_if(float* array, std::int64_t at, float value) {
  if (array != nullptr) array[at] = value;
}

// Sums rows of `from`, which lie `stride` apart, times G columns of `kernel`, which lie `apart` and
// begin at column u, over `depth`. Rows that are not there give what the first one gives.
template <int G>
struct GateSums {
  float at[G][kRecurrentRows];
};
template <int G>
__device__ __forceinline__ GateSums<G> gate_sums(const RecurrentRows& rows, const float* from,
                                                 std::int64_t stride, const float* kernel,
                                                 int depth, int columns, int apart, int u) {
  GateSums<G> sums;
  const float* of_row[kRecurrentRows];
  STOKER_UNROLL for (int r = 0; r < kRecurrentRows; ++r) {
    of_row[r] = from + (r < rows.count ? r : 0) * stride;
    STOKER_UNROLL for (int g = 0; g < G; ++g) sums.at[g][r] = 0.0f;
  }
  STOKER_UNROLL_4
  for (int k = 0; k < depth; ++k) {
    float weights[G];
    STOKER_UNROLL for (int g = 0; g < G; ++g) {
      weights[g] = kernel[static_cast<std::int64_t>(k) * columns + g * apart + u];
    }
    STOKER_UNROLL for (int r = 0; r < kRecurrentRows; ++r) {
      const float x = of_row[r][k];
      STOKER_UNROLL for (int g = 0; g < G; ++g) sums.at[g][r] += x * weights[g];
    }
  }
  return sums;
}

// ---- Forward ------------------------------------------------------------------------------------
// The arrays of a block's samples in scratch memory. A step reads one array of states and writes
// the other.
struct RecurrentScratch {
  float* states[2];
  float* cells;
  float* reset;   // the states times the reset gate, where that comes before the product
  float* update;  // the update gate meanwhile

  __device__ RecurrentScratch(float* scratch, std::int64_t batch, int units) {
    const std::int64_t each = batch * units;
    states[0] = scratch;
    states[1] = scratch + each;
    cells = scratch + 2 * each;
    reset = scratch + 3 * each;
    update = scratch + 4 * each;
  }
};

// Where a unit of a sample is in one step.
struct RecurrentPlace {
  std::int64_t state;   // in [batch, units]
  std::int64_t x;       // in [batch, steps, gates]
  std::int64_t kept;    // in [batch, steps, kept]
  std::int64_t before;  // in [batch, steps, units], in the order of the input
};
__device__ __forceinline__ RecurrentPlace recurrent_place(const RecurrenceSizes& s,
                                                          std::int64_t sample, int time, int u) {
  const std::int64_t row = sample * s.steps + time;
  return {sample * s.units + u, row * s.gates + u, row * s.kept + u, row * s.units + u};
}

__device__ __forceinline__ void simple_step(const recurrence_params& p, const RecurrentRows& rows,
                                            const float* from, float* to, int time, int u) {
  const RecurrenceSizes& s = p.sizes;
  const auto sums = gate_sums<1>(rows, from + rows.first * s.units, s.units, p.kernel, s.units,
                                 s.gates, s.units, u);
  for (int r = 0; r < rows.count; ++r) {
    const RecurrentPlace i = recurrent_place(s, rows.first + r, time, u);
    const bool is_out = is_left_out(p.mask, s, rows.first + r, time);
    to[i.state] = is_out ? from[i.state] : gate_of(s.activation, p.x[i.x] + sums.at[0][r]);
  }
}

__device__ __forceinline__ void lstm_step(const recurrence_params& p, const RecurrentRows& rows,
                                          const RecurrentScratch& at, const float* from, float* to,
                                          int time, int u) {
  const RecurrenceSizes& s = p.sizes;
  const int n = s.units;
  const auto sums = gate_sums<4>(rows, from + rows.first * n, n, p.kernel, n, s.gates, n, u);
  STOKER_UNROLL for (int r = 0; r < kRecurrentRows; ++r) {
    if (r >= rows.count) continue;
    const RecurrentPlace at_unit = recurrent_place(s, rows.first + r, time, u);
    float i = 0.0f, f = 0.0f, g = 0.0f, o = 0.0f;
    if (is_left_out(p.mask, s, rows.first + r, time)) {
      to[at_unit.state] = from[at_unit.state];
    } else {
      i = gate_of(s.recurrent_activation, p.x[at_unit.x] + sums.at[0][r]);
      f = gate_of(s.recurrent_activation, p.x[at_unit.x + n] + sums.at[1][r]);
      g = gate_of(s.activation, p.x[at_unit.x + 2 * n] + sums.at[2][r]);
      o = gate_of(s.recurrent_activation, p.x[at_unit.x + 3 * n] + sums.at[3][r]);
      const float cell = f * at.cells[at_unit.state] + i * g;
      at.cells[at_unit.state] = cell;
      to[at_unit.state] = o * gate_of(s.activation, cell);
    }
    put_if(p.kept, at_unit.kept, i);
    put_if(p.kept, at_unit.kept + n, f);
    put_if(p.kept, at_unit.kept + 2 * n, g);
    put_if(p.kept, at_unit.kept + 3 * n, o);
  }
}

__device__ __forceinline__ void gru_step(const recurrence_params& p, const RecurrentRows& rows,
                                         const float* from, float* to, int time, int u) {
  const RecurrenceSizes& s = p.sizes;
  const int n = s.units;
  const auto sums = gate_sums<3>(rows, from + rows.first * n, n, p.kernel, n, s.gates, n, u);
  STOKER_UNROLL for (int row = 0; row < kRecurrentRows; ++row) {
    if (row >= rows.count) continue;
    const RecurrentPlace i = recurrent_place(s, rows.first + row, time, u);
    float z = 0.0f, r = 0.0f, candidate = 0.0f, q = 0.0f;
    if (is_left_out(p.mask, s, rows.first + row, time)) {
      to[i.state] = from[i.state];
    } else {
      const float* bias = p.recurrent_bias;
      z = gate_of(s.recurrent_activation, p.x[i.x] + (sums.at[0][row] + or_zero(bias, u)));
      r = gate_of(s.recurrent_activation, p.x[i.x + n] + (sums.at[1][row] + or_zero(bias, n + u)));
      q = sums.at[2][row] + or_zero(bias, 2 * n + u);
      candidate = gate_of(s.activation, p.x[i.x + 2 * n] + r * q);
      to[i.state] = z * from[i.state] + (1.0f - z) * candidate;
    }
    put_if(p.kept, i.kept, z);
    put_if(p.kept, i.kept + n, r);
    put_if(p.kept, i.kept + 2 * n, candidate);
    put_if(p.kept, i.kept + 3 * n, q);
  }
}

// The step of a GRU whose reset gate comes before the product, in two parts, between which all
// units wait for each other.
__device__ __forceinline__ void reset_part(const recurrence_params& p, const RecurrentRows& rows,
                                           const RecurrentScratch& at, const float* from, int time,
                                           int u) {
  const RecurrenceSizes& s = p.sizes;
  const int n = s.units;
  const auto sums = gate_sums<2>(rows, from + rows.first * n, n, p.kernel, n, s.gates, n, u);
  STOKER_UNROLL for (int row = 0; row < kRecurrentRows; ++row) {
    if (row >= rows.count) continue;
    const RecurrentPlace i = recurrent_place(s, rows.first + row, time, u);
    const bool is_out = is_left_out(p.mask, s, rows.first + row, time);
    const float z = gate_of(s.recurrent_activation, p.x[i.x] + sums.at[0][row]);
    const float r = gate_of(s.recurrent_activation, p.x[i.x + n] + sums.at[1][row]);
    at.update[i.state] = z;
    at.reset[i.state] = r * from[i.state];
    put_if(p.kept, i.kept, is_out ? 0.0f : z);
    put_if(p.kept, i.kept + n, is_out ? 0.0f : r);
  }
}
__device__ __forceinline__ void candidate_part(const recurrence_params& p,
                                               const RecurrentRows& rows,
                                               const RecurrentScratch& at, const float* from,
                                               float* to, int time, int u) {
  const RecurrenceSizes& s = p.sizes;
  const int n = s.units;
  const auto sums =
      gate_sums<1>(rows, at.reset + rows.first * n, n, p.kernel + 2 * n, n, s.gates, n, u);
  STOKER_UNROLL for (int row = 0; row < kRecurrentRows; ++row) {
    if (row >= rows.count) continue;
    const RecurrentPlace i = recurrent_place(s, rows.first + row, time, u);
    const bool is_out = is_left_out(p.mask, s, rows.first + row, time);
    const float candidate = gate_of(s.activation, p.x[i.x + 2 * n] + sums.at[0][row]);
    const float z = at.update[i.state];
    to[i.state] = is_out ? from[i.state] : z * from[i.state] + (1.0f - z) * candidate;
    put_if(p.kept, i.kept + 2 * n, is_out ? 0.0f : candidate);
  }
}

STOKER_KERNEL(recurrence) {
  const RecurrenceSizes& s = p.sizes;
  const RecurrentScratch at(p.scratch, s.batch, s.units);
  each_recurrent_block(s.batch, [&](const RecurrentRows& rows) {
    each_unit(s.units, [&](int u) {
      for (int r = 0; r < rows.count; ++r) {
        const std::int64_t i = (rows.first + r) * s.units + u;
        at.states[0][i] = or_zero(p.state, i);
        at.cells[i] = or_zero(p.cell, i);
      }
    });
    __syncthreads();
    for (int step = 0; step < s.steps; ++step) {
      const int time = time_of(s, step);
      const float* from = at.states[step % 2];
      float* to = at.states[1 - step % 2];
      if (s.cell == RecurrentCell::gru_reset_before) {
        each_unit(s.units, [&](int u) { reset_part(p, rows, at, from, time, u); });
        __syncthreads();
      }
      each_unit(s.units, [&](int u) {
        switch (s.cell) {
          case RecurrentCell::simple:
            simple_step(p, rows, from, to, time, u);
            break;
          case RecurrentCell::gru:
            gru_step(p, rows, from, to, time, u);
            break;
          case RecurrentCell::gru_reset_before:
            candidate_part(p, rows, at, from, to, time, u);
            break;
          case RecurrentCell::lstm:
            lstm_step(p, rows, at, from, to, time, u);
            break;
        }
        for (int r = 0; r < rows.count; ++r) {
          const std::int64_t i = (rows.first + r) * s.units + u;
          const std::int64_t of_sequence =
              ((rows.first + r) * s.steps + place_of(s, step)) * s.units + u;
          put_if(p.sequence, of_sequence, to[i]);
          put_if(p.cells, of_sequence, at.cells[i]);
        }
      });
      __syncthreads();
    }
    each_unit(s.units, [&](int u) {
      for (int r = 0; r < rows.count; ++r) {
        const std::int64_t i = (rows.first + r) * s.units + u;
        p.last[i] = at.states[s.steps % 2][i];
        put_if(p.last_cell, i, at.cells[i]);
      }
    });
  });
}

// ---- Backward -----------------------------------------------------------------------------------
// The gradient of the state behind the step is in dstates; what of it the state before gets
// directly, and not through the product, is left in `direct`.
struct RecurrentGradients {
  float* dstates;
  float* dcells;
  float* direct;

  __device__ RecurrentGradients(float* scratch, std::int64_t batch, int units) {
    const std::int64_t each = batch * units;
    dstates = scratch;
    dcells = scratch + each;
    direct = scratch + 2 * each;
  }
};

// The gates' gradients of one unit of one sample, as far as they do not need a product.
__device__ __forceinline__ void gates_backward(const recurrence_backward_params& p,
                                               const RecurrentGradients& at, std::int64_t sample,
                                               int step, int u) {
  const RecurrenceSizes& s = p.sizes;
  const int n = s.units, time = time_of(s, step);
  const RecurrentPlace i = recurrent_place(s, sample, time, u);
  const std::int64_t here = (sample * s.steps + place_of(s, step)) * n + u;
  const std::int64_t earlier = step == 0 ? 0 : (sample * s.steps + place_of(s, step - 1)) * n + u;
  const float before = step == 0 ? or_zero(p.state, i.state) : p.sequence[earlier];
  const float dstate = at.dstates[i.state] + or_zero(p.dsequence, here);
  p.before[i.before] = before;
  put_if(p.reset, i.before, p.reset != nullptr ? p.kept[i.kept + n] * before : 0.0f);
  if (is_left_out(p.mask, s, sample, time)) {
    for (int g = 0; g < s.gates; g += n) {
      p.dx[i.x + g] = 0.0f;
      put_if(p.dproduct, i.x + g, 0.0f);
    }
    at.direct[i.state] = dstate;
    return;
  }
  const float* kept = p.kept + i.kept;
  float* dx = p.dx + i.x;
  switch (s.cell) {
    case RecurrentCell::simple:
      dx[0] = dstate * gate_slope(s.activation, p.sequence[here]);
      at.direct[i.state] = 0.0f;
      break;
    case RecurrentCell::lstm: {
      const Gate gate = s.recurrent_activation;
      const float in = kept[0], f = kept[n], g = kept[2 * n], o = kept[3 * n];
      const float cell_before = step == 0 ? or_zero(p.cell, i.state) : p.cells[earlier];
      const float active = gate_of(s.activation, p.cells[here]);
      const float dcell = at.dcells[i.state] + dstate * o * gate_slope(s.activation, active);
      dx[0] = dcell * g * gate_slope(gate, in);
      dx[n] = dcell * cell_before * gate_slope(gate, f);
      dx[2 * n] = dcell * in * gate_slope(s.activation, g);
      dx[3 * n] = dstate * active * gate_slope(gate, o);
      at.dcells[i.state] = dcell * f;
      at.direct[i.state] = 0.0f;
      break;
    }
    case RecurrentCell::gru:
    case RecurrentCell::gru_reset_before: {
      const Gate gate = s.recurrent_activation;
      const float z = kept[0], r = kept[n], candidate = kept[2 * n];
      const float dz = dstate * (before - candidate) * gate_slope(gate, z);
      const float dcandidate = dstate * (1.0f - z) * gate_slope(s.activation, candidate);
      dx[0] = dz;
      dx[2 * n] = dcandidate;
      at.direct[i.state] = dstate * z;
      if (s.cell == RecurrentCell::gru_reset_before) break;
      const float dr = dcandidate * kept[3 * n] * gate_slope(gate, r);
      dx[n] = dr;
      p.dproduct[i.x] = dz;
      p.dproduct[i.x + n] = dr;
      p.dproduct[i.x + 2 * n] = dcandidate * r;
      break;
    }
  }
}

// The gradient of the reset gate, which comes before the product with the candidate's kernel.
__device__ __forceinline__ void reset_backward(const recurrence_backward_params& p,
                                               const RecurrentGradients& at,
                                               const RecurrentRows& rows, int time, int u) {
  const RecurrenceSizes& s = p.sizes;
  const int n = s.units;
  const std::int64_t stride = static_cast<std::int64_t>(s.steps) * s.gates;
  const auto sums =
      gate_sums<1>(rows, p.dx + (rows.first * s.steps + time) * s.gates + 2 * n, stride,
                   p.kernel + static_cast<std::int64_t>(2) * n * n, n, n, n, u);
  STOKER_UNROLL for (int row = 0; row < kRecurrentRows; ++row) {
    if (row >= rows.count || is_left_out(p.mask, s, rows.first + row, time)) continue;
    const RecurrentPlace i = recurrent_place(s, rows.first + row, time, u);
    const float r = p.kept[i.kept + n], dproduct = sums.at[0][row];
    p.dx[i.x + n] = dproduct * p.before[i.before] * gate_slope(s.recurrent_activation, r);
    at.direct[i.state] += dproduct * r;
  }
}

STOKER_KERNEL(recurrence_backward) {
  const RecurrenceSizes& s = p.sizes;
  const RecurrentGradients at(p.scratch, s.batch, s.units);
  const bool resets_first = s.cell == RecurrentCell::gru_reset_before;
  const std::int64_t stride = static_cast<std::int64_t>(s.steps) * s.gates;
  const float* dproduct = p.dproduct != nullptr ? p.dproduct : p.dx;
  each_recurrent_block(s.batch, [&](const RecurrentRows& rows) {
    // Each thread has the states of its units to itself; only products need the others' gates.
    each_unit(s.units, [&](int u) {
      for (int r = 0; r < rows.count; ++r) {
        const std::int64_t i = (rows.first + r) * s.units + u;
        at.dstates[i] = or_zero(p.dlast, i);
        at.dcells[i] = or_zero(p.dcell, i);
      }
    });
    for (int step = s.steps - 1; step >= 0; --step) {
      const int time = time_of(s, step);
      each_unit(s.units, [&](int u) {
        for (int r = 0; r < rows.count; ++r) gates_backward(p, at, rows.first + r, step, u);
      });
      __syncthreads();
      if (resets_first) {
        each_unit(s.units, [&](int u) { reset_backward(p, at, rows, time, u); });
        __syncthreads();
      }
      each_unit(s.units, [&](int u) {
        const auto sums =
            gate_sums<1>(rows, dproduct + (rows.first * s.steps + time) * s.gates, stride, p.kernel,
                         resets_first ? 2 * s.units : s.gates, s.units, s.units, u);
        STOKER_UNROLL for (int r = 0; r < kRecurrentRows; ++r) {
          if (r >= rows.count) continue;
          const std::int64_t i = (rows.first + r) * s.units + u;
          at.dstates[i] = sums.at[0][r] + at.direct[i];
        }
      });
    }
    each_unit(s.units, [&](int u) {
      for (int r = 0; r < rows.count; ++r) {
        const std::int64_t i = (rows.first + r) * s.units + u;
        put_if(p.dstate, i, at.dstates[i]);
        put_if(p.dstate_cell, i, at.dcells[i]);
      }
    });
  });
}

}  // namespace stoker::backend::cuda
