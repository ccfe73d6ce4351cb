// Single steps by train_on_batch and its like, without a feed.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "core/format.h"
#include "core/timeline.h"
#include "device/ring_state.h"
#include "stoker/error.h"
#include "train/loader/current_batch.h"
#include "train/loop/collected.h"
#include "train/model_impl.h"

namespace stoker {

using train::Mode;

namespace {

bool same_batches(const BatchSpec& a, const BatchSpec& b) {
  if (a.field_count() != b.field_count() || a.inputs.size() != b.inputs.size() ||
      a.sample_weights.size() != b.sample_weights.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.field_count(); ++i) {
    if (a.field(i).dtype != b.field(i).dtype || !(a.field(i).shape == b.field(i).shape)) {
      return false;
    }
  }
  return true;
}

// The fields of a batch of these tensors: "x", or "x0", "x1" where there are several.
std::vector<Field> fields_of(const char* name, const std::vector<const Tensor*>& tensors) {
  std::vector<Field> fields;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    fields.push_back(
        {tensors.size() == 1 ? name : format(name, i), tensors[i]->dtype(), tensors[i]->shape()});
  }
  return fields;
}

BatchSpec batch_of(const train::Arrays& arrays, const char* what) {
  BatchSpec spec{fields_of("x", arrays.inputs), fields_of("y", arrays.targets),
                 fields_of("sample_weight", arrays.sample_weights)};
  if (spec.inputs.empty()) throw ShapeError(format(what, ": expected x, received none"));
  std::string shapes;
  bool fits = true;
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const Field& field = spec.field(i);
    const bool has_rows = field.shape.rank() > 0;
    fits = fits && has_rows && spec.inputs[0].shape.rank() > 0 &&
           field.shape[0] == spec.inputs[0].shape[0];
    shapes += format(i > 0 ? ", " : "", field.name, " ", field.shape);
  }
  if (!fits) {
    throw ShapeError(
        format(what, ": expected as many rows of x, y and sample_weight, received ", shapes));
  }
  return spec;
}

std::vector<const Tensor*> all_of(const train::Arrays& arrays) {
  std::vector<const Tensor*> all = arrays.inputs;
  all.insert(all.end(), arrays.targets.begin(), arrays.targets.end());
  all.insert(all.end(), arrays.sample_weights.begin(), arrays.sample_weights.end());
  return all;
}

}  // namespace

void Model::Impl::fill_staged(const train::Plan& step, const BatchSpec& spec,
                              const feed::SlotLayout& layout,
                              const std::vector<const Tensor*>& tensors) {
  if (!staging || !same_batches(staging->spec, spec)) stage(step, spec, layout);
  std::byte* block = staging->host->data();
  new (block) device::SlotHeader{staging->batches++, spec.batch_size()};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::memcpy(block + layout.offsets[i], tensors[i]->raw(), tensors[i]->bytes());
  }
  if (staging->device) {
    state.stream().copy_to_device(staging->device->data(), block, layout.bytes);
  }
}

Logs Model::Impl::run_on_batch(Mode mode, const Tensors& x, const Tensors& y,
                               const Tensors& sample_weight) {
  const std::int64_t begin = now_ns();
  const char* what = mode == Mode::train ? "train_on_batch" : "test_on_batch";
  require_compiled(what);
  const train::Arrays given = arrays(x, y, sample_weight, what);
  const BatchSpec spec = batch_of(given, what);
  const feed::SlotLayout layout(spec);
  const std::shared_ptr<train::Plan> kept = plan(mode, spec, layout.offsets, spec.batch_size());
  train::Plan& step = *kept;
  fill_staged(step, spec, layout, all_of(given));
  state.reset_metrics();
  const train::StepPlace place{0, static_cast<std::int64_t>(state.read_scalars().step)};
  run(step, reinterpret_cast<device::RingState*>(staging->ring->data()), place);
  check(step, place);
  Logs logs = read_logs();
  if (mode == Mode::train) note_on_batch(begin, spec.batch_size());
  return logs;
}

std::vector<Tensor> Model::Impl::predict_on_batch(const Tensors& x) {
  const train::Arrays given = arrays(x, {}, {}, "predict_on_batch");
  const BatchSpec spec = batch_of(given, "predict_on_batch");
  const feed::SlotLayout layout(spec);
  const std::shared_ptr<train::Plan> step =
      plan(Mode::predict, spec, layout.offsets, spec.batch_size());
  fill_staged(*step, spec, layout, given.inputs);
  run(*step, reinterpret_cast<device::RingState*>(staging->ring->data()), {});
  train::Collected collected(network.topology());
  collected.take(*step, spec.batch_size(), state.stream());
  check(*step, {});
  return collected.tensors();
}

