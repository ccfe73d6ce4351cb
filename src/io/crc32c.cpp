#include "io/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <bit>

namespace stoker::io {

// ISA-L leaves the inversions at the beginning and the end to its caller, and takes lengths as int.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
  constexpr std::size_t kMost = std::size_t{1} << 30;
  std::uint32_t value = ~before;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kMost));
    // The function does not write, though its argument is not const.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(part.data()));
    value = crc32_iscsi(data, static_cast<int>(part.size()), value);
    bytes = bytes.subspan(part.size());
  }
  return ~value;
}

std::uint32_t masked_crc32c(std::span<const std::byte> bytes) {
  constexpr std::uint32_t kDelta = 0xa282ead8U;
  return std::rotr(crc32c(bytes), 15) + kDelta;
}

}  // namespace stoker::io
