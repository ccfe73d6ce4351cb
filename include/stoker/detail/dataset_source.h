// A Dataset of batches as a source of batches.
// Programs include stoker/dataset.h.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "stoker/detail/dataset_core.h"
#include "stoker/generator.h"

namespace stoker::detail {

// Returns which of a batch's components are inputs, targets and sample weights; 0 stands for one.
// Throws as Dataset::source() does.
BatchShapes batch_shapes(std::span<const Shape> components, std::size_t inputs,
                         std::size_t targets);

// Batches are asked for by number, by any worker, if the data set allows that, and otherwise one
// after another.
template <class... T>
class DatasetSource final : public BatchGenerator<T...> {
 public:
  using BatchGenerator<T...>::fill;
  DatasetSource(StagePtr<T...> stage, const BatchShapes& shapes, std::uint64_t seed)
      : BatchGenerator<T...>(shapes), stage_(std::move(stage)), seed_(seed) {}

  std::int64_t fill(BatchContext& batch, std::span<T>... fields) override {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      Sinks<T...> out{Sink<T>(fields, stage_->shapes()[I])...};
      if (pure()) {
        const std::int64_t count = stage_->cardinality();
        if (count == kInfinite) {
          // There is one pass, which steps_per_epoch cuts into epochs.
          stage_->get({seed_, 0}, batch.sequence, out);
        } else if (batch.index < count) {
          stage_->get({seed_, batch.epoch}, batch.index, out);
        } else {
          return std::int64_t{0};
        }
      } else if (!next(batch, out)) {
        return std::int64_t{0};
      }
      // All fields must have the same number of rows. Otherwise training would use rows that the
      // memory held before.
      const std::int64_t rows = std::get<0>(out).rows();
      (require_rows(rows, std::get<0>(out), std::get<I>(out)), ...);
      return rows >= 0 ? rows : this->spec().batch_size();
    }
    (std::index_sequence_for<T...>{});
  }
  bool pure() const override { return stage_->is_random_access(); }
  bool resumes_by_number() const override { return true; }
  // Several feeds may use a pure source at a time, which needs no place to begin.
  void begin_run(const RunStart& start) override {
    if (!pure()) start_ = start;
  }
  bool endless() const override { return stage_->cardinality() == kInfinite; }
  std::optional<std::int64_t> batches_per_epoch() const override {
    const std::int64_t count = stage_->cardinality();
    return count >= 0 ? std::optional(count) : std::nullopt;
  }
  SourceTraits traits() const override { return this->traits_of(SourceKind::dataset); }

 private:
  template <class First, class Other>
  static void require_rows(std::int64_t rows, const Sink<First>& first, const Sink<Other>& other) {
    if (other.rows() != rows) throw_different_rows("batch", first.shape(), other.shape());
  }

  bool next(const BatchContext& batch, Sinks<T...>& out) {
    if (start_ || batch.sequence == 0) {
      begin_at(start_.value_or(RunStart{.epoch = batch.epoch}), out);
    } else if (!cursor_ || (batch.index == 0 && has_length_)) {
      // If steps_per_epoch cuts a pass into epochs, the pass goes on. Another pass of known length
      // begins anew.
      cursor_.reset();
      cursor_ = stage_->begin({seed_, endless() ? 0 : batch.epoch});
    }
    return cursor_->next(out) || end();
  }
  // Begins a run, which may be in the middle of a pass.
  void begin_at(const RunStart& start, Sinks<T...>& out) {
    start_.reset();
    cursor_.reset();
    // The length counts as known if it was when the run began, since a cache learns its length on
    // the way.
    has_length_ = stage_->cardinality() >= 0;
    std::int64_t epoch = start.epoch;
    std::int64_t first = start.index;
    if (endless()) {
      epoch = 0;
      first = start.sequence;
    } else if (!has_length_ && start.steps_per_epoch) {
      // All epochs divide one pass, which is that of the epoch with the first batch.
      epoch -= larger_of<std::int64_t>(0, start.sequence - start.index) / *start.steps_per_epoch;
      first = start.sequence;
    } else {
      settle(epoch, out);
    }
    cursor_ = stage_->begin({seed_, epoch}, first);
  }
  // Makes earlier passes again until every cache holds what they would have filled it with.
  void settle(std::int64_t epoch, Sinks<T...>& out) const {
    const std::int64_t length = stage_->cardinality();
    for (std::int64_t pass = 0; pass < epoch && !stage_->is_settled(); ++pass) {
      const auto cursor = stage_->begin({seed_, pass});
      for (std::int64_t i = 0; (!has_length_ || i < length) && cursor->next(out); ++i) {
      }
    }
  }
  bool end() {
    cursor_.reset();
    return false;
  }

  const StagePtr<T...> stage_;
  const std::uint64_t seed_;
  std::optional<RunStart> start_;  // until the first batch of a run
  std::unique_ptr<Cursor<T...>> cursor_;
  bool has_length_ = false;
};

}  // namespace stoker::detail
