// Attention by blocks of queries and keys (Dao et al.: "FlashAttention", 2022, algorithms 1 and 4).
// The weights of a block stay in cache. Forwards, a query's running maximum and sum correct what it
// has gathered so far when a later block has a larger score; backwards, the logarithm of its sum
// gives the weights again.
#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/products.h"
#include "backend/cpu/kernels/uniform.h"
#include "backend/cpu/kernels/vector.h"

namespace stoker::backend::cpu::STOKER_ISA {
namespace {

constexpr std::int64_t kBlock = kAttentionBlock;

std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
std::int64_t blocks_of(std::int64_t count) { return (count + kBlock - 1) / kBlock; }
std::int64_t whole_vectors(std::int64_t count) { return (count + kWidth - 1) / kWidth * kWidth; }

Floats column_numbers() {
  Floats numbers;
  for (int i = 0; i < kWidth; ++i) numbers[i] = static_cast<float>(i);
  return numbers;
}

float dot(const float* a, const float* b, std::int64_t count) {
  Floats sum{};
  std::int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) sum += load(a + i) * load(b + i);
  if (i < count) sum += load_first(a + i, count - i) * load_first(b + i, count - i);
  return sum_of_lanes(sum);
}

// A block of queries or keys of one head.
struct Block {
  std::int64_t sample, head, first, count;
};

// The work of one thread, in its scratch memory.
class Worker {
 public:
  Worker(const Attention& a, float* scratch)
      : a_(a),
        query_step_(a.heads * a.key_dim),
        y_step_(a.heads * a.value_dim),
        key_step_(a.key_heads * a.key_dim),
        value_step_(a.key_heads * a.value_dim),
        key_pitch_(whole_vectors(a.key_dim)),
        value_pitch_(whole_vectors(a.value_dim)) {
    const auto take = [&](std::int64_t count) {
      float* taken = scratch;
      scratch += count;
      return taken;
    };
    scores_ = take(kBlock * kBlock);
    slopes_ = take(kBlock * kBlock);
    random_ = take(2 * kBlock);
    keys_ = take(kBlock * key_pitch_);
    values_ = take(kBlock * value_pitch_);
    sum_a_ = take(kBlock * value_pitch_);
    sum_b_ = take(kBlock * key_pitch_);
    largest_ = take(kBlock);
    total_ = take(kBlock);
    dots_ = take(kBlock);
    hidden_ = take(kBlock);
  }

  void forward(const Block& q) {
    fill(largest_, -kInfinity, q.count);
    fill(total_, 0.0f, q.count);
    fill(sum_a_, 0.0f, q.count * value_pitch_);
    for (std::int64_t first = 0; first < a_.keys; first += kBlock) {
      const Block k = keys_block(q, first);
      if (is_out_of_sight(q, k)) continue;
      pack_keys(k);
      score(q, k);
      for (std::int64_t i = 0; i < q.count; ++i) exponentials(q, k, i);
      product({scores_, kBlock, 1}, {value_at(k), value_step_}, {sum_a_, value_pitch_}, q.count,
              a_.value_dim, k.count, true);
    }
    for (std::int64_t i = 0; i < q.count; ++i) finish(q, i);
  }

  // The gradient of a block of queries.
  void queries(const Block& q) {
    prepare_backward(q);
    clear_queries(q);
    for (std::int64_t first = 0; first < a_.keys; first += kBlock) {
      const Block k = keys_block(q, first);
      if (is_out_of_sight(q, k) && !has_mean_) continue;
      pack_keys(k);
      pack_values(k);
      slopes(q, k);
      add_to_queries(q, k);
    }
  }

  // The gradients of a block of keys and values, and, where it is the only block, of the queries.
  void keys(const Block& k) {
    fill(sum_a_, 0.0f, k.count * value_pitch_);
    fill(sum_b_, 0.0f, k.count * key_pitch_);
    pack_keys(k);
    pack_values(k);
    const bool with_queries = a_.keys <= kBlock;
    const std::int64_t group = a_.heads / a_.key_heads;
    for (std::int64_t head = k.head * group; head < (k.head + 1) * group; ++head) {
      for (std::int64_t first = 0; first < a_.queries; first += kBlock) {
        const Block q{k.sample, head, first, smaller(kBlock, a_.queries - first)};
        const bool is_unseen = is_out_of_sight(q, k);
        if (!is_unseen || a_.blind_is_mean) prepare_backward(q);
        if (is_unseen && !(a_.blind_is_mean && has_mean_)) {
          if (with_queries) clear_queries(q);
          continue;
        }
        slopes(q, k);
        product({scores_, 1, kBlock}, {a_.dy + y_offset(q), y_step_}, {sum_a_, value_pitch_},
                k.count, a_.value_dim, q.count, true);
        product({slopes_, 1, kBlock}, {a_.query + query_offset(q), query_step_},
                {sum_b_, key_pitch_}, k.count, a_.key_dim, q.count, true);
        if (!with_queries) continue;
        product({slopes_, kBlock, 1}, {key_at(k), key_step_},
                {a_.dquery + query_offset(q), query_step_}, q.count, a_.key_dim, k.count, false);
      }
    }
    for (std::int64_t j = 0; j < k.count; ++j) {
      copy(a_.dvalue + value_offset(k) + j * value_step_, sum_a_ + j * value_pitch_, a_.value_dim);
      copy(a_.dkey + key_offset(k) + j * key_step_, sum_b_ + j * key_pitch_, a_.key_dim);
    }
  }

