// Sources, from which batches come: what all of them have in common. Most programs use generator(),
// BatchGenerator or array_source(), all of which are Sources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stoker/dtype.h"
#include "stoker/random.h"
#include "stoker/shape.h"

namespace stoker {

// Let Stoker choose (workers, queue sizes).
inline constexpr int AUTOTUNE = -1;

// What to do with a batch in which a generator wrote a NaN.
enum class NanPolicy : std::uint8_t {
  stop,   // DataError, naming batch, field, row and element
  skip,   // do not train on it, warn once, count it; the epoch has a step less
  warn,   // train on it all the same, warn once, count it
  allow,  // do not look
};

// One part of a batch; the shape's first extent is the batch size.
struct Field {
  // "x", "y", "sample_weight", or "x0", "x1", ... where there are several of a kind.
  std::string name{};
  DType dtype = DType::float32;
  Shape shape{};
};

// What one batch holds, in the order in which it lies in a slot.
struct BatchSpec {
  std::vector<Field> inputs{};
  std::vector<Field> targets{};
  // None, one that stands for all targets, or one for each target in their order.
  std::vector<Field> sample_weights{};

  std::size_t field_count() const { return inputs.size() + targets.size() + sample_weights.size(); }
  // The fields in the order inputs, targets, sample_weights. Throws ValueError when there is no
  // such field.
  const Field& field(std::size_t i) const;
  // The numbers of these among all fields. Throw ValueError when there is no such input, target or
  // sample weight.
  std::size_t input_field(std::size_t i) const;
  std::size_t target_field(std::size_t i) const;
  std::size_t sample_weight_field(std::size_t i) const;
  std::int64_t batch_size() const { return inputs.empty() ? 0 : inputs[0].shape[0]; }
};

// Which batch is asked for, and random numbers that belong to it: keyed by (seed, epoch, index), so
// they are the same for any number of workers.
//
// Epochs are the training's. Only where steps_per_epoch splits a source that knows its
// batches_per_epoch are they the source's own: it is passed through to its end first, in as many
// epochs of the training as that takes.
struct BatchContext {
  std::int64_t epoch = 0;     // from 0
  std::int64_t index = 0;     // of the batch within its epoch, from 0
  std::int64_t sequence = 0;  // of the batch in this fit, from 0
  Random random{};
  // Nanoseconds that an adapter (cast) spent on converting this batch; it adds them, the verdict
  // reads them.
  std::int64_t converted_ns = 0;
};

// A place for one batch: writable memory for every field, aligned to 64 bytes. Pinned where the
// device copies from it. Valid during fill() only.
class Slot {
 public:
  Slot(const BatchSpec& spec, std::byte* const* fields) : spec_(&spec), fields_(fields) {}
  const BatchSpec& spec() const { return *spec_; }
  std::byte* field(std::size_t i) const { return fields_[i]; }
  // The elements of a whole field, rows in C order, by the number of the input, target or sample
  // weight. Throw ValueError when the batch has none of that number, DTypeError when T is not the
  // field's element type.
  template <class T>
  std::span<T> x(std::size_t i = 0) const {
    return elements<T>(spec_->input_field(i));
  }
  template <class T>
  std::span<T> y(std::size_t i = 0) const {
    return elements<T>(spec_->target_field(i));
  }
  template <class T>
  std::span<T> sample_weight(std::size_t i = 0) const {
    return elements<T>(spec_->sample_weight_field(i));
  }
  // The same memory for a source whose fields are the first of these.
  Slot with_spec(const BatchSpec& spec) const { return {spec, fields_}; }

 private:
  template <class T>
  std::span<T> elements(std::size_t i) const {
    const Field& field = spec_->field(i);
    require_type(field, dtype_of<T>);
    return {reinterpret_cast<T*>(fields_[i]), static_cast<std::size_t>(field.shape.elements())};
  }
  static void require_type(const Field& field, DType type);

  const BatchSpec* spec_;
  std::byte* const* fields_;
};

namespace device {
class Device;
class Stream;
}  // namespace device

// The half of a source that fills the device's memory itself; most sources have none. See
// stoker/device_source.h.
class DeviceFiller {
 public:
  virtual ~DeviceFiller() = default;
  // Memory that Source::fill() has for this batch in its slot's field 0, and the only memory that
  // it has: fill() says how many rows there are, and may leave a note there.
  virtual std::size_t host_bytes() const { return 0; }
  // The feed calls it before its first batch; several feeds may use the source at a time, each with
  // a stream of its own.
  virtual void prepare(device::Device&, device::Stream&) {}
  // Fills `slot`, which lies on the device, by what it enqueues on `stream`. `host` is what fill()
  // wrote, and stays until that has run.
  virtual void fill_on_device(BatchContext& batch, std::int64_t rows, const std::byte* host,
                              const Slot& slot, device::Stream& stream) = 0;
  // Whether it only enqueues. Where the stream is no CUDA stream it does not: it writes the slot
  // itself before it returns.
  virtual bool enqueues() const = 0;
  // The feed calls it after its last batch, with the stream that prepare() was given.
  virtual void finish(device::Stream&) {}
};

// What kind of source it is, which decides what advice it can follow.
enum class SourceKind : std::uint8_t {
  custom,     // a class of the program's own, derived from BatchGenerator or Source
  function,   // generator()
  coroutine,  // coroutine()
  sequence,
  dataset,
  arrays,  // tensors in memory
  device,  // device_generator()
};

// What messages and the verdict say of a source.
struct SourceTraits {
  SourceKind kind = SourceKind::custom;
  // The code that fills was compiled with optimisation.
  bool is_optimized = true;
};

// A source of batches. fill() is called on a thread of the feed, for one batch after another and
// never by two threads at a time unless pure() says that is safe. It may throw; the exception comes
// out of fit as DataError with the batch's number, the original nested in it.
class Source {
 public:
  virtual ~Source() = default;

  virtual const BatchSpec& spec() const = 0;
  // Writes the batch that `batch` names into `slot`; returns how many rows it wrote. Fewer than the
  // batch size: a short batch. 0: the epoch ended before this batch.
  virtual std::int64_t fill(BatchContext& batch, const Slot& slot) = 0;

  // Batches in an epoch, when that is known beforehand: no more are then asked for.
  virtual std::optional<std::int64_t> batches_per_epoch() const { return std::nullopt; }
  // Whether it never ends: fit then needs steps_per_epoch.
  virtual bool endless() const { return false; }
  // fill() depends on nothing but its arguments and may run on several threads at a time. Where
  // only the source knows how long an epoch is, it may then be asked for a few batches beyond the
  // end: their result is dropped.
  virtual bool pure() const { return false; }
  // Called before the first batch of each epoch, and after the last one has been filled. Between
  // two calls of fill() where epochs_apart() says so; otherwise fills of the epoch before may be
  // under way.
  virtual void begin_epoch(std::int64_t epoch) { (void)epoch; }
  virtual void end_epoch(std::int64_t epoch) { (void)epoch; }
  virtual bool epochs_apart() const { return !pure(); }
  // fit's option `shuffle` is for this source: it may be asked for the batches of an epoch in any
  // order. For sources with batches_per_epoch().
  virtual bool shuffles_batches() const { return false; }
  // Where it is not null, the batches do not come by way of slots of the host.
  virtual DeviceFiller* device_filler() { return nullptr; }

  virtual SourceTraits traits() const { return {}; }
  // The source that an adapter asks, whose state is the one that threads would share. A source that
  // is not pure serves one fit, evaluation or prediction at a time, by itself and in all its
  // adapters.
  virtual const Source& innermost() const { return *this; }
};

}  // namespace stoker
