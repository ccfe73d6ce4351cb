// CRC-32C, the checksum of Castagnoli 1993 that iSCSI and many file formats use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stoker::io {

// Returns the checksum of the bytes, or goes on from that of the bytes before them.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

// Returns the checksum as TFRecord stores it. One of a record that holds checksums itself would be
// weak, so it is rotated and shifted (tensorflow/core/lib/hash/crc32c.h).
std::uint32_t masked_crc32c(std::span<const std::byte> bytes);

}  // namespace stoker::io