 private:
  static void fill(float* to, float value, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = value;
  }
  static void copy(float* to, const float* from, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
  }

  // ---- Places ----
  std::int64_t query_offset(const Block& q) const {
    return ((q.sample * a_.queries + q.first) * a_.heads + q.head) * a_.key_dim;
  }
  std::int64_t y_offset(const Block& q) const {
    return ((q.sample * a_.queries + q.first) * a_.heads + q.head) * a_.value_dim;
  }
  std::int64_t key_offset(const Block& k) const {
    return ((k.sample * a_.keys + k.first) * a_.key_heads + k.head) * a_.key_dim;
  }
  std::int64_t value_offset(const Block& k) const {
    return ((k.sample * a_.keys + k.first) * a_.key_heads + k.head) * a_.value_dim;
  }
  const float* key_at(const Block& k) const { return a_.key + key_offset(k); }
  const float* value_at(const Block& k) const { return a_.value + value_offset(k); }
  float* logarithm_at(const Block& q) const {
    return a_.logarithms + (q.sample * a_.heads + q.head) * a_.queries + q.first;
  }
  Block keys_block(const Block& q, std::int64_t first) const {
    return {q.sample, q.head / (a_.heads / a_.key_heads), first, smaller(kBlock, a_.keys - first)};
  }

  // ---- What is seen ----
  // The columns of a block that a query sees, but for the key mask.
  struct Range {
    std::int64_t begin, end;
  };
  Range seen_by(const Block& q, const Block& k, std::int64_t row) const {
    const std::int64_t place = q.first + row;
    if (a_.query_mask != nullptr && a_.query_mask[q.sample * a_.queries + place] == 0.0f) {
      return {0, 0};
    }
    Range range{0, k.count};
    if (a_.causal) range.end = smaller(range.end, place + 1 - k.first);
    if (a_.window > 0) {
      range.begin = larger(range.begin, place - a_.window + 1 - k.first);
      range.end = smaller(range.end, place + a_.window - k.first);
    }
    return range;
  }
  bool is_out_of_sight(const Block& q, const Block& k) const {
    const std::int64_t last_query = q.first + q.count - 1;
    if (a_.causal && k.first > last_query) return true;
    if (a_.window == 0) return false;
    return k.first - last_query >= a_.window || q.first - (k.first + k.count - 1) >= a_.window;
  }
  // -inf for the keys of the block that the mask hides.
  void note_hidden(const Block& k) {
    const float* mask =
        a_.key_mask == nullptr ? nullptr : a_.key_mask + k.sample * a_.keys + k.first;
    for (std::int64_t j = 0; j < kBlock; ++j) {
      const bool is_seen = j < k.count && (mask == nullptr || mask[j] != 0.0f);
      hidden_[j] = is_seen ? 0.0f : -kInfinity;
    }
  }

  // ---- Blocks ----
  // Writes the transpose of rows, with zeros up to a whole vector of columns.
  static void transpose(float* to, const float* from, std::int64_t step, std::int64_t rows,
                        std::int64_t columns) {
    const std::int64_t width = whole_vectors(rows);
    for (std::int64_t c = 0; c < columns; ++c) {
      float* row = to + c * kBlock;
      for (std::int64_t r = 0; r < rows; ++r) row[r] = from[r * step + c];
      for (std::int64_t r = rows; r < width; ++r) row[r] = 0.0f;
    }
  }
  void pack_keys(const Block& k) {
    transpose(keys_, key_at(k), key_step_, k.count, a_.key_dim);
    note_hidden(k);
  }
  void pack_values(const Block& k) {
    transpose(values_, value_at(k), value_step_, k.count, a_.value_dim);
  }
  void score(const Block& q, const Block& k) {
    product({a_.query + query_offset(q), query_step_, 1}, {keys_, kBlock}, {scores_, kBlock},
            q.count, whole_vectors(k.count), a_.key_dim, false);
  }

