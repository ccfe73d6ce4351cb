// Batches for any loop: what fit() has inside, for a loop of one's own.
//
//   for (const BatchView& batch : stream(source, {.epochs = 3, .workers = AUTOTUNE})) {
//     consume(batch.x<float>(), batch.y<std::int32_t>());  // spans into the slot
//   }
//
// Threads fill the slots of a ring ahead of the loop, as for fit: any source, any number of workers
// with the same batches in the same order, timeouts, NaN policy, Ctrl-C, verdict and trace. With a
// device that has memory of its own, batches are uploaded beside the work that the loop enqueues.
//
//   Loader loader = stream(source, {.workers = 4});
//   for (const BatchView& batch : loader) { ... }
//   std::cout << loader.verdict();
//
// A Dataset's batches also come apart into their components:
//
//   for (const auto& [images, labels] : stream(batches, {.workers = 4})) ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "stoker/dataset.h"
#include "stoker/device.h"
#include "stoker/generator.h"
#include "stoker/interrupt.h"
#include "stoker/layers/layer.h"
#include "stoker/report.h"

namespace stoker {

// The order of the members matters to callers, because designated initialisers must follow it.
// Those that fit() has too mean the same there.
struct StreamOptions {
  // The number of batches in an epoch. Without it an epoch ends where the source ends it, and that
  // of a source which never ends goes on for ever.
  std::optional<std::int64_t> steps_per_epoch{};
  std::int64_t epochs = 1;
  bool shuffle = false;    // Shuffles the batches of a Sequence in each epoch.
  std::uint64_t seed = 0;  // The random numbers that generators and Datasets draw.
  // The number of batches that are made ahead of the loop. Without one it is 10, or fewer if they
  // are large: as many as take 32 MB, but at least 2.
  std::optional<int> max_queue_size{};
  int workers = 1;
  int max_workers = 64;
  // Where the batches are wanted. On a device with memory of its own they are there and in the
  // host's memory.
  Device device = Device::cpu();
  NanPolicy nan_policy = NanPolicy::stop;
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
  double generator_timeout = 0.0;
  std::int64_t max_state_bytes = 65536;
  // Ctrl-C ends the loop at its next turn. OnInterrupt::exit ends the program then.
  OnInterrupt on_interrupt = OnInterrupt::exit;
  std::string trace{};  // The file for a trace, which is written when the last batch has been used.
};

namespace detail {
struct CurrentBatch;
struct LoaderAccess;
}  // namespace detail

// A batch of a Loader, in its slot. It is valid until the loop's next turn: every method throws
// ValueError after that. Spans and pointers are not valid any longer either, but can't say so.
class BatchView {
 public:
  const BatchSpec& spec() const;
  std::int64_t rows() const;      // The last batch of an epoch may have fewer than the others.
  std::int64_t epoch() const;     // From 0.
  std::int64_t index() const;     // The batch's number in its epoch, from 0.
  std::int64_t sequence() const;  // The batch's number in all, from 0.

  // These return the elements of a field in the host's memory, rows in C order, as many rows as
  // there are; the loop may write there too. They throw ValueError if the batch has no field of
  // that number, or was made on the device; DTypeError if T is not the field's element type.
  template <class T>
  std::span<T> x(std::size_t i = 0) const {
    return elements<T>(spec().input_field(i), Place::host);
  }
  template <class T>
  std::span<T> y(std::size_t i = 0) const {
    return elements<T>(spec().target_field(i), Place::host);
  }
  template <class T>
  std::span<T> sample_weight(std::size_t i = 0) const {
    return elements<T>(spec().sample_weight_field(i), Place::host);
  }

  // These return the same fields in the device's memory, for work that the loop enqueues on
  // cuda_stream() before its next turn. On the CPU that is the host's memory.
  template <class T>
  std::span<T> device_x(std::size_t i = 0) const {
    return elements<T>(spec().input_field(i), Place::device);
  }
  template <class T>
  std::span<T> device_y(std::size_t i = 0) const {
    return elements<T>(spec().target_field(i), Place::device);
  }
  template <class T>
  std::span<T> device_sample_weight(std::size_t i = 0) const {
    return elements<T>(spec().sample_weight_field(i), Place::device);
  }
  // Returns the cudaStream_t on which the batch is there; null on other devices.
  void* cuda_stream() const;

 private:
  friend struct detail::LoaderAccess;
  enum class Place : std::uint8_t { host, device };
  struct Memory {
    std::byte* data;
    std::size_t elements;
  };

  // Throws if the loop has had its next turn.
  const detail::CurrentBatch& current() const;
  Memory memory(std::size_t field, DType type, Place place) const;
  template <class T>
  std::span<T> elements(std::size_t field, Place place) const {
    const Memory found = memory(field, dtype_of<T>, place);
    return {reinterpret_cast<T*>(found.data), found.elements};
  }

  std::shared_ptr<const detail::CurrentBatch> batch_;
  std::uint64_t turn_ = 0;
};

// Gives the batches of a source, one after another. One thread uses a Loader, the one that made it;
// its own threads begin with the first batch, and end with the last one or in the destructor.
//
// A loop that was left early goes on with the batch after, in another loop over the same Loader.
class Loader {
 public:
  // Throws ValueError for options out of range.
  explicit Loader(SourceHandle source, StreamOptions options = {});
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;
  ~Loader();

