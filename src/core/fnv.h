// FNV-1a hashes give numbers that depend on names, or on other numbers, alone. Source: Fowler,
// Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm".
#pragma once

#include <cstdint>
#include <string_view>

namespace stoker {

inline constexpr std::uint32_t kFnvBasis = 2166136261U;
inline constexpr std::uint64_t kFnvBasis64 = 0xcbf29ce484222325U;

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
// These two continue a hash of 64 bits: with the bytes of a text, and with the eight bytes of a
// number, the lowest first.
constexpr std::uint64_t fnv1a_64(std::string_view text, std::uint64_t hash = kFnvBasis64) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}
constexpr std::uint64_t fnv1a_64(std::uint64_t number, std::uint64_t hash = kFnvBasis64) {
  for (int i = 0; i < 8; ++i) hash = (hash ^ (number >> 8 * i & 0xffU)) * 0x100000001b3U;
  return hash;
}

}  // namespace stoker
