// Where the fields of a batch lie in a slot.
#pragma once

#include <cstddef>
#include <vector>

#include "device/ring_state.h"
#include "stoker/source.h"

namespace stoker::feed {

using device::kHeaderBytes;
using device::SlotHeader;

// The number of slots in the memory of a device that has its own.
inline constexpr int kDeviceSlots = 3;

// The layout of fields in a slot's one contiguous block: a header, then each field at a multiple of
// 256 bytes, in the order of the spec.
struct SlotLayout {
  // The constructor throws ShapeError for fields without a known size or with different batch
  // sizes.
  explicit SlotLayout(const BatchSpec& spec);
  // Returns the layout of the host's slots. For a source that fills the device's memory, a slot
  // holds only its note of host_bytes(), as field 0.
  static SlotLayout of_host(Source& source);
  std::vector<std::size_t> offsets;  // by field
  std::size_t bytes = 0;             // of the whole block
  std::size_t row_bytes = 0;         // of one row of all fields, without padding

 private:
  SlotLayout() = default;
};

}  // namespace stoker::feed
