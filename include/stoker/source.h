// The interface of sources, from which batches come. Most programs use generator(), BatchGenerator
// or array_source(), all of which are Sources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stoker/dtype.h"
#include "stoker/failures.h"
#include "stoker/random.h"
#include "stoker/shape.h"
#include "stoker/source_state.h"

namespace stoker {

// Stands for a number that Stoker is to choose (workers, queue sizes).
inline constexpr int AUTOTUNE = -1;

// What to do with a batch in which a generator wrote a NaN.
enum class NanPolicy : std::uint8_t {
  stop,   // throw a DataError that names batch, field, row and element
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

// The fields of a batch, in the order in which they lie in a slot.
struct BatchSpec {
  std::vector<Field> inputs{};
  std::vector<Field> targets{};
  // There are no weights, one that stands for all targets, or one for each target in their order.
  std::vector<Field> sample_weights{};

  std::size_t field_count() const { return inputs.size() + targets.size() + sample_weights.size(); }
  // Returns field i in the order inputs, targets, sample_weights. Throws ValueError if there is no
  // such field.
  const Field& field(std::size_t i) const;
  // These return the numbers among all fields. They throw ValueError if there is no such input,
  // target or sample weight.
  std::size_t input_field(std::size_t i) const;
  std::size_t target_field(std::size_t i) const;
  std::size_t sample_weight_field(std::size_t i) const;
  std::int64_t batch_size() const { return inputs.empty() ? 0 : inputs[0].shape[0]; }
};

// Names the batch that is asked for, and holds random numbers that belong to it. They are keyed by
// (seed, epoch, index), so that they are the same for any number of workers.
//
// Epochs are the training's, with one exception: if steps_per_epoch splits a source that knows its
// batches_per_epoch, they are the source's own. The source is then passed through to its end first,
// in as many epochs of the training as that takes.
struct BatchContext {
  std::int64_t epoch = 0;     // from 0
  std::int64_t index = 0;     // the batch's number within its epoch, from 0
  std::int64_t sequence = 0;  // the batch's number in this fit, from 0; see RunStart
  Random random{};
  // Nanoseconds that an adapter (cast) spent on converting this batch. The adapter adds them, and
  // the verdict reads them.
  std::int64_t converted_ns = 0;
  // Where a source that passes over elements which fail says so (OnError::skip). It is null where
  // nobody counts them.
  detail::Failures* failures = nullptr;
};

// The place for one batch: writable memory for every field, aligned to 64 bytes, and pinned if the
// device copies from it. It is valid during fill() only.
class Slot {
 public:
  Slot(const BatchSpec& spec, std::byte* const* fields) : spec_(&spec), fields_(fields) {}
  const BatchSpec& spec() const { return *spec_; }
  std::byte* field(std::size_t i) const { return fields_[i]; }
  // These return the elements of a whole field, rows in C order, by the number of the input, target
  // or sample weight. They throw ValueError if the batch has none of that number, DTypeError if T
  // is not the field's element type.
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
  // Returns the same memory for a source whose fields are the first of these.
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

// The part of a source that fills the device's memory itself; most sources have none. See
// stoker/device_source.h.
class DeviceFiller {
 public:
  virtual ~DeviceFiller() = default;
  // Returns the bytes of field 0 of a batch's slot, the only memory that Source::fill() then gets:
  // fill() says how many rows there are, and may leave a note there.
  virtual std::size_t host_bytes() const { return 0; }
  // The feed calls this before its first batch. Several feeds may use the source at a time, each
  // with a stream of its own.
  virtual void prepare(device::Device&, device::Stream&) {}
  // Fills `slot`, which lies on the device, by work that it enqueues on `stream`. `host` is what
  // fill() wrote, and stays until that work has run.
  virtual void fill_on_device(BatchContext& batch, std::int64_t rows, const std::byte* host,
                              const Slot& slot, device::Stream& stream) = 0;
  // Returns whether fill_on_device() only enqueues work. If the stream is no CUDA stream, it does
  // not, but writes the slot itself before it returns.
  virtual bool enqueues() const = 0;
  // The feed calls this after its last batch, with the stream that prepare() was given.
  virtual void finish(device::Stream&) {}
};

// The kind of a source, which determines the advice that it can follow.
enum class SourceKind : std::uint8_t {
  custom,     // a class of the program's own, derived from BatchGenerator or Source
  function,   // generator()
  coroutine,  // coroutine()
  sequence,
  dataset,
  arrays,  // tensors in memory
  device,  // device_generator()
};

// Facts about a source for messages and the verdict.
struct SourceTraits {
  SourceKind kind = SourceKind::custom;
  // True if the code that fills was compiled with optimisation.
  bool is_optimized = true;
};

// What one stage of a source has done since the source was made.
struct StageReport {
  std::string name{};         // what the stage is and its place among the stages: "map 2"
  std::int64_t elements = 0;  // the elements that it has given
  std::uint64_t bytes = 0;    // their size
  double busy = 0.0;          // seconds in the stage's own work, by all threads together
  // Seconds that the stage's own threads waited: for elements of the stage before, and, when they
  // were as far ahead as they may be, for the stage after to take some. Both are 0 for a stage
  // without threads of its own, which works on the thread that asks it.
  double waited_for_input = 0.0;
  double waited_for_room = 0.0;
  int workers = 0;         // threads of its own at present; 0 if it has none
  bool is_tuned = false;   // AUTOTUNE chose their number
  std::int64_t asked = 0;  // how often an element was asked of these threads
  std::int64_t ready = 0;  // elements that were ready then, summed over all times

