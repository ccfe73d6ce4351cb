// How threads share out the work. The kernels include this header, and so does grids.cpp, which
// sizes launches.
#pragma once

#include <cstdint>

#include "stoker/detail/host_device.h"

namespace stoker::backend::cuda {

// The number of threads of every block but advance's. Two such blocks fit on a multiprocessor if a
// thread takes no more than 128 registers.
inline constexpr int kBlockThreads = 256;
inline constexpr unsigned kThreads = kBlockThreads;  // the same number, of the type of indices

STOKER_HOST_DEVICE constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// Returns how many elements a thread loads at once: 16 bytes of them, or four, where rows of
// `columns` allow it, and otherwise one.
STOKER_HOST_DEVICE constexpr int pack_width(std::int64_t columns, int element_bytes = 4) {
  const int most = 16 / element_bytes;
  return columns % most == 0 ? most : columns % 4 == 0 ? 4 : 1;
}
// Returns the width for kernels in which the order of a sum follows from it. It is the same for all
// types, since the bits of a sum shall not depend on the type that its elements are stored in.
STOKER_HOST_DEVICE constexpr int pack_width_of_sums(std::int64_t columns) {
  return pack_width(columns, 2);
}

// Returns the smallest power of two that is at least min(wanted, limit).
STOKER_HOST_DEVICE constexpr int power_of_two(std::int64_t wanted, int limit) {
  int power = 1;
  while (power < wanted && power < limit) power *= 2;
  return power;
}

// ---- Rows: softmax and its relatives ------------------------------------------------------------
// A row with more columns than this gets a whole block; a shorter one gets a warp or a part of one.
inline constexpr int kWarpColumns = 1024;

STOKER_HOST_DEVICE constexpr int threads_per_row(int columns) {
  return columns > kWarpColumns ? kBlockThreads : power_of_two(divide_up(columns, 4), 32);
}

// Returns the number of columns of 4 bytes that a row counts as, if it is only copied.
STOKER_HOST_DEVICE constexpr int words_of_row(std::int64_t bytes) {
  return static_cast<int>(divide_up(bytes, 4));
}

// ---- Channels: batch norm -----------------------------------------------------------------------
// A block is `lanes` threads wide along the channels, each with a pack of them, and goes down the
// rows with the other threads. Wider tensors take several such tiles.
struct ChannelTiling {
  int width;  // channels of a thread
  int lanes;  // threads side by side
  int rows;   // threads one below the other
  int tiles;

  STOKER_HOST_DEVICE constexpr ChannelTiling(int channels, int pack)
      : width(pack),
        lanes(power_of_two(channels / width, 32)),
        rows(kBlockThreads / lanes),
        tiles(static_cast<int>(divide_up(channels / width, lanes))) {}
};

// ---- Sorting ids: embedding's gradient ----------------------------------------------------------
// Ids are sorted by digits of 8 bits, least significant first. A block has a chunk of the ids, and
// a thread for each value of a digit.
inline constexpr int kDigitBits = 8;
inline constexpr int kDigits = 1 << kDigitBits;
static_assert(kDigits == kBlockThreads);

// ---- Matrix product, weights' gradient ----------------------------------------------------------
inline constexpr int kTile = 64;  // a block computes kTile x kTile elements of y, a thread 4 x 4
inline constexpr int kTileDepth = 16;    // depth of a and b that is loaded at a time
inline constexpr int kWeightLanes = 32;  // output channels of a block

}  // namespace stoker::backend::cuda
