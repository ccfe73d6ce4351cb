#include "feed/upload/pipeline.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "feed/tuning/starvation.h"
#include "feed/tuning/tuner.h"
#include "feed/upload/device_clock.h"
#include "stoker/error.h"

namespace stoker::feed {

namespace {

const std::byte* bytes_of(const void* data) { return static_cast<const std::byte*>(data); }

}  // namespace

struct Pipeline::Impl {
  // Everything that may be refused comes before the feed is made, since that asks the source for
  // batches at once.
  Impl(std::shared_ptr<Source> source, const FeedOptions& feed_options, device::Device& on,
       device::Stream& steps)
      : options(feed_options),
        device(on),
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
    feed.emplace(std::move(source), options, device,
                 [this](const Feed::Wait& wait) { observe(wait); });
    tuner.emplace(*feed, options, device.reads_host_memory() ? 0 : kDeviceSlots);
    if (copy) {
      // A batch's pinned slot is free for another once its upload has passed, and that waited for
      // the step that read the device slot before.
      const int in_flight = feed->ring_size() + kDeviceSlots + 2;
      const std::size_t track = feed->consumer_track() + 1;
      clock.emplace(device, *copy, compute, feed->timeline().track(track),
                    feed->timeline().track(track + 1), in_flight);
      uploading.resize(static_cast<std::size_t>(in_flight));
    }
    // The first step that follows another at once may be any; none may allocate.
    for (DurationHistogram* steps_took : {&stepped.step, &stepped.step_in_a_row, &durations.step}) {
      steps_took->reserve();
    }
  }

  // ---- Epochs, tuning, and the watch for a step or a device that starves ----

  void begin_epoch() {
    const std::int64_t now = now_ns();
    in_epoch = true;
    starvation.begin_epoch(now);
    tuner->begin_epoch(now);
    if (clock) clock->begin_epoch(now);
  }

  // Waits for the steps that are under way, one by one, so that the user is also warned of a device
  // that starves after the last launch.
  void end_epoch() {
    const std::int64_t now = now_ns();
    tuner->end_epoch(now);
    while (clock && clock->wait_for_oldest()) warn_if_device_starves(clock->done_ns());
    starvation.end_epoch(clock ? clock->done_ns() : now);
    in_epoch = false;
  }

  void tune() {
    if (tuner->count_batch()) tuner->decide(clock ? clock->durations() : durations);
  }

  // The feed waits for a batch, or has just waited for one. A device of its own may have work left
  // meanwhile; where the step reads the feed's slots, it is the step that waits.
  void observe(const Feed::Wait& wait) {
    if (clock) return poll_device(wait.now_ns);
    const std::int64_t waited = wait.now_ns - wait.begin_ns;
    if (wait.is_over) starvation.add(Starvation::Stage::generator, waited);
    warn_if_starving("the step", wait.now_ns, wait.is_over ? 0 : waited);
  }

  void poll_device(std::int64_t now) {
    if (clock->poll(now)) warn_if_device_starves(now);
  }

  void warn_if_device_starves(std::int64_t now) {
    starvation.add(clock->take_waits());
    warn_if_starving("the device", now, clock->idle_ns(now));
  }

  // Warns once. `waiting_ns` is how long the wait has lasted that is under way.
  void warn_if_starving(const char* who, std::int64_t now, std::int64_t waiting_ns) {
    if (warned_of_starvation) return;
    const std::optional<Starvation::Found> found = starvation.check(now, waiting_ns);
    if (!found) return;
    warned_of_starvation = true;
    std::string text = warning_of(*found, who);
    if (found->stage == Starvation::Stage::generator) text += " (" + feed->describe_next() + ")";
    options.give_warning(text);
  }

  // Adds the tuner's, and the device's or the step's side to a report of the feed's.
  void add_device_to(FeedReport& report) const {
    tuner->report(report);
    if (clock) return clock->report(report);
    report.step = stepped.step;
    report.step_in_a_row = stepped.step_in_a_row;
    report.computed = report.step.total();
  }

  // ---- Uploads ----

  Batch& uploading_at(std::uint64_t batch) { return uploading[batch % uploading.size()]; }

  void upload(const Batch& batch) {
    clock->make_room(issued);
    poll_device(now_ns());
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

  // The source's DeviceFiller fills the batch on the device.
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

  // The constructor calls the filler's prepare(), the destructor its finish().
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

  const FeedOptions options;
  device::Device& device;
  device::Stream& compute;
  const BatchSpec spec;
  DeviceFiller* const filler;          // null if batches are uploaded
  const SlotLayout layout;             // the layout of the device's slots
  const std::shared_ptr<Source> kept;  // outlives what follows
  std::optional<Feed> feed;
  std::optional<Tuner> tuner;
  Starvation starvation;
  bool warned_of_starvation = false;
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
  std::int64_t consumed_ns = 0;  // the time of the last consumed()
  StageDurations durations;      // of its steps
  FeedReport stepped;            // its steps since the last report
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
  if (!impl.in_epoch) impl.begin_epoch();
  if (impl.copy) impl.release_uploaded();
  std::optional<Batch> batch = impl.feed->next();
  if (!batch) {
    impl.end_epoch();
    return batch;
  }
  impl.tune();
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

std::int64_t Pipeline::consumed_ns() const { return impl_->consumed_ns; }

void Pipeline::consumed(const Batch& batch) {
  Impl& impl = *impl_;
  if (impl.copy) {
    impl.compute.record(impl.clock->stepped(impl.issued));
    impl.clock->launched(impl.issued);
    impl.consumed_ns = now_ns();
  } else {
    const std::int64_t end = now_ns();
    impl.consumed_ns = end;
    const std::int64_t took = end - impl.step_begin_ns;
    impl.stepped.step.add(took);
    if (!batch.was_awaited) impl.stepped.step_in_a_row.add(took);
    impl.durations.step.add(took);
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
  }
  impl.add_device_to(report);
  if (impl.clock) {
    impl.clock->forget_reported();
  } else {
    impl.stepped.step.clear();  // the memory is kept
    impl.stepped.step_in_a_row.clear();
  }
  return report;
}

FeedReport Pipeline::report_so_far() const {
  FeedReport report = impl_->feed->report_so_far();
  impl_->add_device_to(report);
  return report;
}

Position Pipeline::position() const { return impl_->feed->position(); }

device::RingState* Pipeline::ring() {
  return reinterpret_cast<device::RingState*>(impl_->state->data());
}

std::byte* Pipeline::device_block(const Batch& batch) {
  Impl& impl = *impl_;
  if (impl.blocks.empty()) return batch.block;
  return impl.blocks[impl.issued % impl.blocks.size()]->data();
}

Feed& Pipeline::feed() { return *impl_->feed; }

}  // namespace stoker::feed
