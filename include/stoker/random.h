// Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers:
// as easy as 1, 2, 3", SC'11). The same key and counter give the same numbers on every device.
#pragma once

#include <stoker/detail/philox.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace stoker {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

// Returns one block of four words: ten rounds on `counter` under `key`.
PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key);

// Fills `words` with consecutive blocks: word j of block i, at words[4 * i + j], is that of
// philox4x32 with key (seed's lower half, seed's upper half) and counter (b's lower half, b's upper
// half, stream, step), where b = first_block + i. Throws ValueError unless words.size() is a
// multiple of four. The function is vectorised for the CPU that it runs on.
void philox_fill(std::span<std::uint32_t> words, std::uint64_t seed, std::uint32_t stream,
                 std::uint32_t step, std::uint64_t first_block);

// A stream of random numbers under a key, independent of those under other keys: the words of
// philox_fill from block 0 on. A Random is cheap to make, and refills itself in blocks. It is not
// synchronised: each thread needs its own.
class Random {
 public:
  explicit Random(std::uint64_t seed = 0, std::uint32_t stream = 0, std::uint32_t step = 0)
      : seed_(seed), stream_(stream), step_(step) {}

  std::uint32_t word() {
    if (next_ == kWords) refill();
    return words_[next_++];
  }
  // These return a number in [0, 1), and one in [low, high). The latter is compiled in the library,
  // because a caller's compiler that fuses multiplication and addition would round it differently.
  float uniform() { return unit_float(word()); }
  float uniform(float low, float high);
  // Returns a number in [low, high), without bias (Lemire, "Fast random integer generation in an
  // interval", 2019). Throws ValueError if low >= high.
  std::int64_t integer(std::int64_t low, std::int64_t high);
  // Returns a normal number by Box and Muller's transform. A pair of numbers takes two words; the
  // second number is kept for the next call.
  float normal(float mean = 0.0f, float stddev = 1.0f);

  // These give the same numbers as as many calls of uniform(low, high) or normal(mean, stddev), but
  // faster.
  void fill_uniform(std::span<float> values, float low = 0.0f, float high = 1.0f);
  void fill_normal(std::span<float> values, float mean = 0.0f, float stddev = 1.0f);

  // Returns how many words were drawn so far by other calls than the two above, for the verdict on
  // a generator.
  std::uint64_t drawn_one_by_one() const {
    if (block_ == 0) return 0;
    const std::uint64_t drawn = 4 * block_ + next_ - kWords;
    return drawn > in_bulk_ ? drawn - in_bulk_ : 0;
  }

 private:
  static constexpr std::size_t kWords = 256;
  void refill();
  // Returns a number in [0, range), for a range above 0.
  std::uint64_t below(std::uint64_t range);

  std::uint64_t seed_;
  std::uint32_t stream_;
  std::uint32_t step_;
  std::uint64_t block_ = 0;
  std::uint64_t in_bulk_ = 0;  // words that fill_uniform() and fill_normal() took
  std::size_t next_ = kWords;
  bool has_spare_ = false;
  float spare_ = 0.0f;
  alignas(64) std::array<std::uint32_t, kWords> words_;
};

}  // namespace stoker
