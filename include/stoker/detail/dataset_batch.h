// Stages that put elements of a Dataset together to batches, and take batches apart. Programs
// include stoker/dataset.h.
#pragma once

#include "stoker/detail/dataset_lease.h"
#include "stoker/detail/dataset_threads.h"

namespace stoker::detail {

// ---- Batches ----
inline Shape with_rows(std::int64_t rows, const Shape& row) {
  Shape shape{rows};
  for (std::size_t i = 0; i < row.rank(); ++i) shape.push_back(row[i]);
  return shape;
}
inline Shape without_rows(const Shape& shape) {
  Shape row;
  for (std::size_t i = 1; i < shape.rank(); ++i) row.push_back(shape[i]);
  return row;
}

// A batch. Its rows are written where the batch is: in the feed's slot, if this is the last stage.
template <class... T>
class BatchStage final : public Stage<T...> {
 public:
  BatchStage(StagePtr<T...> input, std::int64_t size, bool drop_remainder, int workers)
      : Stage<T...>("batch", batched(input->shapes(), size), {input.get()}),
        input_(std::move(input)),
        size_(size),
        drop_(drop_remainder),
        workers_(workers) {}

  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (all < 0) return all;
    return drop_ ? all / size_ : divided_up(all, size_);
  }
  bool is_random_access() const override {
    return input_->is_random_access() && input_->cardinality() != kUnknownCardinality;
  }
  void do_get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    const std::int64_t all = input_->cardinality();
    const std::int64_t first = index * size_;
    const std::int64_t rows = all == kInfinite ? size_ : smaller_of(size_, all - first);
    Rows to(*this, out);
    std::array<std::int64_t, Stage<T...>::kMostAtOnce> indices;
    const auto on_element = [&](std::size_t) { to.advance(); };
    while (to.filled() < rows) {
      const std::int64_t begin = first + to.filled();
      const auto count = smaller_of(indices.size(), static_cast<std::size_t>(rows - to.filled()));
      for (std::size_t i = 0; i < count; ++i) indices[i] = begin + static_cast<std::int64_t>(i);
      input_->get_each(pass, std::span(indices).first(count), to.element(), on_element);
    }
    to.finish();
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    if (is_random_access() && input_->threads_so_far() == 0) return this->by_number(pass, first);
    const auto begin = [this, first](const Pass& before) {
      return input_->begin(before, product_of(first, size_));
    };
    if (workers_ != 0) {
      // Elements that come one after another are put together by one thread at a time.
      return read_ahead<T...>(
          *this, pass, first, 0, begin,
          [this](Cursor<T...>& inner, Sinks<T...>& out) { return next(inner, out); });
    }
    std::shared_ptr<Cursor<T...>> inner = begin(pass);
    return function_cursor<T...>([this, inner](Sinks<T...>& out) { return next(*inner, out); });
  }
  int threads() const override { return workers_; }
  bool may_be_short() const override { return true; }

 private:
  static typename Stage<T...>::Shapes batched(typename Stage<T...>::Shapes shapes,
                                              std::int64_t size) {
    for (Shape& shape : shapes) shape = with_rows(size, shape);
    return shapes;
  }
  bool next(Cursor<T...>& inner, Sinks<T...>& out) const {
    Rows to(*this, out);
    while (to.filled() < size_ && inner.next(to.element())) to.advance();
    to.finish();
    return drop_ ? to.filled() == size_ : to.filled() > 0;
  }
  // Lets the rows of a batch's memory, one after another, be written as elements.
  class Rows {
   public:
    Rows(const BatchStage& stage, Sinks<T...>& batch) : stage_(stage), batch_(batch) {
      for_each_index<sizeof...(T)>([&](auto i) {
        auto& whole = std::get<i>(batch_);
        whole.reset();
        const auto memory = whole.take(stage_.shapes()[i]);
        sizes_[i] = memory.size() / static_cast<std::size_t>(stage_.size_);
        using Element = std::tuple_element_t<i, std::tuple<T...>>;
        std::get<i>(element_) = Sink<Element>(memory.first(sizes_[i]), stage_.input_->shapes()[i]);
      });
    }

    Sinks<T...>& element() { return element_; }
    std::int64_t filled() const { return filled_; }
    void advance() {
      ++filled_;
      const bool full = filled_ == stage_.size_;
      for_each_index<sizeof...(T)>([&](auto i) {
        auto& element = std::get<i>(element_);
        // A short window, or a short batch, does not fill its row.
        if (element.rows() >= 0) {
          throw_wrong_shape(stage_.input_->shapes()[i], element.shape(), kShortAdvice);
        }
        if (full) return;
        const auto at = static_cast<std::size_t>(filled_) * sizes_[i];
        element.move_to(std::get<i>(batch_).values().subspan(at, sizes_[i]));
      });
    }
    void finish() {
      if (filled_ == stage_.size_) return;
      for_each_index<sizeof...(T)>([&](auto i) { std::get<i>(batch_).set_rows(filled_); });
    }

   private:
    const BatchStage& stage_;
    Sinks<T...>& batch_;
    Sinks<T...> element_;
    std::array<std::size_t, sizeof...(T)> sizes_{};
    std::int64_t filled_ = 0;
  };

  const StagePtr<T...> input_;
  const std::int64_t size_;
  const bool drop_;
  const int workers_;
};

