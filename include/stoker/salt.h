// The salt of hashes.
#pragma once

#include <cstdint>

namespace stoker {

// A key for hashes that others cannot foresee: two numbers, or one that stands for both.
struct Salt {
  std::uint64_t first = 0, second = 0;
  Salt(std::int64_t both) : Salt(both, both) {}
  Salt(std::int64_t one, std::int64_t other)
      : first(static_cast<std::uint64_t>(one)), second(static_cast<std::uint64_t>(other)) {}
  friend bool operator==(const Salt&, const Salt&) = default;
};

}  // namespace stoker
