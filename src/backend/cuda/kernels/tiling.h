// How threads share out the work: read by the kernels, and by grids.cpp where launches are made.
#pragma once

#include <cstdint>

#include "stoker/detail/host_device.h"

namespace stoker::backend::cuda {

// Of every block but advance's. Two such blocks on a multiprocessor: no more than 128 registers.
inline constexpr int kBlockThreads = 256;
inline constexpr unsigned kThreads = kBlockThreads;  // as indices are

STOKER_HOST_DEVICE constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// Elements that a thread loads at once: 16 bytes of them, or four, where rows of `columns` allow
// it.
STOKER_HOST_DEVICE constexpr int pack_width(std::int64_t columns, int element_bytes = 4) {
  const int most = 16 / element_bytes;
  return columns % most == 0 ? most : columns % 4 == 0 ? 4 : 1;
}
// The same for all types, where the order of a sum follows from it: the bits of a sum shall not
// depend on the type that its elements are stored in.
STOKER_HOST_DEVICE constexpr int pack_width_of_sums(std::int64_t columns) {
  return pack_width(columns, 2);
}

// The smallest power of two that is at least min(wanted, limit).
STOKER_HOST_DEVICE constexpr int power_of_two(std::int64_t wanted, int limit) {
  int power = 1;
  while (power < wanted && power < limit) power *= 2;
  return power;
}

// ---- Rows: softmax and its relatives ------------------------------------------------------------
// A part of a warp for each row, a whole warp, or the block.
inline constexpr int kWarpColumns = 1024;

STOKER_HOST_DEVICE constexpr int threads_per_row(int columns) {
  return columns > kWarpColumns ? kBlockThreads : power_of_two(divide_up(columns, 4), 32);
}

// Rows that are only copied count as columns of 4 bytes.
STOKER_HOST_DEVICE constexpr int words_of_row(std::int64_t bytes) {
  return static_cast<int>(divide_up(bytes, 4));
}

// ---- Channels: batch norm -----------------------------------------------------------------------
// A block is `lanes` threads wide along the channels, each with a pack of them, and goes down the
// rows with the other threads. Wider tensors take several such tiles.
struct ChannelTiling {
  int width;  // channels a thread
  int lanes;  // threads side by side
  int rows;   // threads one below the other
  int tiles;

  STOKER_HOST_DEVICE constexpr ChannelTiling(int channels, int pack)
      : width(pack),
        lanes(power_of_two(channels / width, 32)),
        rows(kBlockThreads / lanes),
        tiles(static_cast<int>(divide_up(channels / width, lanes))) {}
};

// ---- Sorting ids: embedding's gradient
// ----------------------------------------------------------- By digits of 8 bits, least
// significant first. A block has a chunk of the ids, and a thread for each value of a digit.
inline constexpr int kDigitBits = 8;
inline constexpr int kDigits = 1 << kDigitBits;
static_assert(kDigits == kBlockThreads);

// ---- Matrix product, weights' gradient ----------------------------------------------------------
inline constexpr int kTile = 64;         // of y: kTile x kTile, 4 x 4 a thread
inline constexpr int kTileDepth = 16;    // of a and b, at a time
inline constexpr int kWeightLanes = 32;  // output channels a block

}  // namespace stoker::backend::cuda
