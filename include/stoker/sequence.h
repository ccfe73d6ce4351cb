// Sequences: batches that can be asked for by number, in any order and by several threads. Keras
// calls them PyDataset.
#pragma once

#include <cstdint>
#include <optional>

#include "stoker/generator.h"

namespace stoker {

// The class to derive from:
//
//   class Faces : public Sequence<std::uint8_t, std::int32_t> {
//    public:
//     Faces() : Sequence({.x = {32, 64, 64, 3}, .y = {32}}) {}
//     std::int64_t size() const override { return 313; }  // batches in an epoch
//     std::int64_t fill(BatchContext& batch, std::span<std::uint8_t> x,
//                       std::span<std::int32_t> y) override {
//       ...;  // batch.index is the batch's number, in [0, size())
//       return 32;
//     }
//   };
//
// Up to `workers` threads call fill() at a time, each with memory of its own; fill() itself has to
// guard whatever else it changes. With `shuffle` of fit, true by default, the batches have another
// order in each epoch. size() must stay the same while a fit runs.
template <class... T>
class Sequence : public BatchGenerator<T...> {
 public:
  using BatchGenerator<T...>::BatchGenerator;

  virtual std::int64_t size() const = 0;
  // These are called around each epoch, while no thread is in fill(), for example to reshuffle the
  // data that fill() reads. Since the feed reads ahead, the step may still be at batches of the
  // epoch that has ended. A fit that goes on where an earlier one stopped calls on_epoch_begin()
  // for the epoch in which it begins, but for none before it: a Sequence whose order depends on
  // earlier epochs has to save it (Source::saves_state()).
  virtual void on_epoch_begin() {}
  virtual void on_epoch_end() {}

  std::optional<std::int64_t> batches_per_epoch() const final { return size(); }
  bool pure() const final { return true; }
  bool epochs_apart() const final { return true; }
  bool shuffles_batches() const final { return true; }
  void begin_epoch(std::int64_t) final { on_epoch_begin(); }
  void end_epoch(std::int64_t) final { on_epoch_end(); }
  SourceTraits traits() const override { return this->traits_of(SourceKind::sequence); }
};

}  // namespace stoker