// A batch of elements of different shapes, which are padded to a common one.
template <class... T>
class PaddedBatchStage final : public Stage<T...> {
 public:
  PaddedBatchStage(StagePtr<T...> input, std::int64_t size, typename Stage<T...>::Shapes padded,
                   std::tuple<T...> values, bool drop_remainder, int workers)
      : Stage<T...>("padded_batch", batched(padded, size), {input.get()}),
        input_(std::move(input)),
        size_(size),
        padded_(std::move(padded)),
        values_(std::move(values)),
        drop_(drop_remainder),
        workers_(workers) {}
  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (all < 0) return all;
    return drop_ ? all / size_ : divided_up(all, size_);
  }
  bool is_random_access() const override {
    return input_->is_random_access() && input_->cardinality() != kUnknownCardinality;
  }
  bool may_be_short() const override { return true; }
  int threads() const override { return workers_; }
  void do_get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    const std::int64_t all = input_->cardinality();
    const std::int64_t first = index * size_;
    const std::int64_t count = all == kInfinite ? size_ : smaller_of(size_, all - first);
    const Lease<Rows> rows;
    for (std::int64_t i = 0; i < count; ++i) input_->get(pass, first + i, row(*rows, i));
    put_together(*rows, count, out);
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    if (is_random_access() && input_->threads_so_far() == 0) return this->by_number(pass, first);
    const auto begin = [this, first](const Pass& before) {
      return input_->begin(before, product_of(first, size_));
    };
    if (workers_ != 0) {
      return read_ahead<T...>(*this, pass, first, 0, begin,
                              [this](Cursor<T...>& inner, Sinks<T...>& out) {
                                const Lease<Rows> rows;
                                return next(inner, *rows, out);
                              });
    }
    std::shared_ptr<Cursor<T...>> inner = begin(pass);
    auto rows = std::make_shared<Rows>();
    return function_cursor<T...>(
        [this, inner, rows](Sinks<T...>& out) { return next(*inner, *rows, out); });
  }

 private:
  using Rows = std::vector<Sinks<T...>>;  // grows to the batches that there are

  static Sinks<T...>& row(Rows& rows, std::int64_t i) {
    if (static_cast<std::size_t>(i) == rows.size()) rows.emplace_back();
    return rows[static_cast<std::size_t>(i)];
  }
  bool next(Cursor<T...>& inner, Rows& rows, Sinks<T...>& out) const {
    std::int64_t count = 0;
    while (count < size_ && inner.next(row(rows, count))) ++count;
    if (count == 0 || (drop_ && count < size_)) return false;
    put_together(rows, count, out);
    return true;
  }
  void put_together(const Rows& rows, std::int64_t count, Sinks<T...>& out) const {
    for_each_index<sizeof...(T)>([&](auto i) { pad<i>(rows, count, out); });
  }
  static typename Stage<T...>::Shapes batched(typename Stage<T...>::Shapes shapes,
                                              std::int64_t size) {
    for (Shape& shape : shapes) shape = with_rows(size, shape);
    return shapes;
  }
  template <std::size_t I>
  void pad(const std::vector<Sinks<T...>>& rows, std::int64_t count, Sinks<T...>& out) const {
    Shape shape = padded_[I];
    for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] != Shape::kUnknown) continue;
      shape[axis] = 0;
      for (std::int64_t row = 0; row < count; ++row) {
        shape[axis] =
            larger_of(shape[axis], std::get<I>(rows[static_cast<std::size_t>(row)]).shape()[axis]);
      }
    }
    auto& sink = std::get<I>(out);
    sink.reset();
    const auto memory = sink.take(with_rows(size_, shape));
    if (count < size_) sink.set_rows(count);
    for (auto& value : memory) value = std::get<I>(values_);
    const auto row_size = static_cast<std::size_t>(shape.elements());
    for (std::int64_t row = 0; row < count; ++row) {
      const auto& element = std::get<I>(rows[static_cast<std::size_t>(row)]);
      copy_corner(element.values().data(), element.shape(),
                  memory.data() + static_cast<std::size_t>(row) * row_size, shape, 0);
    }
  }
  template <class E>
  static void copy_corner(const E* from, const Shape& small, E* to, const Shape& large,
                          std::size_t axis) {
    if (axis == small.rank()) {
      *to = *from;
      return;
    }
    if (small[axis] > large[axis]) {
      throw_wrong_shape(large, small,
                        "padded_batch() fills up and cuts nothing off: give it shapes that are as "
                        "large as the largest element, or Shape::kUnknown for an extent");
    }
    std::int64_t from_step = 1;
    std::int64_t to_step = 1;
    for (std::size_t i = axis + 1; i < small.rank(); ++i) {
      from_step *= small[i];
      to_step *= large[i];
    }
    if (axis + 1 == small.rank()) {
      const auto count = static_cast<std::size_t>(small[axis]);
      copy_values(std::span<const E>(from, count), std::span<E>(to, count));
      return;
    }
    for (std::int64_t i = 0; i < small[axis]; ++i) {
      copy_corner(from + i * from_step, small, to + i * to_step, large, axis + 1);
    }
  }
  const StagePtr<T...> input_;
  const std::int64_t size_;
  const typename Stage<T...>::Shapes padded_;
  const std::tuple<T...> values_;
  const bool drop_;
  const int workers_;
};

