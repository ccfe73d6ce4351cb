// The device's side of a ring of slots. A program takes no parameters: it finds its batch at the
// ring's cursor, and moves the cursor on. One captured program therefore serves every slot, and
// training, short batches and evaluation may follow each other in any order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stoker::device {

// The header at the start of every slot's block.
struct SlotHeader {
  std::uint64_t sequence = 0;
  std::int64_t rows = 0;
};
inline constexpr std::size_t kHeaderBytes = 256;

inline constexpr int kMaxDeviceSlots = 16;

// The ring's state lives in device memory, outside of every arena.
struct RingState {
  std::uint64_t cursor = 0;  // of the next batch; its slot is cursor % slots
  std::int32_t slots = 1;
  std::int32_t padding = 0;
  std::byte* blocks[kMaxDeviceSlots] = {};
};

}  // namespace stoker::device
