#include "feed/pipeline.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "feed/device_clock.h"
#include "stoker/error.h"

namespace stoker::feed {

namespace {

const std::byte* bytes_of(const void* data) { return static_cast<const std::byte*>(data); }

}  // namespace

struct Pipeline::Impl {
  // Everything that may be refused comes before the feed is made, since that asks the source for
  // batches at once.
  Impl(std::shared_ptr<Source> source, const FeedOptions& options, device::Device& on,
       device::Stream& steps)
      : device(on),
        compute(steps),
        spec(source->spec()),
        filler(source->device_filler()),
        layout(spec),
        kept(source),
        state(device.allocate(sizeof(device::RingState))) {
    device::RingState initial;
    if (!device.reads_host_memory()) {
      copy = device.make_stream();
      initial.slots = kDeviceSlots;
    }
    if (copy || filler != nullptr) {
      for (int s = 0; s < initial.slots; ++s) {
        blocks.push_back(device.allocate(layout.bytes));
        initial.blocks[s] = blocks.back()->data();
        for (const std::size_t offset : layout.offsets) {
          fields.push_back(blocks.back()->data() + offset);
        }
      }
    }
    if (filler != nullptr) {
      filler->prepare(device, copy ? *copy : compute);
      prepared.emplace(*filler, copy ? *copy : compute);
    }
    compute.copy_to_device(state->data(), bytes_of(&initial), sizeof(initial));
    compute.synchronize();
    feed.emplace(std::move(source), options, device);
    if (copy) {
      // A batch's pinned slot is free for another once its upload has passed, and that waited for
      // the step that read the device slot before.
      const int in_flight = feed->ring_size() + kDeviceSlots + 2;
      clock.emplace(device, *copy, compute, *feed, in_flight);
      feed->watch([this](std::int64_t now) { clock->poll(now); });
      uploading.resize(static_cast<std::size_t>(in_flight));
    }
  }

  Batch& uploading_at(std::uint64_t batch) { return uploading[batch % uploading.size()]; }

  void upload(const Batch& batch) {
    clock->issue(issued, batch);
    const std::uint64_t slot = issued % kDeviceSlots;
    if (issued >= kDeviceSlots) {
      device::Event& read = clock->stepped(issued - kDeviceSlots);
      copy->wait(read);
      if (filler != nullptr && !filler->enqueues() && copy->native() == nullptr) read.synchronize();
    }
    if (filler != nullptr) fill(batch, slot, *copy);
    copy->copy_to_device(blocks[slot]->data(), batch.block,
                         filler != nullptr ? kHeaderBytes : layout.bytes);
    copy->record(clock->uploaded(issued));
    compute.wait(clock->uploaded(issued));
    uploading_at(issued) = batch;
  }

  // Has the source's DeviceFiller fill the batch on the device.
  void fill(const Batch& batch, std::uint64_t slot, device::Stream& stream) {
    try {
      filler->fill_on_device(*batch.context, batch.rows, batch.block + feed->layout().offsets[0],
                             Slot(spec, fields.data() + slot * layout.offsets.size()), stream);
    } catch (const DeviceError&) {
      throw;  // the exception says what is wrong with the device
    } catch (const std::exception& error) {
      feed->fail(batch, error.what());
    } catch (...) {
      feed->fail(batch, "the generator threw something that is no std::exception");
    }
  }

  // Gives pinned slots back whose uploads have passed, and waits for the oldest if the feed has no
  // other slot left. Each check is a call to the device, so the newest upload is left for the next
  // time.
  void release_uploaded() {
    while (released < issued) {
      const bool must = feed->holds_next_slot();
      if (must) clock->uploaded(released).synchronize();
      if (!must && (issued - released <= 1 || !clock->uploaded(released).has_passed())) return;
      feed->release(uploading_at(released++));
    }
  }

  // Calls prepare() and, at the end of its life, finish().
  class Prepared {
   public:
    Prepared(DeviceFiller& filler, device::Stream& stream) : filler_(filler), stream_(stream) {}
    ~Prepared() { filler_.finish(stream_); }
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;

   private:
    DeviceFiller& filler_;
    device::Stream& stream_;
  };

