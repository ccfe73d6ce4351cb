#include "feed/pipeline.h"

#include <vector>

#include "stoker/error.h"

namespace stoker::feed {

namespace {

const std::byte* bytes_of(const void* data) { return static_cast<const std::byte*>(data); }

}  // namespace

struct Pipeline::Impl {
  // What may be refused comes before the feed, which asks the source for batches at once.
  Impl(std::shared_ptr<Source> source, const FeedOptions& options, device::Device& on,
       device::Stream& steps)
      : device(on), compute(steps), state(device.allocate(sizeof(device::RingState))) {
    device::RingState initial;
    if (!device.reads_host_memory()) {
      copy = device.make_stream();
      initial.slots = kDeviceSlots;
      const SlotLayout layout(source->spec());
      for (int s = 0; s < kDeviceSlots; ++s) {
        slots.push_back({device.allocate(layout.bytes), device.make_event(), device.make_event(),
                         std::nullopt});
        initial.blocks[s] = slots.back().block->data();
      }
    }
    compute.copy_to_device(state->data(), bytes_of(&initial), sizeof(initial));
    compute.synchronize();
    feed.emplace(std::move(source), options, device);
  }

  struct DeviceSlot {
    std::unique_ptr<device::Buffer> block;
    std::unique_ptr<device::Event> uploaded;
    std::unique_ptr<device::Event> stepped;
    std::optional<Batch> uploading{};  // whose pinned slot the copy still reads
  };

  DeviceSlot& slot(std::uint64_t batch) { return slots[batch % slots.size()]; }

  void upload(const Batch& batch) {
    DeviceSlot& to = slot(issued);
    // The slot's last upload ended long ago as a rule: its pinned slot must go back first.
    if (to.uploading) finish(to, true);
    copy->wait(*to.stepped);
    copy->copy_to_device(to.block->data(), batch.block, feed->layout().bytes);
    copy->record(*to.uploaded);
    compute.wait(*to.uploaded);
    to.uploading = batch;
  }

  // Gives the pinned slot back if its upload has passed, or waits for that.
  void finish(DeviceSlot& slot, bool wait) {
    if (!slot.uploading) return;
    if (wait) slot.uploaded->synchronize();
    if (!wait && !slot.uploaded->has_passed()) return;
    feed->release(*slot.uploading);
    slot.uploading.reset();
  }

  device::Device& device;
  device::Stream& compute;
  std::optional<Feed> feed;
  std::unique_ptr<device::Buffer> state;
  std::unique_ptr<device::Stream> copy;
  std::vector<DeviceSlot> slots;
  std::uint64_t issued = 0;  // batches handed to the device so far
};

Pipeline::Pipeline(std::shared_ptr<Source> source, const FeedOptions& options,
                   device::Device& device, device::Stream& compute)
    : impl_(std::make_unique<Impl>(std::move(source), options, device, compute)) {}

Pipeline::~Pipeline() {
  // Nothing may read the slots when they go. A stream of a broken device throws when what it was
  // at is done, so each is waited for by itself.
  for (device::Stream* stream : {impl_->copy.get(), &impl_->compute}) {
    try {
      if (stream != nullptr) stream->synchronize();
    } catch (const DeviceError&) {
    }
  }
}

std::optional<Batch> Pipeline::next() {
  Impl& impl = *impl_;
  // Pinned slots go back as soon as their uploads have passed; when the feed has no other slot
  // left, the oldest is waited for.
  const std::size_t in_flight = impl.slots.size();
  for (std::size_t i = 0; i < in_flight; ++i) {
    Impl::DeviceSlot& oldest = impl.slots[(impl.issued + i) % in_flight];
    impl.finish(oldest, impl.feed->holds_next_slot());
  }
  std::optional<Batch> batch = impl.feed->next();
  if (!batch) return batch;
  // The ring's own count: the feed's counts the ends of epochs too.
  auto* header = reinterpret_cast<SlotHeader*>(batch->block);
  header->sequence = impl.issued;
  header->rows = batch->rows;
  if (impl.copy) {
    impl.upload(*batch);
  } else {
    auto* ring = reinterpret_cast<device::RingState*>(impl.state->data());
    ring->blocks[0] = batch->block;
  }
  return batch;
}

void Pipeline::consumed(const Batch& batch) {
  Impl& impl = *impl_;
  if (impl.copy) {
    impl.compute.record(*impl.slot(impl.issued).stepped);
  } else {
    impl.feed->release(batch);
  }
  ++impl.issued;
}

device::RingState* Pipeline::ring() {
  return reinterpret_cast<device::RingState*>(impl_->state->data());
}

Feed& Pipeline::feed() { return *impl_->feed; }

}  // namespace stoker::feed
