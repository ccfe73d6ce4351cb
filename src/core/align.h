// Buffers, weights, the values of a step and the fields of a slot all begin at a multiple of
// kAlignment. It is the largest alignment that a device asks for, and lets every kernel load its
// operands in whole vectors.
#pragma once

#include <cstdint>

namespace stoker {

inline constexpr std::int64_t kAlignment = 256;  // bytes

// `bytes` rounded up to a multiple of `alignment`.
template <class Integer>
constexpr Integer aligned(Integer bytes, Integer alignment = static_cast<Integer>(kAlignment)) {
  return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace stoker
