// How op lookup finds a number in a table, the same on every device.
#pragma once

#include <stoker/detail/host_device.h>

#include <cstdint>

#include "core/fingerprint.h"

namespace stoker {

// What a number gets that is in no table: `first` plus one of so many buckets, by the number's hash
// or by its remainder. Without buckets it is an error.
struct UnknownNumbers {
  std::int32_t first = 0;
  std::int32_t buckets = 0;
  bool is_hashed = false;
  bool has_key = false;  // Whether the hash is SipHash with this key, and not FarmHash.
  HashKey key{};
};

STOKER_HOST_DEVICE inline std::int32_t bucket_of(std::int32_t number, const UnknownNumbers& to) {
  if (to.is_hashed) {
    const std::uint64_t hash = to.has_key ? siphash_of(number, to.key) : fingerprint_of(number);
    return to.first + static_cast<std::int32_t>(hash % static_cast<std::uint32_t>(to.buckets));
  }
  const std::int32_t rest = number % to.buckets;
  return to.first + (rest < 0 ? rest + to.buckets : rest);
}

// A table [4, entries] of floats has keys in ascending order and their values. Floats hold 16 bits
// of a number exactly, so that there is a row for the upper half of the keys, one for the lower,
// and the same for the values.
STOKER_HOST_DEVICE inline std::int32_t of_halves(float upper, float lower) {
  return static_cast<std::int32_t>(upper) * 65536 + static_cast<std::int32_t>(lower);
}

// Returns the place of the number among the keys, or -1.
STOKER_HOST_DEVICE inline std::int32_t place_in_table(const float* table, std::int32_t entries,
                                                      std::int32_t number) {
  std::int32_t begin = 0, end = entries;
  while (begin < end) {
    const std::int32_t middle = begin + (end - begin) / 2;
    const std::int32_t key = of_halves(table[middle], table[entries + middle]);
    if (key == number) return middle;
    if (key < number) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return -1;
}
STOKER_HOST_DEVICE inline std::int32_t value_in_table(const float* table, std::int32_t entries,
                                                      std::int32_t place) {
  return of_halves(table[2 * static_cast<std::int64_t>(entries) + place],
                   table[3 * static_cast<std::int64_t>(entries) + place]);
}

// The bucket of a crossing of numbers, each of which is its own fingerprint.
STOKER_HOST_DEVICE inline std::int32_t crossed(const std::int32_t* numbers, std::int64_t count,
                                               std::int32_t buckets) {
  std::uint64_t hash = kCrossingSeed;
  for (std::int64_t i = 0; i < count; ++i) {
    hash =
        joined_fingerprint(hash, static_cast<std::uint64_t>(static_cast<std::int64_t>(numbers[i])));
  }
  return static_cast<std::int32_t>(hash % static_cast<std::uint32_t>(buckets));
}

}  // namespace stoker
