// The batch that a Loader's loop has, as its views see it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/device.h"
#include "feed/ring/slot_layout.h"
#include "stoker/loader.h"

namespace stoker::detail {

struct CurrentBatch {
  explicit CurrentBatch(const BatchSpec& of_source) : spec(of_source), layout(spec) {}

  const BatchSpec spec;
  const feed::SlotLayout layout;
  // It counts up when a batch comes and when it goes, so that a view knows whether it is its own.
  std::uint64_t turn = 0;
  std::int64_t rows = 0;
  std::int64_t epoch = 0;
  std::int64_t index = 0;
  std::int64_t sequence = 0;
  std::byte* host = nullptr;  // The block in the host's memory; null if the batch isn't there.
  std::byte* device = nullptr;
  device::Device* on = nullptr;
  device::Stream* stream = nullptr;  // Where work finds the batch in the device's memory.
};

// The library's own way to what a view shows.
struct LoaderAccess {
  static BatchView view(std::shared_ptr<const CurrentBatch> batch) {
    BatchView view;
    view.turn_ = batch->turn;
    view.batch_ = std::move(batch);
    return view;
  }
  // Throws if the loop has had its next turn.
  static const CurrentBatch& batch(const BatchView& view) { return view.current(); }
};

}  // namespace stoker::detail