  // Calls f(place, scores) for the vectors of a row, with -inf for keys that are not seen.
  template <class F>
  [[gnu::always_inline]] void each_score(const Block& q, const Block& k, std::int64_t row,
                                         const F& f) {
    float* scores = scores_ + row * kBlock;
    const Range seen = seen_by(q, k, row);
    const bool sees_all = seen.begin == 0 && seen.end == k.count;
    const auto begin = static_cast<float>(seen.begin), end = static_cast<float>(seen.end);
    const Floats numbers = column_numbers();
    for (std::int64_t c = 0; c < k.count; c += kWidth) {
      Floats s = load(scores + c) * a_.scale + load(hidden_ + c);
      // -inf is added to a NaN in vain, which a key that is not seen may have.
      s = select(load(hidden_ + c) < 0.0f, -kInfinity, s);
      if (!sees_all) {
        const Floats number = numbers + static_cast<float>(c);
        s = select((number >= begin) & (number < end), s, -kInfinity);
      }
      f(scores + c, s);
    }
  }

  // Forwards, turns a row of scores into exponentials.
  void exponentials(const Block& q, const Block& k, std::int64_t row) {
    Floats most = all(-kInfinity);
    each_score(q, k, row, [&](float* at, Floats s) {
      store(at, s);
      most = maximum(most, s);
    });
    const float before = largest_[row];
    const float block = max_of_lanes(most);
    const float now = block > before || block != block ? block : before;
    float* scores = scores_ + row * kBlock;
    Floats sum{};
    for (std::int64_t c = 0; c < k.count; c += kWidth) {
      const Floats s = load(scores + c);
      const Floats e = select(s == -kInfinity, 0.0f, exp(s - now));
      store(scores + c, e);
      sum += e;
    }
    if (a_.dropout > 0.0f) drop(scores, q, k, row);
    const float factor = before == -kInfinity ? 0.0f : exp(all(before - now))[0];
    total_[row] = total_[row] * factor + sum_of_lanes(sum);
    largest_[row] = now;
    if (factor == 1.0f || before == -kInfinity) return;
    float* gathered = sum_a_ + row * value_pitch_;
    for (std::int64_t c = 0; c < value_pitch_; c += kWidth) {
      store(gathered + c, load(gathered + c) * factor);
    }
  }

  // Draws a row's random numbers, and returns where those of its columns begin.
  const float* draw(const Block& q, const Block& k, std::int64_t row) {
    const std::int64_t first =
        ((q.sample * a_.heads + q.head) * a_.queries + q.first + row) * a_.keys + k.first;
    fill_uniform(random_, first / 4, (first % 4 + k.count + 3) / 4, a_.seed, a_.stream, a_.step);
    return random_ + first % 4;
  }
  // The factor by which dropout multiplies a weight.
  float kept(float random) const { return random < a_.dropout ? 0.0f : 1.0f / (1.0f - a_.dropout); }
  void drop(float* weights, const Block& q, const Block& k, std::int64_t row) {
    const float* random = draw(q, k, row);
    for (std::int64_t j = 0; j < k.count; ++j) weights[j] *= kept(random[j]);
  }

  void finish(const Block& q, std::int64_t row) {
    float* y = a_.y + y_offset(q) + row * y_step_;
    float* gathered = sum_a_ + row * value_pitch_;
    if (total_[row] != 0.0f) {
      const float factor = 1.0f / total_[row];
      for (std::int64_t c = 0; c < a_.value_dim; ++c) y[c] = gathered[c] * factor;
      logarithm_at(q)[row] = largest_[row] + log(all(total_[row]))[0];
      return;
    }
    logarithm_at(q)[row] = kInfinity;
    if (a_.blind_is_mean) {
      mean(q, row, gathered);
    }
    copy(y, gathered, a_.value_dim);
  }
  // The mean of all values, for a query that sees no key.
  void mean(const Block& q, std::int64_t row, float* sum) {
    for (std::int64_t first = 0; first < a_.keys; first += kBlock) {
      const Block k = keys_block(q, first);
      const float* random = a_.dropout > 0.0f ? draw(q, k, row) : nullptr;
      for (std::int64_t j = 0; j < k.count; ++j) {
        const float weight =
            (random != nullptr ? kept(random[j]) : 1.0f) / static_cast<float>(a_.keys);
        const float* value = value_at(k) + j * value_step_;
        for (std::int64_t c = 0; c < a_.value_dim; ++c) sum[c] += weight * value[c];
      }
    }
  }