// Makes the plan for a batch that lies in a slot, and lets the next step find it there.
std::shared_ptr<train::Plan> Model::Impl::prepare_view(Mode mode, const BatchView& view,
                                                       const char* what) {
  const detail::CurrentBatch& batch = detail::LoaderAccess::batch(view);
  device::Device& device = state.device();
  if (batch.on != &device && !(batch.on->reads_host_memory() && device.reads_host_memory())) {
    throw ValueError(format(what, ": expected a batch on the model's device, ", device.name(),
                            ", received one on ", batch.on->name(),
                            ". stream(source, {.device = ...}) takes the device"));
  }
  std::shared_ptr<train::Plan> step = plan(mode, batch.spec, batch.layout.offsets, batch.rows);
  device::RingState ring;
  ring.blocks[0] = batch.device;
  const device::SlotHeader header{ring.cursor, batch.rows};
  if (!view_ring) view_ring = device.allocate(sizeof(device::RingState));
  device::Stream& stream = state.stream();
  if (batch.stream != &stream && !device.reads_host_memory()) {
    if (!view_ready) view_ready = device.make_event();
    batch.stream->record(*view_ready);
    stream.wait(*view_ready);
  }
  stream.write(batch.device, std::as_bytes(std::span(&header, 1)));
  const auto bytes = std::as_bytes(std::span(&ring, 1));
  constexpr std::size_t kUsed = offsetof(device::RingState, blocks) + sizeof(std::byte*);
  for (std::size_t at = 0; at < kUsed; at += device::Stream::kMostWritten) {
    stream.write(view_ring->data() + at,
                 bytes.subspan(at, std::min(device::Stream::kMostWritten, kUsed - at)));
  }
  return step;
}

Logs Model::Impl::run_on_batch(Mode mode, const BatchView& view) {
  const std::int64_t begin = now_ns();
  const char* what = mode == Mode::train ? "train_on_batch" : "test_on_batch";
  require_compiled(what);
  const std::shared_ptr<train::Plan> step = prepare_view(mode, view, what);
  state.reset_metrics();
  const train::StepPlace place{0, static_cast<std::int64_t>(state.read_scalars().step)};
  run(*step, reinterpret_cast<device::RingState*>(view_ring->data()), place);
  check(*step, place);
  Logs logs = read_logs();
  if (mode == Mode::train) note_on_batch(begin, view.rows());
  return logs;
}

std::vector<Tensor> Model::Impl::predict_on_batch(const BatchView& view) {
  const std::shared_ptr<train::Plan> step = prepare_view(Mode::predict, view, "predict_on_batch");
  run(*step, reinterpret_cast<device::RingState*>(view_ring->data()), {});
  train::Collected collected(network.topology());
  collected.take(*step, view.rows(), state.stream());
  check(*step, {});
  return collected.tensors();
}

// Between two calls nothing is generated ahead, so the device waits for the caller.
void Model::Impl::note_on_batch(std::int64_t begin_ns, std::int64_t rows) {
  const std::int64_t end = now_ns();
  const auto seconds = [](std::int64_t ns) { return 1e-9 * static_cast<double>(ns); };
  if (on_batch_end_ns > 0) {
    const std::int64_t waited = begin_ns - on_batch_end_ns;
    on_batch.generate.add(waited);
    on_batch.waited_for_generator += seconds(waited);
  }
  on_batch.step.add(end - begin_ns);
  on_batch.computed += seconds(end - begin_ns);
  ++on_batch.batches;
  on_batch.samples += rows;
  on_batch_end_ns = end;
}

FeedReport Model::Impl::take_on_batch_report() {
  FeedReport report = std::exchange(on_batch, FeedReport{});
  on_batch_end_ns = 0;
  report.by_hand = true;
  report.generated = report.waited_for_generator;
  report.wall = report.waited_for_generator + report.computed;
  report.queue_size = 0;
  return report;
}

// Staging is a ring of one slot.
void Model::Impl::stage(const train::Plan& step, const BatchSpec& spec,
                        const feed::SlotLayout& layout) {
  device::Device& device = state.device();
  staging.reset();  // The old memory is freed before new memory is allocated.
  train::Staging fresh;
  fresh.spec = spec;
  fresh.host = device::allocate_staging(device, layout.bytes);
  try {
    if (!device.reads_host_memory()) fresh.device = device.allocate(layout.bytes);
    fresh.ring = device.allocate(sizeof(device::RingState));
  } catch (const device::OutOfMemory& error) {
    throw_out_of_memory(step, error.what());
  }
  device::RingState ring;
  ring.blocks[0] = fresh.device ? fresh.device->data() : fresh.host->data();
  state.stream().copy_to_device(fresh.ring->data(), reinterpret_cast<const std::byte*>(&ring),
                                sizeof(ring));
  state.stream().synchronize();
  staging = std::move(fresh);
}

}  // namespace stoker
