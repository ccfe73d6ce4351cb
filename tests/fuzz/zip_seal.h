// Checksums of zip archives, which no fuzzer would find.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace stoker::fuzz {

// Gives the entries of an archive the checksums that their bytes have, as far as it finds them: no
// fuzzer would. Stored entries only.
inline void seal(std::vector<std::uint8_t>& file) {
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes && at + i < file.size(); ++i) {
      value |= std::uint64_t{file[at + i]} << (8 * i);
    }
    return value;
  };
  for (std::size_t at = 0; at + 46 <= file.size(); ++at) {
    if (number(at, 4) != 0x02014b50 || number(at + 10, 2) != 0) continue;
    const std::uint64_t size = number(at + 24, 4);
    const std::uint64_t local = number(at + 42, 4);
    const std::uint64_t begin = local + 30 + number(local + 26, 2) + number(local + 28, 2);
    if (begin > file.size() || size > file.size() - begin) continue;
    const auto crc =
        static_cast<std::uint32_t>(crc32(0, file.data() + begin, static_cast<uInt>(size)));
    std::memcpy(&file[at + 16], &crc, 4);
  }
}

}  // namespace stoker::fuzz