  // ---- Backwards ----
  // A row's sum of weights times slopes is that of dy times y.
  void prepare_backward(const Block& q) {
    has_mean_ = false;
    for (std::int64_t i = 0; i < q.count; ++i) {
      const std::int64_t at = y_offset(q) + i * y_step_;
      dots_[i] = dot(a_.dy + at, a_.y + at, a_.value_dim);
      if (a_.blind_is_mean && logarithm_at(q)[i] == kInfinity) has_mean_ = true;
    }
  }

  // Makes `scores_` the weights after dropout, and `slopes_` the gradient of the scaled products.
  void slopes(const Block& q, const Block& k) {
    score(q, k);
    product({a_.dy + y_offset(q), y_step_, 1}, {values_, kBlock}, {slopes_, kBlock}, q.count,
            whole_vectors(k.count), a_.value_dim, false);
    const float* logarithms = logarithm_at(q);
    for (std::int64_t i = 0; i < q.count; ++i) {
      float* weights = scores_ + i * kBlock;
      float* slope = slopes_ + i * kBlock;
      const bool is_blind = logarithms[i] == kInfinity;
      if (is_blind) {
        const float weight = a_.blind_is_mean ? 1.0f / static_cast<float>(a_.keys) : 0.0f;
        for (std::int64_t j = 0; j < kBlock; ++j) weights[j] = j < k.count ? weight : 0.0f;
      } else {
        each_score(q, k, i, [&](float* at, Floats s) {
          store(at, select(s == -kInfinity, 0.0f, exp(s - logarithms[i])));
        });
      }
      const float* random = a_.dropout > 0.0f ? draw(q, k, i) : nullptr;
      if (random != nullptr) {
        for (std::int64_t j = 0; j < k.count; ++j) slope[j] *= kept(random[j]);
      }
      const float factor = is_blind && !a_.blind_scores_have_gradient ? 0.0f : a_.scale;
      for (std::int64_t c = 0; c < k.count; c += kWidth) {
        store(slope + c, load(weights + c) * (load(slope + c) - dots_[i]) * factor);
      }
      if (random != nullptr) {
        for (std::int64_t j = 0; j < k.count; ++j) weights[j] *= kept(random[j]);
      }
    }
  }
  void clear_queries(const Block& q) {
    for (std::int64_t i = 0; i < q.count; ++i) {
      fill(a_.dquery + query_offset(q) + i * query_step_, 0.0f, a_.key_dim);
    }
  }
  void add_to_queries(const Block& q, const Block& k) {
    product({slopes_, kBlock, 1}, {key_at(k), key_step_},
            {a_.dquery + query_offset(q), query_step_}, q.count, a_.key_dim, k.count, true);
  }

  const Attention& a_;
  const std::int64_t query_step_, y_step_, key_step_, value_step_;  // from row to row
  const std::int64_t key_pitch_, value_pitch_;
  float* scores_;
  float* slopes_;
  float* random_;
  float* keys_;    // transposed, as all rows of kBlock floats
  float* values_;  // likewise
  float* sum_a_;   // of values
  float* sum_b_;   // of keys
  float* largest_;
  float* total_;
  float* dots_;
  float* hidden_;
  bool has_mean_ = false;
};

template <class F>
void each_block(std::int64_t begin, std::int64_t end, std::int64_t heads, std::int64_t steps,
                const F& f) {
  const std::int64_t blocks = blocks_of(steps);
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t first = i % blocks * kBlock;
    const std::int64_t head = i / blocks;
    f(Block{head / heads, head % heads, first, smaller(kBlock, steps - first)});
  }
}

}  // namespace

void attention(const Attention& a, std::int64_t begin, std::int64_t end, float* scratch) {
  Worker worker(a, scratch);
  each_block(begin, end, a.heads, a.queries, [&](const Block& q) { worker.forward(q); });
}

void attention_queries(const Attention& a, std::int64_t begin, std::int64_t end, float* scratch) {
  Worker worker(a, scratch);
  each_block(begin, end, a.heads, a.queries, [&](const Block& q) { worker.queries(q); });
}

void attention_keys(const Attention& a, std::int64_t begin, std::int64_t end, float* scratch) {
  Worker worker(a, scratch);
  each_block(begin, end, a.key_heads, a.keys, [&](const Block& k) { worker.keys(k); });
}

}  // namespace stoker::backend::cpu::STOKER_ISA
