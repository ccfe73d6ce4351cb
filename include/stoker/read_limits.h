// What readers of files may take memory for. Files are not trusted: a small one can unpack to more
// than the machine has.
#pragma once

#include <cstdint>

namespace stoker {

// A file whose content needs more memory than this is an IoError that names the limit, before the
// memory is taken. Whoever made the files oneself may raise both.
struct ReadLimits {
  std::uint64_t max_bytes = std::uint64_t{1} << 33;  // in memory, however large the file is
  // Bytes in memory for each byte of the file. Counts only above 2^28 bytes: what is smaller does
  // no harm, whatever it was packed to.
  std::uint64_t max_expansion = 200;
};

// The limits of images, for which decoding takes what grows with the pixels and with the passes
// over them.
struct ImageLimits {
  std::uint64_t max_pixels = std::uint64_t{1} << 28;
  // Scans of a progressive JPEG, each of which goes over all of the image; common ones have ten.
  std::int64_t max_scans = 100;
};

}  // namespace stoker
