// Softmax and its cross-entropy along rows. A row's last, partial vector stays in a register from
// beginning to end, padded with -inf, which adds nothing to maximum and sum. x and y may be the
// same memory.
#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/vector.h"

namespace stoker::backend::cpu::STOKER_ISA {
namespace {

class Row {
 public:
  Row(const float* x, std::int64_t columns)
      : x_(x), full_(columns / kWidth * kWidth), rest_(columns - full_) {
    Floats largest = all(-kInfinity);
    if (rest_ != 0) largest = tail_ = load_some(x + full_, rest_, -kInfinity);
    for (std::int64_t i = 0; i < full_; i += kWidth) largest = maximum(largest, load(x + i));
    max_ = max_of_lanes(largest);
  }

  float max() const { return max_; }

  // Writes exp(x - max) to y for all but the tail, and returns the sum. A long row is summed in
  // pieces and not into one running float, which keeps the error small.
  template <bool kStore>
  float exponentials(float* y) {
    double total = 0.0;
    Floats sum{};
    if (rest_ != 0) sum = tail_exp_ = exp(tail_ - max_);
    for (std::int64_t i = 0; i < full_; i += kWidth) {
      const Floats e = exp(load(x_ + i) - max_);
      if constexpr (kStore) store(y + i, e);
      sum += e;
      if (i % 4096 == 4096 - kWidth) {
        total += static_cast<double>(sum_of_lanes(sum));
        sum = Floats{};
      }
    }
    return static_cast<float>(total + static_cast<double>(sum_of_lanes(sum)));
  }

  // Multiplies y, which holds the exponentials, by `factor`.
  void scale(float* y, float factor) {
    for (std::int64_t i = 0; i < full_; i += kWidth) store(y + i, load(y + i) * factor);
    if (rest_ != 0) store_some(y + full_, tail_exp_ * factor, rest_);
  }

  // Computes y = x - max - offset.
  void shift(float* y, float offset) {
    for (std::int64_t i = 0; i < full_; i += kWidth) {
      store(y + i, (load(x_ + i) - max_) - offset);
    }
    if (rest_ != 0) store_some(y + full_, (tail_ - max_) - offset, rest_);
  }

 private:
  const float* x_;
  std::int64_t full_, rest_;
  float max_;
  Floats tail_{}, tail_exp_{};
};

float log_of(float x) { return log(all(x))[0]; }

void zero(float* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = 0.0f;
}

}  // namespace

void softmax(const float* x, float* y, std::int64_t rows, std::int64_t columns, bool log) {
  for (; rows > 0; --rows, x += columns, y += columns) {
    Row row(x, columns);
    if (log) {
      row.shift(y, log_of(row.exponentials<false>(nullptr)));
    } else {
      row.scale(y, 1.0f / row.exponentials<true>(y));
    }
  }
}

std::int64_t cross_entropy_sparse(const float* logits, const std::int32_t* labels, float* loss,
                                  float* gradient, std::int64_t rows, std::int64_t columns) {
  std::int64_t first_bad = -1;
  for (std::int64_t r = 0; r < rows; ++r, logits += columns, gradient += columns) {
    const std::int64_t label = labels[r];
    if (label < 0 || label >= columns) {
      if (first_bad < 0) first_bad = r;
      loss[r] = 0.0f;
      zero(gradient, columns);
      continue;
    }
    Row row(logits, columns);
    const float distance = logits[label] - row.max();
    const float sum = row.exponentials<true>(gradient);
    loss[r] = log_of(sum) - distance;
    row.scale(gradient, 1.0f / sum);
    gradient[label] -= 1.0f;
  }
  return first_bad;
}

// Computes loss = sum t (log sum exp(x - max) - (x - max)) and gradient = softmax(x) sum t - t.
void cross_entropy_dense(const float* logits, const float* labels, float* loss, float* gradient,
                         std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    Row row(logits, columns);
    const float sum = row.exponentials<true>(gradient);
    const float log_sum = log_of(sum);
    float weight = 0.0f, total = 0.0f;
    for (std::int64_t c = 0; c < columns; ++c) {
      const float distance = logits[c] - row.max();
      weight += labels[c];
      // A class without weight adds nothing, even if its logit is -inf.
      total += labels[c] == 0.0f ? 0.0f : labels[c] * (log_sum - distance);
    }
    loss[r] = total;
    row.scale(gradient, weight / sum);
    for (std::int64_t c = 0; c < columns; ++c) gradient[c] -= labels[c];
    logits += columns;
    labels += columns;
    gradient += columns;
  }
}

}  // namespace stoker::backend::cpu::STOKER_ISA
