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

// The lanes of sums of products, which are to be added up.
Floats products_of(const float* a, const float* b, std::int64_t count) {
  Floats sum{};
  std::int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) sum += load(a + i) * load(b + i);
  if (i < count) sum += load_first(a + i, count - i) * load_first(b + i, count - i);
  return sum;
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
    keys_across_ = take(kBlock * key_pitch_);
    values_across_ = take(kBlock * value_pitch_);
    keys_ = take(kBlock * key_pitch_);
    values_ = take(kBlock * value_pitch_);
    queries_ = take(kBlock * key_pitch_);
    slopes_above_ = take(kBlock * value_pitch_);
    sum_a_ = take(kBlock * value_pitch_);
    sum_b_ = take(kBlock * key_pitch_);
    largest_ = take(kBlock);
    total_ = take(kBlock);
    dots_ = take(kBlock);
    hidden_ = take(kBlock);
  }

  void forward(const Block& q) {
    fill(largest_, -kInfinity, kBlock);
    fill(total_, 0.0f, kBlock);
    fill(sum_a_, 0.0f, q.count * value_pitch_);
    pack_queries(q);
    for (std::int64_t first = 0; first < a_.keys; first += kBlock) {
      const Block k = keys_block(q, first);
      if (is_out_of_sight(q, k)) continue;
      turn_keys(k);
      pack(values_, value_pitch_, value_at(k), value_step_, k.count, a_.value_dim);
      score(q, k);
      for (std::int64_t i = 0; i < q.count; i += kWidth) exponentials(q, k, i);
      product({scores_, kBlock, 1}, {values_, value_pitch_}, {sum_a_, value_pitch_}, q.count,
              value_pitch_, k.count, true);
    }
    for (std::int64_t i = 0; i < q.count; i += kWidth) finish(q, i);
  }

  // The gradient of a block of queries.
  void queries(const Block& q) {
    prepare_backward(q);
    pack_queries(q);
    pack_slopes_above(q);
    fill(sum_b_, 0.0f, q.count * key_pitch_);
    for (std::int64_t first = 0; first < a_.keys; first += kBlock) {
      const Block k = keys_block(q, first);
      if (is_out_of_sight(q, k) && !has_mean_) continue;
      turn_keys(k);
      turn_values(k);
      pack_keys(k);
      slopes(q, k);
      product({slopes_, kBlock, 1}, {keys_, key_pitch_}, {sum_b_, key_pitch_}, q.count, key_pitch_,
              k.count, true);
    }
    write_queries(q, sum_b_);
  }

  // The gradients of a block of keys and values, and, where it is the only block, of the queries.
  void keys(const Block& k) {
    fill(sum_a_, 0.0f, k.count * value_pitch_);
    fill(sum_b_, 0.0f, k.count * key_pitch_);
    turn_keys(k);
    turn_values(k);
    const bool with_queries = a_.keys <= kBlock;
    if (with_queries) pack_keys(k);
    const std::int64_t group = a_.heads / a_.key_heads;
    for (std::int64_t head = k.head * group; head < (k.head + 1) * group; ++head) {
      for (std::int64_t first = 0; first < a_.queries; first += kBlock) {
        const Block q{k.sample, head, first, smaller(kBlock, a_.queries - first)};
        const bool is_unseen = is_out_of_sight(q, k);
        if (!is_unseen || a_.blind_is_mean) prepare_backward(q);
        if (is_unseen && !(a_.blind_is_mean && has_mean_)) {
          fill(queries_, 0.0f, q.count * key_pitch_);
          if (with_queries) write_queries(q, queries_);
          continue;
        }
        pack_queries(q);
        pack_slopes_above(q);
        slopes(q, k);
        product({scores_, 1, kBlock}, {slopes_above_, value_pitch_}, {sum_a_, value_pitch_},
                k.count, value_pitch_, q.count, true);
        product({slopes_, 1, kBlock}, {queries_, key_pitch_}, {sum_b_, key_pitch_}, k.count,
                key_pitch_, q.count, true);
        if (!with_queries) continue;
        // The queries themselves are not needed any more.
        product({slopes_, kBlock, 1}, {keys_, key_pitch_}, {queries_, key_pitch_}, q.count,
                key_pitch_, k.count, false);
        write_queries(q, queries_);
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
  static void write_scaled(float* to, const float* from, float factor, std::int64_t count) {
    std::int64_t i = 0;
    for (; i + kWidth <= count; i += kWidth) store(to + i, load(from + i) * factor);
    if (i < count) store_first(to + i, load_first(from + i, count - i) * factor, count - i);
  }
  static void copy(float* to, const float* from, std::int64_t count) {
    write_scaled(to, from, 1.0f, count);
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
    hides_some_ = k.count % kWidth != 0 || mask != nullptr;
    for (std::int64_t j = 0; j < kBlock; ++j) {
      const bool is_seen = j < k.count && (mask == nullptr || mask[j] != 0.0f);
      hidden_[j] = is_seen ? 0.0f : -kInfinity;
    }
  }

  // ---- Blocks ----
  // Copies rows, with zeros up to a whole vector.
  static void pack(float* to, std::int64_t pitch, const float* from, std::int64_t step,
                   std::int64_t rows, std::int64_t columns) {
    const std::int64_t whole = columns / kWidth * kWidth;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < whole; c += kWidth) {
        store(to + r * pitch + c, load(from + r * step + c));
      }
      if (whole < columns) {
        store(to + r * pitch + whole, load_first(from + r * step + whole, columns - whole));
      }
    }
  }
  void pack_queries(const Block& q) {
    pack(queries_, key_pitch_, a_.query + query_offset(q), query_step_, q.count, a_.key_dim);
  }
  void pack_slopes_above(const Block& q) {
    pack(slopes_above_, value_pitch_, a_.dy + y_offset(q), y_step_, q.count, a_.value_dim);
  }
  void pack_keys(const Block& k) {
    pack(keys_, key_pitch_, key_at(k), key_step_, k.count, a_.key_dim);
  }
  void turn_keys(const Block& k) {
    transpose(keys_across_, kBlock, key_at(k), key_step_, k.count, a_.key_dim);
    note_hidden(k);
  }
  void turn_values(const Block& k) {
    transpose(values_across_, kBlock, value_at(k), value_step_, k.count, a_.value_dim);
  }
  void write_queries(const Block& q, const float* from) {
    for (std::int64_t i = 0; i < q.count; ++i) {
      copy(a_.dquery + query_offset(q) + i * query_step_, from + i * key_pitch_, a_.key_dim);
    }
  }
  void score(const Block& q, const Block& k) {
    product({queries_, key_pitch_, 1}, {keys_across_, kBlock}, {scores_, kBlock}, q.count,
            whole_vectors(k.count), a_.key_dim, false);
  }

  // Calls f(place, scores) for the vectors of a row, with -inf for keys that are not seen.
  template <class F>
  [[gnu::always_inline]] void each_score(const Block& q, const Block& k, std::int64_t row,
                                         const F& f) {
    float* scores = scores_ + row * kBlock;
    const Range seen = seen_by(q, k, row);
    const bool sees_all = seen.begin == 0 && seen.end == k.count;
    if (sees_all && !hides_some_) {
      for (std::int64_t c = 0; c < k.count; c += kWidth) f(scores + c, load(scores + c) * a_.scale);
      return;
    }
    const auto begin = static_cast<float>(seen.begin), end = static_cast<float>(seen.end);
    const Floats numbers = column_numbers();
    for (std::int64_t c = 0; c < k.count; c += kWidth) {
      const Floats number = numbers + static_cast<float>(c);
      const Ints is_seen = (load(hidden_ + c) == 0.0f) & (number >= begin) & (number < end);
      f(scores + c, select(is_seen, load(scores + c) * a_.scale, -kInfinity));
    }
  }

  // Combines the lanes of a vector for each of kWidth rows at a time: by transposing them.
  template <class Op>
  [[gnu::always_inline]] static Floats across(Floats (&rows)[kWidth], const Op& op) {
    exchange<1>(rows);
    Floats all_lanes = rows[0];
#pragma GCC unroll 16
    for (int i = 1; i < kWidth; ++i) all_lanes = op(all_lanes, rows[i]);
    return all_lanes;
  }

  // Forwards, turns the scores of kWidth rows into exponentials.
  void exponentials(const Block& q, const Block& k, std::int64_t first) {
    const std::int64_t rows = smaller(kWidth, q.count - first);
    Floats lanes[kWidth];
    for (int i = 0; i < kWidth; ++i) {
      lanes[i] = all(-kInfinity);
      if (i >= rows) continue;
      each_score(q, k, first + i, [&](float* at, Floats s) {
        store(at, s);
        lanes[i] = maximum(lanes[i], s);
      });
    }
    const Floats before = load(largest_ + first);
    const Floats now =
        maximum(across(lanes, [](Floats a, Floats b) { return maximum(a, b); }), before);
    const Floats factors = select(before == -kInfinity, 0.0f, exp(before - now));
    store(largest_ + first, now);
    for (int i = 0; i < kWidth; ++i) {
      lanes[i] = Floats{};
      if (i >= rows) continue;
      float* scores = scores_ + (first + i) * kBlock;
      const float largest = largest_[first + i];
      for (std::int64_t c = 0; c < k.count; c += kWidth) {
        const Floats s = load(scores + c);
        const Floats e = select(s == -kInfinity, 0.0f, exp(s - largest));
        store(scores + c, e);
        lanes[i] += e;
      }
      if (a_.dropout > 0.0f) drop(scores, q, k, first + i);
    }
    const Floats sums = across(lanes, [](Floats a, Floats b) { return a + b; });
    store(total_ + first, load(total_ + first) * factors + sums);
    if (!any((factors != 1.0f) & (before != -kInfinity))) return;
    for (std::int64_t i = 0; i < rows; ++i) {
      float* gathered = sum_a_ + (first + i) * value_pitch_;
      const float factor = factors[i];
      for (std::int64_t c = 0; c < value_pitch_; c += kWidth) {
        store(gathered + c, load(gathered + c) * factor);
      }
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

  // Divides what kWidth rows have gathered by their sums.
  void finish(const Block& q, std::int64_t first) {
    const std::int64_t rows = smaller(kWidth, q.count - first);
    const Floats totals = load(total_ + first);
    const Floats logarithms =
        select(totals == 0.0f, kInfinity, load(largest_ + first) + log(totals));
    const Floats factors = select(totals == 0.0f, 1.0f, 1.0f / totals);
    for (std::int64_t i = 0; i < rows; ++i) {
      logarithm_at(q)[first + i] = logarithms[i];
      float* gathered = sum_a_ + (first + i) * value_pitch_;
      if (totals[i] == 0.0f && a_.blind_is_mean) mean(q, first + i, gathered);
      write_scaled(a_.y + y_offset(q) + (first + i) * y_step_, gathered, factors[i], a_.value_dim);
    }
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
    for (std::int64_t first = 0; first < q.count; first += kWidth) {
      Floats lanes[kWidth];
      for (int i = 0; i < kWidth; ++i) {
        lanes[i] = Floats{};
        if (first + i >= q.count) continue;
        const std::int64_t at = y_offset(q) + (first + i) * y_step_;
        lanes[i] = products_of(a_.dy + at, a_.y + at, a_.value_dim);
        if (a_.blind_is_mean && logarithm_at(q)[first + i] == kInfinity) has_mean_ = true;
      }
      store(dots_ + first, across(lanes, [](Floats a, Floats b) { return a + b; }));
    }
  }

  // Makes `scores_` the weights after dropout, and `slopes_` the gradient of the scaled products.
  void slopes(const Block& q, const Block& k) {
    score(q, k);
    product({slopes_above_, value_pitch_, 1}, {values_across_, kBlock}, {slopes_, kBlock}, q.count,
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
  const Attention& a_;
  const std::int64_t query_step_, y_step_, key_step_, value_step_;  // from row to row
  const std::int64_t key_pitch_, value_pitch_;
  float* scores_;
  float* slopes_;
  float* random_;
  // Copies of blocks whose rows lie together: rows of one head are far from each other, and would
  // push each other out of the cache.
  float* keys_across_;    // transposed, in rows of kBlock floats
  float* values_across_;  // likewise
  float* keys_;
  float* values_;
  float* queries_;
  float* slopes_above_;  // of dy
  float* sum_a_;         // of values
  float* sum_b_;         // of keys
  float* largest_;
  float* total_;
  float* dots_;
  float* hidden_;
  bool hides_some_ = false;
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
