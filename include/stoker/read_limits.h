// Limits on the memory that readers of files take. Files are not trusted: a small one can unpack to
// more than the machine has.
#pragma once

#include <cstdint>

namespace stoker {

// If the content of a file needs more memory than this, the reader throws an IoError that names the
// limit, before it takes the memory. For files of one's own both limits may be raised.
struct ReadLimits {
  std::uint64_t max_bytes = std::uint64_t{1} << 33;  // in memory, however large the file is
  // Bytes in memory for each byte of the file. This limit applies only above 2^28 bytes, since
  // smaller content does no harm, however tightly it was packed.
  std::uint64_t max_expansion = 200;
};

// The limits of images. The time of decoding grows with the pixels and with the passes over them.
struct ImageLimits {
  std::uint64_t max_pixels = std::uint64_t{1} << 28;
  // Scans of a progressive JPEG, each of which goes over the whole image. Usual files have ten.
  std::int64_t max_scans = 100;
};

}  // namespace stoker
