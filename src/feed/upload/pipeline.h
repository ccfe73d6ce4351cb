// What the trainer pulls batches from: a feed, and behind it the upload of full pinned slots to
// device slots, ahead of the step that reads them. On a device that reads host memory there is
// nothing to upload: the step reads the pinned slot.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "device/device.h"
#include "device/ring_state.h"
#include "feed/feed.h"

namespace stoker::feed {

// Everything is issued by the one thread that calls next() and consumed(), in this order, since an
// event covers only what has been recorded before it is waited for:
//
//   copy stream:     wait stepped[s], copy the block into device slot s, record uploaded[s]
//   compute stream:  wait uploaded[s], launch the step, record stepped[s]
//
// A pinned slot goes back to the feed when its upload's event has passed, a device slot is written
// again when its step's event has.
//
// The pipeline sees both sides: what the feed measured of the generator, and what the device, or
// the step, took and waited for. AUTOTUNE and the warning of a step or a device that starves are
// therefore here. Neither the feed nor the device's clock knows of the pipeline or of each other.
class Pipeline {
 public:
  // `compute` is the stream on which the caller launches steps.
  Pipeline(std::shared_ptr<Source> source, const FeedOptions& options, device::Device& device,
           device::Stream& compute);
  // The destructor waits for what is under way.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Returns the next batch as Feed::next() does. Work that is launched on the compute stream from
  // now on finds the batch at ring(). At the end of an epoch next() waits for the steps that have
  // been launched.
  std::optional<Batch> next();
  // Notes that the step that reads the batch of the last next() has been launched.
  void consumed(const Batch& batch);
  // Returns the host's time of the last consumed(), for callers that would read the clock again.
  std::int64_t consumed_ns() const;

  // Returns Feed::position(): the place after the batch of the last next().
  Position position() const;

  device::RingState* ring();
  // Returns the block that holds the batch of the last next() on the device, until the work is done
  // that was enqueued on the compute stream before consumed().
  std::byte* device_block(const Batch& batch);
  Feed& feed();

  // Returns Feed::take_report() with the device's side added: what it waited for, uploads and
  // steps. The caller adds wall, other and cpu. This waits for the device.
  FeedReport take_report();
  // Returns what take_report() would, as far as the host knows by now, and goes on measuring. This
  // waits for nothing.
  FeedReport report_so_far() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stoker::feed
