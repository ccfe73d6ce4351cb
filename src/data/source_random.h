// The random numbers of sources, which are a function of (seed, epoch, stage, ordinal) alone.
#pragma once

#include <cstdint>

#include "stoker/random.h"

namespace stoker::data {

// The stages that draw numbers. Their order is part of what a seed promises: new ones come last.
enum class RandomStage : std::uint32_t {
  batch,    // BatchContext::random; the ordinal is the batch's index in its epoch
  shuffle,  // an array source's order of rows
  element,  // a Dataset's stage; the ordinal is the element's number
  // What takes the place of a batch that can't be made; the ordinal is that batch's index.
  substitute,
};

// Returns random numbers under a key of their own for each epoch and stage, which is itself drawn
// by Philox. With the user's seed as the key, batches would get the same numbers as initializers
// and layers' streams.
inline Random source_random(std::uint64_t seed, std::int64_t epoch, RandomStage stage,
                            std::int64_t ordinal = 0) {
  constexpr std::uint32_t kSources = 0x736f7572;  // "sour"
  const auto e = static_cast<std::uint64_t>(epoch);
  const auto i = static_cast<std::uint64_t>(ordinal);
  const PhiloxCounter words =
      philox4x32({static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(e >> 32),
                  static_cast<std::uint32_t>(stage), kSources},
                 {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  const std::uint64_t key = words[0] | static_cast<std::uint64_t>(words[1]) << 32;
  return Random(key, static_cast<std::uint32_t>(i >> 32), static_cast<std::uint32_t>(i));
}

}  // namespace stoker::data
