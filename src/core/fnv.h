// 32-bit FNV-1a hashes give numbers that depend on names alone. Source: Fowler, Noll, Vo, "The FNV
// Non-Cryptographic Hash Algorithm".
#pragma once

#include <cstdint>
#include <string_view>

namespace stoker {

inline constexpr std::uint32_t kFnvBasis = 2166136261U;

// Continues `hash` with the bytes of a text.
constexpr std::uint32_t fnv1a(std::string_view text, std::uint32_t hash = kFnvBasis) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}
// Continues `hash` with the four bytes of a number, the lowest first.
constexpr std::uint32_t fnv1a(std::uint32_t number, std::uint32_t hash) {
  for (int i = 0; i < 4; ++i) hash = (hash ^ (number >> 8 * i & 0xffU)) * 16777619U;
  return hash;
}

}  // namespace stoker
