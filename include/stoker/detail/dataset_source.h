// A Dataset of batches as a source of batches.
// Programs include stoker/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

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
      : BatchGenerator<T...>(shapes),
        stage_(std::move(stage)),
        seed_(seed),
        has_threads_(stage_->threads_so_far() != 0),
        moves_up_(stage_->any_moves_up()),
        stats_(*stage_) {}

  std::int64_t fill(BatchContext& batch, std::span<T>... fields) override {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      Sinks<T...> out{Sink<T>(fields, stage_->shapes()[I])...};
      if (!(pure() ? get(batch, out) : next(batch, out))) return std::int64_t{0};
      // All fields must have the same number of rows. Otherwise training would use rows that the
      // memory held before.
      const std::int64_t rows = std::get<0>(out).rows();
      (require_rows(rows, std::get<0>(out), std::get<I>(out)), ...);
      return rows >= 0 ? rows : this->spec().batch_size();
    }
    (std::index_sequence_for<T...>{});
  }
  // Where a stage has threads of its own, elements go through it in order.
  bool pure() const override { return !has_threads_ && stage_->is_random_access(); }
  bool resumes_by_number() const override { return true; }
  // The state is how many elements each stage has passed over in this pass.
  bool saves_state() const override { return moves_up_; }
  void save_state(std::vector<std::byte>& state) override { skipped_.save(state); }
  void load_state(std::span<const std::byte> state) override { skipped_.load(state); }
  // Several feeds may use a pure source at a time, which needs no place to begin.
  void begin_run(const RunStart& start) override {
    if (pure()) return;
    start_ = start;
    skipped_.clear();
  }
  bool endless() const override { return stage_->cardinality() == kInfinite; }
  std::optional<std::int64_t> batches_per_epoch() const override {
    const std::int64_t count = stage_->cardinality();
    return count >= 0 ? std::optional(count) : std::nullopt;
  }
  SourceTraits traits() const override { return this->traits_of(SourceKind::dataset); }
  std::vector<StageReport> stages() const override { return stats_.report(); }

 private:
  template <class First, class Other>
  static void require_rows(std::int64_t rows, const Sink<First>& first, const Sink<Other>& other) {
    if (other.rows() != rows) throw_different_rows("batch", first.shape(), other.shape());
  }

  // Makes a batch by its number. Several threads do so at a time.
  bool get(BatchContext& batch, Sinks<T...>& out) {
    StageClock clock;
    const bool is_sample = sample_.wants();
    if (is_sample) clock.start();
    const std::int64_t count = stage_->cardinality();
    Failures uncounted;
    Pass pass{.seed = seed_,
              .epoch = batch.epoch,
              .failures = batch.failures != nullptr ? batch.failures : &uncounted,
              .stats = &stats_,
              .clock = is_sample ? &clock : nullptr};
    if (count == kInfinite) {
      // There is one pass, which steps_per_epoch cuts into epochs.
      pass.epoch = 0;
      stage_->get(pass, batch.sequence, out);
    } else if (batch.index < count) {
      stage_->get(pass, batch.index, out);
    } else {
      return false;
    }
    sample_.has_taken(clock);
    return true;
  }

  // Makes the next batch of a pass.
  bool next(BatchContext& batch, Sinks<T...>& out) {
    if (start_ || batch.sequence == 0) {
      begin_at(start_.value_or(RunStart{.epoch = batch.epoch}), out);
    } else if (!cursor_ || (batch.index == 0 && has_length_)) {
      // If steps_per_epoch cuts a pass into epochs, the pass goes on. Another pass of known length
      // begins anew.
      begin(endless() ? 0 : batch.epoch, 0);
    }
    // The first batch of a pass fills buffers, which tells nothing of the others.
    if (!is_first_ && sample_.wants()) clock_.start();
    is_first_ = false;
    const bool found = cursor_->next(out);
    sample_.has_taken(clock_);
    skipped_.add(failures_);
    if (batch.failures != nullptr) batch.failures->add(failures_);
    failures_.clear();
    if (!found) cursor_.reset();
    return found;
  }
  void begin(std::int64_t epoch, std::int64_t first) {
    cursor_.reset();
    if (first == 0) skipped_.clear();
    Pass pass = pass_of(epoch);
    passed_before_ = skipped_;
    if (first > 0 && moves_up_) pass.skipped = &passed_before_;
    cursor_ = stage_->begin(pass, first);
    failures_.clear();  // those on the way were counted by the earlier run
    is_first_ = true;
  }
  Pass pass_of(std::int64_t epoch) {
    return {.seed = seed_,
            .epoch = epoch,
            .failures = &failures_,
            .stats = &stats_,
            .clock = &clock_,
            .budget = &budget_};
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
    begin(epoch, first);
  }
  // Makes earlier passes again until every cache holds what they would have filled it with.
  void settle(std::int64_t epoch, Sinks<T...>& out) {
    const std::int64_t length = stage_->cardinality();
    for (std::int64_t pass = 0; pass < epoch && !stage_->is_settled(); ++pass) {
      const auto cursor = stage_->begin(pass_of(pass));
      for (std::int64_t i = 0; (!has_length_ || i < length) && cursor->next(out); ++i) {
        failures_.clear();
      }
    }
  }

  const StagePtr<T...> stage_;
  const std::uint64_t seed_;
  const bool has_threads_;
  const bool moves_up_;
  StageStats stats_;
  ClockSample sample_;
  // The pass of a source that is not pure.
  std::optional<RunStart> start_;  // until the first batch of a run
  Failures failures_;              // of the batch that is being made
  Skipped skipped_;                // in this pass
  Skipped passed_before_;          // before the place where it begins
  StageClock clock_;
  ThreadBudget budget_;
  bool has_length_ = false;
  bool is_first_ = true;
  std::unique_ptr<Cursor<T...>> cursor_;  // which refers to those above
};

}  // namespace stoker::detail