template <class... T>
class UnbatchStage final : public Stage<T...> {
 public:
  explicit UnbatchStage(StagePtr<T...> input)
      : Stage<T...>("unbatch", rows_of(input->shapes()), {input.get()}), input_(std::move(input)) {}
  std::int64_t cardinality() const override {
    return input_->cardinality() == kInfinite ? kInfinite : kUnknownCardinality;
  }
  bool may_be_short() const override { return true; }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    struct State {
      std::unique_ptr<Cursor<T...>> inner;
      Sinks<T...> batch;
      std::int64_t next = 0;
      std::int64_t rows = 0;
    };
    auto state = std::make_shared<State>();
    state->inner = input_->begin(from_the_start(pass));
    auto cursor = function_cursor<T...>([state](Sinks<T...>& out) {
      while (state->next == state->rows) {
        if (!state->inner->next(state->batch)) return false;
        state->next = 0;
        state->rows = rows_of(state->batch);
      }
      for_each_index<sizeof...(T)>([&](auto i) {
        const auto& from = std::get<i>(state->batch);
        const Shape row = without_rows(from.shape());
        const auto size = static_cast<std::size_t>(row.elements());
        const auto values = std::as_const(from).values().subspan(
            static_cast<std::size_t>(state->next) * size, size);
        std::get<i>(out).reset();
        copy_values(values, std::get<i>(out).take(row));
      });
      ++state->next;
      return true;
    });
    return passed_over<T...>(std::move(cursor), first);
  }

 private:
  // Throws if it is known beforehand that components have no rows, or different numbers of rows.
  static typename Stage<T...>::Shapes rows_of(typename Stage<T...>::Shapes shapes) {
    const Shape* first = nullptr;  // the first shape whose number of rows is known
    for (const Shape& shape : shapes) {
      if (shape.rank() == 0) throw_different_rows("unbatch", shape, shape);
      if (shape[0] == Shape::kUnknown) continue;
      if (first == nullptr) first = &shape;
      if (shape[0] != (*first)[0]) throw_different_rows("unbatch", *first, shape);
    }
    for (Shape& shape : shapes) shape = without_rows(shape);
    return shapes;
  }
  // Checks a batch itself, which may be short or of unknown extents, and returns its number of
  // rows.
  static std::int64_t rows_of(const Sinks<T...>& batch) {
    const Shape first = std::get<0>(batch).shape();
    for_each_index<sizeof...(T)>([&](auto i) {
      const Shape shape = std::get<i>(batch).shape();
      if (shape[0] != first[0]) throw_different_rows("unbatch", first, shape);
    });
    return first[0];
  }
  const StagePtr<T...> input_;
};

}  // namespace stoker::detail