  // Returns how many elements were ready on average when one was asked for.
  double occupancy() const {
    return asked > 0 ? static_cast<double>(ready) / static_cast<double>(asked) : 0.0;
  }
};

// The place at which a fit, an evaluation or a prediction begins to ask its source for batches.
// Only a fit that goes on where an earlier one stopped begins in the middle: it then asks for the
// same batches, with the same epoch, index and sequence, as if the earlier one had never stopped.
struct RunStart {
  // These are those of the first batch, as BatchContext has them (index before fit's shuffle).
  std::int64_t epoch = 0;
  std::int64_t index = 0;
  std::int64_t sequence = 0;
  std::optional<std::int64_t> steps_per_epoch{};
};

// A source of batches. fill() is called on a thread of the feed, for one batch after another and
// never by two threads at a time unless pure() says that is safe. It may throw; fit then throws a
// DataError with the batch's number, in which the original exception is nested.
class Source {
 public:
  virtual ~Source() = default;

  virtual const BatchSpec& spec() const = 0;
  // Writes the batch that `batch` names into `slot`, and returns how many rows it wrote. Fewer than
  // the batch size make a short batch; 0 means that the epoch ended before this batch.
  virtual std::int64_t fill(BatchContext& batch, const Slot& slot) = 0;

  // Returns the number of batches in an epoch, if it is known beforehand; no more are then asked
  // for.
  virtual std::optional<std::int64_t> batches_per_epoch() const { return std::nullopt; }
  // Returns whether the source never ends; fit then needs steps_per_epoch.
  virtual bool endless() const { return false; }
  // Returns whether fill() depends on nothing but its arguments and may run on several threads at a
  // time. If only the source knows how long an epoch is, it may then be asked for a few batches
  // beyond the end, whose results are dropped.
  virtual bool pure() const { return false; }
  // These are called before the first batch of each epoch that the source is asked for, and after
  // the last one has been filled. If epochs_apart() returns true, no fill() is under way then;
  // otherwise fills of the epoch before may be.
  virtual void begin_epoch(std::int64_t epoch) { (void)epoch; }
  virtual void end_epoch(std::int64_t epoch) { (void)epoch; }
  virtual bool epochs_apart() const { return !pure(); }

  // ---- Going on in the middle ----
  // The feed calls begin_run() before everything else, and then begin_epoch() with the epoch of the
  // first batch, also where that epoch has begun in an earlier fit. All of this happens on the
  // thread that makes the first batch.
  virtual void begin_run(const RunStart& start) { (void)start; }
  // Returns whether the source gives the batch that BatchContext and begin_run() name, whatever it
  // was asked for before. A source that isn't pure may promise that as well, for example one that
  // keeps memory which threads can't share.
  virtual bool resumes_by_number() const { return pure(); }
  // A source whose batches depend on what it did before saves that: it returns true here, and
  // implements both functions below.
  virtual bool saves_state() const { return false; }
  // Appends the source's state to `state`, which is empty. The feed calls this after each fill(),
  // also after one that returned 0, on the same thread, and keeps the state with that batch, since
  // it reads ahead of the training. Of a pure source it is called by several threads at a time, as
  // fill() is; that suits one whose state changes where epochs begin and end only.
  // stoker/source_state.h writes and reads values.
  virtual void save_state(std::vector<std::byte>& state) { (void)state; }
  // Makes the next fill() go on from a state that save_state() wrote after some batch, in this
  // program or another one. The feed calls this after begin_epoch() with that batch's epoch; if the
  // next batch is one of the next epoch, end_epoch() and begin_epoch() follow. An exception is a
  // DataError of the first batch.
  virtual void load_state(std::span<const std::byte> state) { (void)state; }

  // Returns whether fit's option `shuffle` applies: the source may be asked for the batches of an
  // epoch in any order. It is for sources with batches_per_epoch().
  virtual bool shuffles_batches() const { return false; }
  // Returns the source's DeviceFiller. If it is not null, batches do not pass through slots of the
  // host.
  virtual DeviceFiller* device_filler() { return nullptr; }

  virtual SourceTraits traits() const { return {}; }
  // Returns what the source's stages have done so far, from the first to the last; nothing if it
  // has none. Any thread may call it, while others fill.
  virtual std::vector<StageReport> stages() const { return {}; }
  // Returns the source that an adapter asks, whose state is the one that threads would share. A
  // source that is not pure serves one fit, evaluation or prediction at a time, by itself and in
  // all its adapters.
  virtual const Source& innermost() const { return *this; }
};

}  // namespace stoker