  // Ends the turn of the batch before, and returns the next one, or null after the last epoch. It
  // throws DataError for what the source threw, for a NaN and for a timeout, with the number of the
  // batch, and Interrupted. After an error the Loader gives no more batches, but its state()
  // remains, from which another one may go on.
  const BatchView* next();
  // The same, but also returns null at the end of each epoch.
  const BatchView* next_of_epoch();

  // Iterates over next() or next_of_epoch().
  class Iterator {
   public:
    using value_type = BatchView;
    using difference_type = std::ptrdiff_t;
    Iterator(Loader& loader, bool one_epoch) : loader_(&loader), one_epoch_(one_epoch) { ++*this; }
    const BatchView& operator*() const { return *batch_; }
    const BatchView* operator->() const { return batch_; }
    Iterator& operator++() {
      batch_ = one_epoch_ ? loader_->next_of_epoch() : loader_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& at, std::default_sentinel_t) {
      return at.batch_ == nullptr;
    }

   private:
    Loader* loader_;
    bool one_epoch_;
    const BatchView* batch_ = nullptr;
  };
  class Epoch {
   public:
    explicit Epoch(Loader& loader) : loader_(&loader) {}
    Iterator begin() const { return {*loader_, true}; }
    std::default_sentinel_t end() const { return {}; }

   private:
    Loader* loader_;
  };
  // A Loader whose epochs are over begins as many again, which have other numbers and so other
  // orders.
  Iterator begin() {
    begin_again();
    return {*this, false};
  }
  std::default_sentinel_t end() const { return {}; }
  // The batches of the present epoch, or of the next one if that is over:
  //
  //   while (!loader.is_done()) {
  //     for (const BatchView& batch : loader.epoch()) ...
  //     validate();
  //   }
  Epoch epoch() { return Epoch(*this); }
  // Returns whether there are no more epochs.
  bool is_done() const;

  // ---- Going on later ----
  // Returns the place after the batch of the last turn, 68 bytes and what the source saves
  // (Source::save_state()). Throws ValueError, which says why, for a source that can't go on from a
  // place exactly. It is what checkpoints keep of a fit's feed.
  std::vector<std::byte> state() const;
  // Goes on from the place of a state, of this Loader or another one over the same source, in this
  // process or a later one, with any number of workers. Throws ValueError, and changes nothing, for
  // a state of another source or version, or that is damaged.
  void restore(std::span<const std::byte> state);

  // ---- What it measured ----
  // Returns how the time since the first batch divides: what the loop does with a batch counts as
  // the step.
  FeedReport report() const;
  // Returns the same and begins to measure anew.
  FeedReport take_report();
  // Returns report().verdict().
  std::string verdict() const;

  const BatchSpec& spec() const;
  const Device& device() const;
  int workers() const;  // Those that fill at present; 0 while there are none.

 private:
  void begin_again();

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// ---- Datasets ----
// A batch that also comes apart into the components of the Dataset.
template <class... T>
class DatasetBatch : public BatchView {
 public:
  explicit DatasetBatch(const BatchView& batch) : BatchView(batch) {}
  template <std::size_t I>
  std::span<std::tuple_element_t<I, std::tuple<T...>>> get() const;
};

// A Loader whose batches are DatasetBatches.
template <class... T>
class DatasetLoader : public Loader {
 public:
  using Loader::Loader;

  class Iterator {
   public:
    using value_type = DatasetBatch<T...>;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Loader::Iterator at) : at_(at) { take(); }
    const value_type& operator*() const { return *batch_; }
    Iterator& operator++() {
      ++at_;
      take();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& at, std::default_sentinel_t end) {
      return at.at_ == end;
    }

   private:
    void take() {
      batch_.reset();
      if (at_ != std::default_sentinel) batch_.emplace(*at_);
    }
    Loader::Iterator at_;
    std::optional<value_type> batch_;
  };
  class Epoch {
   public:
    explicit Epoch(Loader& loader) : loader_(&loader) {}
    Iterator begin() const { return Iterator(Loader::Iterator(*loader_, true)); }
    std::default_sentinel_t end() const { return {}; }

   private:
    Loader* loader_;
  };
  Iterator begin() { return Iterator(Loader::begin()); }
  Epoch epoch() { return Epoch(*this); }
};

// Make a Loader. A Dataset draws its random numbers from the options' seed.
inline Loader stream(SourceHandle source, StreamOptions options = {}) {
  return Loader(std::move(source), std::move(options));
}
template <class... T>
DatasetLoader<T...> stream(const Dataset<T...>& dataset, StreamOptions options = {}) {
  SourceHandle source = dataset.source(options.seed);
  return DatasetLoader<T...>(std::move(source), std::move(options));
}

// Has a Normalization begin with the mean and variance of the source's first inputs. Without
// steps_per_epoch the source has to end. Throws as the adapt() of a tensor (stoker/layers.h), and
// what a Loader throws.
void adapt(const Layer& normalization, SourceHandle source, StreamOptions options = {});

}  // namespace stoker

#include "stoker/detail/loader.h"  // what the templates above do
