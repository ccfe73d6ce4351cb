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
    // The length counts as known if it was when the fit began, since a cache learns its length on
    // the way.
    if (batch.sequence == 0) has_length_ = stage_->cardinality() >= 0;
    // If steps_per_epoch cuts a pass into epochs, the pass goes on. Another fit, or another pass of
    // known length, begins anew.
    const bool anew = batch.sequence == 0 || (batch.index == 0 && has_length_);
    if (!cursor_ || anew) {
      cursor_.reset();
      cursor_ = stage_->begin({seed_, endless() ? 0 : batch.epoch});
      // A fit that resumes in the middle of a pass skips the batches that earlier fits have had.
      for (std::int64_t i = 0; has_length_ && i < batch.index; ++i) {
        if (!cursor_->next(out)) return end();
      }
    }
    return cursor_->next(out) || end();
  }
  bool end() {
    cursor_.reset();
    return false;
  }

  const StagePtr<T...> stage_;
  const std::uint64_t seed_;
  std::unique_ptr<Cursor<T...>> cursor_;
  bool has_length_ = false;
};

}  // namespace stoker::detail
