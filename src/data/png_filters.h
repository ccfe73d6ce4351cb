// The filters of PNG's rows: W3C's "Portable Network Graphics (PNG) Specification", section 9.
#pragma once

#include <cstdint>
#include <span>

namespace stoker::image {

// Undoes a row's filter. `above` is the row above, which is zeros for the first one; it and `to`
// have as many bytes as `from`, and none of the three overlap. A pixel has 1, 2, 3, 4, 6 or 8
// bytes, and the row whole pixels. Returns false for a filter that there is not.
bool undo_png_filter(int filter, int bytes_per_pixel, std::span<const std::uint8_t> from,
                     const std::uint8_t* above, std::uint8_t* to);

}  // namespace stoker::image
