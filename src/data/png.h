// The two decoders of PNG. The fast one takes what is well-formed and usual, and leaves the rest to
// libpng, whose verdict and samples are those of record (docs/adr/0027-png-by-libdeflate.md).
#pragma once

#include <cstddef>
#include <span>

#include "data/image_codec.h"

namespace stoker::image {

// Both decode into `target` with the channels of the job, but with 3 where a file in colour is
// wanted in gray.

// Inflates by libdeflate. Returns false, with an unspecified target, for a file that libpng has to
// judge: one that is damaged, interlaced, or odd in a way that libpng may treat in its own manner.
bool decode_png_by_libdeflate(std::span<const std::byte> bytes, const Job& job, Target& target);
// Throws IoError for a damaged file.
void decode_png_by_libpng(std::span<const std::byte> bytes, const Job& job, Target& target);

}  // namespace stoker::image