  device::Device& device;
  device::Stream& compute;
  const BatchSpec spec;
  DeviceFiller* const filler;          // null if batches are uploaded
  const SlotLayout layout;             // the layout of the device's slots
  const std::shared_ptr<Source> kept;  // outlives what follows
  std::optional<Feed> feed;
  std::unique_ptr<device::Buffer> state;
  std::unique_ptr<device::Stream> copy;
  std::optional<Prepared> prepared;
  std::vector<std::unique_ptr<device::Buffer>> blocks;  // the device's slots
  std::vector<std::byte*> fields;                       // of all device slots
  std::optional<DeviceClock> clock;
  std::vector<Batch> uploading;  // batches whose pinned slots copies may still read
  std::uint64_t issued = 0;      // batches handed to the device so far
  std::uint64_t released = 0;    // of those, batches whose pinned slots were given back
  bool in_epoch = false;

  // The time at which the step began, for devices whose step reads the slot itself.
  std::int64_t step_begin_ns = 0;
  FeedReport stepped;
};

Pipeline::Pipeline(std::shared_ptr<Source> source, const FeedOptions& options,
                   device::Device& device, device::Stream& compute)
    : impl_(std::make_unique<Impl>(std::move(source), options, device, compute)) {}

Pipeline::~Pipeline() {
  // Nothing may still read the slots when they are freed. The streams are waited for one by one,
  // since the stream of a broken device throws once its current work is done.
  for (device::Stream* stream : {impl_->copy.get(), &impl_->compute}) {
    try {
      if (stream != nullptr) stream->synchronize();
    } catch (const DeviceError&) {
    }
  }
}

std::optional<Batch> Pipeline::next() {
  Impl& impl = *impl_;
  if (!impl.in_epoch) {
    impl.in_epoch = true;
    if (impl.clock) impl.clock->begin_epoch(now_ns());
  }
  if (impl.copy) impl.release_uploaded();
  std::optional<Batch> batch = impl.feed->next();
  if (!batch) {
    if (impl.clock) impl.clock->drain();
    impl.in_epoch = false;
    return batch;
  }
  // The header gets the device ring's own count, since the feed's sequence also counts the ends of
  // epochs.
  auto* header = reinterpret_cast<SlotHeader*>(batch->block);
  header->sequence = impl.issued;
  header->rows = batch->rows;
  if (impl.copy) {
    impl.upload(*batch);
  } else {
    auto* ring = reinterpret_cast<device::RingState*>(impl.state->data());
    if (impl.filler != nullptr) {
      impl.fill(*batch, 0, impl.compute);
      std::memcpy(ring->blocks[0], batch->block, kHeaderBytes);
    } else {
      ring->blocks[0] = batch->block;
    }
    impl.step_begin_ns = now_ns();
  }
  return batch;
}

void Pipeline::consumed(const Batch& batch) {
  Impl& impl = *impl_;
  if (impl.copy) {
    impl.compute.record(impl.clock->stepped(impl.issued));
    impl.clock->launched(impl.issued);
  } else {
    const std::int64_t end = now_ns();
    const std::int64_t took = end - impl.step_begin_ns;
    impl.stepped.step.add(took);
    if (!batch.was_awaited) impl.stepped.step_in_a_row.add(took);
    impl.feed->note_step(took);
    impl.feed->timeline()
        .track(impl.feed->consumer_track())
        .stamp(Stage::compute, static_cast<std::uint64_t>(batch.sequence), impl.step_begin_ns, end);
    impl.feed->release(batch);
  }
  ++impl.issued;
}

FeedReport Pipeline::take_report() {
  Impl& impl = *impl_;
  FeedReport report = impl.feed->take_report();
  if (impl.clock) {
    impl.copy->synchronize();
    impl.compute.synchronize();
    impl.clock->account_for_all();
    impl.clock->report(report);
  } else {
    report.step = impl.stepped.step;
    report.step_in_a_row = impl.stepped.step_in_a_row;
    report.computed = report.step.total();
    impl.stepped.step.clear();  // the memory is kept
    impl.stepped.step_in_a_row.clear();
  }
  return report;
}

device::RingState* Pipeline::ring() {
  return reinterpret_cast<device::RingState*>(impl_->state->data());
}

Feed& Pipeline::feed() { return *impl_->feed; }

}  // namespace stoker::feed
