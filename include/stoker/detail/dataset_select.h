// Stages that say where a Dataset's elements come from, and which of them. Programs include
// stoker/dataset.h.
#pragma once

#include "stoker/detail/dataset_threads.h"
#include "stoker/tensor.h"
#include "stoker/varying.h"

namespace stoker::detail {

// ---- Where elements come from ----
template <class... T>
class TensorSlices final : public Stage<T...> {
 public:
  TensorSlices(std::array<Tensor, sizeof...(T)> tensors,
               const std::array<Shape, sizeof...(T)>& rows, std::int64_t count)
      : Stage<T...>("from_tensor_slices", rows, {}), tensors_(std::move(tensors)), count_(count) {
    for_each_index<sizeof...(T)>([&](auto i) {
      using Element = std::tuple_element_t<i, std::tuple<T...>>;
      auto& found = std::get<i>(rows_);
      found.all = tensors_[i].template data<Element>();
      found.size = count == 0 ? 0 : found.all.size() / static_cast<std::size_t>(count);
    });
  }

  std::int64_t cardinality() const override { return count_; }
  bool is_random_access() const override { return true; }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    return this->by_number(pass, first);
  }
  void do_get(const Pass&, std::int64_t index, Sinks<T...>& out) const override {
    copy(index, out);
  }
  void do_get_each(const Pass&, std::span<const std::int64_t> indices, Sinks<T...>& out,
                   const ElementCallback& on_element) const override {
    for (std::size_t i = 0; i < indices.size(); ++i) {
      copy(indices[i], out);
      on_element(i);
    }
  }

 private:
  void copy(std::int64_t index, Sinks<T...>& out) const {
    for_each_index<sizeof...(T)>([&](auto i) {
      auto& sink = std::get<i>(out);
      sink.reset();
      const auto& rows = std::get<i>(rows_);
      const auto row = rows.all.subspan(static_cast<std::size_t>(index) * rows.size, rows.size);
      const auto to = sink.take(this->shapes()[i]);
      // A label is one number, for which a call of memmove would take long.
      if (row.size() == 1) {
        to[0] = row[0];
      } else {
        copy_values(row, to);
      }
    });
  }

  // The rows of one tensor, whose address and sizes are looked up once.
  template <class Element>
  struct Rows {
    std::span<const Element> all;
    std::size_t size = 0;
  };

  const std::array<Tensor, sizeof...(T)> tensors_;
  const std::int64_t count_;
  std::tuple<Rows<T>...> rows_;
};

// Gives the numbers first, first + step, ..., `count` of them (kInfinite: until they do not fit
// int32, which is a DataError).
StagePtr<std::int32_t> range_stage(std::int32_t first, std::int32_t step, std::int64_t count);

// Elements from a generator. For each pass `start` makes a function that writes an element or says
// that there is none.
template <class Start, class... T>
class GeneratedStage final : public Stage<T...> {
 public:
  GeneratedStage(const typename Stage<T...>::Shapes& shapes, Start start, ErrorPolicy policy)
      : Stage<T...>("from_generator", shapes, {}), start_(std::move(start)), policy_(policy) {}
  std::int64_t cardinality() const override { return kUnknownCardinality; }
  bool moves_up() const override { return policy_.skips(); }
  bool may_be_short() const override {
    for (const Shape& shape : this->shapes()) {
      if (has_unknown(shape)) return true;
    }
    return false;
  }

 protected:
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    auto reader = std::make_unique<Reader>(*this, pass, start_(pass.epoch));
    if (pass.skipped != nullptr && moves_up()) {
      // What failed in the earlier run is passed over also if it would succeed now.
      reader->pass_over_calls(sum_of(first, pass.skipped->of(this->number_in(pass))));
      return reader;
    }
    return passed_over<T...>(std::unique_ptr<Cursor<T...>>(std::move(reader)), first);
  }

 private:
  using Function = std::invoke_result_t<const Start&, std::int64_t>;

  // This is no FunctionCursor, because the function may own something that cannot be copied, such
  // as an open file.
  class Reader final : public Cursor<T...> {
   public:
    Reader(const GeneratedStage& stage, const Pass& pass, Function function)
        : stage_(stage), pass_(pass), function_(std::move(function)) {}
    bool next(Sinks<T...>& out) override {
      while (!ended_) {
        const bool is_made = succeeds(pass_, stage_, stage_.policy_, [&] { call(out); });
        if (is_made) return !ended_;
      }
      return false;
    }
    void pass_over_calls(std::int64_t count) {
      Sinks<T...> dropped;
      for (std::int64_t i = 0; i < count && !ended_; ++i) {
        succeeds(pass_, stage_, stage_.policy_, [&] { call(dropped); });
      }
    }

   private:
    void call(Sinks<T...>& out) {
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        (std::get<I>(out).reset(), ...);
        const std::int64_t ordinal = ordinal_++;
        try {
          if constexpr (std::is_invocable_r_v<bool, Function&, std::span<T>...>) {
            const std::tuple memory{std::get<I>(out).take(stage_.shapes()[I])...};
            ended_ = !static_cast<bool>(function_(std::get<I>(memory)...));
          } else {
            std::array<bool, sizeof...(T)> is_taken{};
            ended_ = !static_cast<bool>(
                function_(VaryingOutput<T>(std::get<I>(out), stage_.shapes()[I], is_taken[I])...));
            if (!ended_) ((is_taken[I] ? void() : throw_not_taken(I)), ...);
          }
        } catch (...) {
          throw_in_stage(stage_.name(), ordinal);
        }
      }
      (std::index_sequence_for<T...>{});
    }
    const GeneratedStage& stage_;
    const Pass pass_;
    Function function_;
    bool ended_ = false;
    std::int64_t ordinal_ = 0;
  };

  const Start start_;
  const ErrorPolicy policy_;
};

// ---- Stages that choose among elements ----
// Implements take, skip and shard: elements first, first + step, ..., up to `count` of them
// (kInfinite: all).
template <class... T>
class StridedStage final : public Stage<T...> {
 public:
  StridedStage(std::string name, StagePtr<T...> input, std::int64_t first, std::int64_t step,
               std::int64_t count)
      : Stage<T...>(std::move(name), input->shapes(), {input.get()}),
        input_(std::move(input)),
        first_(first),
        step_(step),
        count_(count) {}

  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (count_ == 0) return 0;
    if (all == kUnknownCardinality) return all;
    if (all == kInfinite) return count_;
    const std::int64_t left = all <= first_ ? 0 : (all - first_ - 1) / step_ + 1;
    return count_ == kInfinite ? left : smaller_of(left, count_);
  }
  bool is_random_access() const override { return input_->is_random_access(); }
  void do_get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, element_number(first_, step_, index), out);
  }
  void do_get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                   const ElementCallback& on_element) const override {
    this->get_each_of(*input_, pass, indices, out, on_element,
                      [&](std::int64_t index) { return element_number(first_, step_, index); });
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    if (is_random_access()) return this->by_number(pass, first);
    const std::int64_t passed = count_ == kInfinite ? first : smaller_of(first, count_);
    const std::int64_t before =
        passed == 0 ? 0 : sum_of(element_number(first_, step_, passed - 1), 1);
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass, before);
    std::shared_ptr<Sinks<T...>> dropped = std::make_shared<Sinks<T...>>();
    return function_cursor<T...>([this, inner, dropped, given = passed](Sinks<T...>& out) mutable {
      if (count_ != kInfinite && given >= count_) return false;
      const std::int64_t drop = given == 0 ? first_ : step_ - 1;
      for (std::int64_t i = 0; i < drop; ++i) {
        if (!inner->next(*dropped)) return false;
      }
      ++given;
      return inner->next(out);
    });
  }

 private:
  const StagePtr<T...> input_;
  const std::int64_t first_;
  const std::int64_t step_;
  const std::int64_t count_;
};

template <class Predicate, class... T>
class FilterStage final : public Stage<T...> {
 public:
  FilterStage(StagePtr<T...> input, Predicate predicate, ErrorPolicy policy)
      : Stage<T...>("filter", input->shapes(), {input.get()}),
        input_(std::move(input)),
        predicate_(std::move(predicate)),
        policy_(policy) {}
  std::int64_t cardinality() const override {
    return input_->cardinality() == kInfinite ? kInfinite : kUnknownCardinality;
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    std::shared_ptr<Cursor<T...>> inner = input_->begin(from_the_start(pass));
    auto cursor = function_cursor<T...>(
        [this, inner, pass, ordinal = std::int64_t{0}](Sinks<T...>& out) mutable {
          while (inner->next(out)) {
            bool kept = false;
            succeeds(pass, *this, policy_, [&] { kept = keeps(out, ordinal); });
            ++ordinal;
            if (kept) return true;
          }
          return false;
        });
    return passed_over<T...>(std::move(cursor), first);
  }

 private:
  bool keeps(const Sinks<T...>& element, std::int64_t ordinal) const {
    try {
      return std::apply([&](const auto&... sinks) { return predicate_(sinks.present()...); },
                        element);
    } catch (...) {
      throw_in_stage(this->name(), ordinal);
    }
  }
  const StagePtr<T...> input_;
  const Predicate predicate_;
  const ErrorPolicy policy_;
};

template <class... T>
class RepeatStage final : public Stage<T...> {
 public:
  RepeatStage(StagePtr<T...> input, std::int64_t count)
      : Stage<T...>("repeat", input->shapes(), {input.get()}),
        input_(std::move(input)),
        count_(count) {}

  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (count_ == 0 || all == 0) return 0;
    if (count_ == kInfinite || all == kInfinite) return kInfinite;
    return all == kUnknownCardinality ? all : product_of(all, count_);
  }
  bool is_random_access() const override {
    return input_->is_random_access() && input_->cardinality() > 0;
  }
  void do_get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    const std::int64_t all = input_->cardinality();
    input_->get(inner(pass, index / all), index % all, out);
  }
  void do_get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                   const ElementCallback& on_element) const override {
    const std::int64_t all = input_->cardinality();
    for (std::size_t begin = 0; begin < indices.size();) {
      const std::int64_t round = indices[begin] / all;
      std::size_t end = begin + 1;
      while (end < indices.size() && indices[end] / all == round) ++end;
      const auto on_element_of_round = [&](std::size_t place) { on_element(begin + place); };
      this->get_each_of(*input_, inner(pass, round), indices.subspan(begin, end - begin), out,
                        on_element_of_round,
                        [&](std::int64_t index) { return index - round * all; });
      begin = end;
    }
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    if (is_random_access()) return this->by_number(pass, first);
    // Whole rounds are passed over by their number, but not while one of them fills a cache.
    const std::int64_t all = input_->cardinality();
    const bool by_number = first > 0 && all > 0 && input_->is_settled();
    auto cursor = function_cursor<T...>(
        [this, pass, round = by_number ? first / all : 0, rest = by_number ? first % all : 0,
         found = false, cursor = std::shared_ptr<Cursor<T...>>()](Sinks<T...>& out) mutable {
          while (count_ == kInfinite || round < count_) {
            if (!cursor) {
              cursor = input_->begin(inner(pass, round), rest);
              found = rest > 0;
              rest = 0;
            }
            if (cursor->next(out)) return found = true;
            cursor.reset();
            ++round;
            if (!found) return false;  // there is nothing to repeat
          }
          return false;
        });
    return passed_over<T...>(std::move(cursor), by_number ? 0 : first);
  }

 private:
  // For the stages before, each round is an epoch of its own, with another order and other random
  // numbers.
  Pass inner(const Pass& pass, std::int64_t round) const {
    const auto rounds =
        static_cast<std::uint64_t>(count_ == kInfinite ? std::int64_t{1} << 32 : count_);
    const std::uint64_t epoch =
        static_cast<std::uint64_t>(pass.epoch) * rounds + static_cast<std::uint64_t>(round);
    Pass of_round = from_the_start(pass);
    of_round.epoch = static_cast<std::int64_t>(epoch & (~std::uint64_t{0} >> 1));
    return of_round;
  }
  const StagePtr<T...> input_;
  const std::int64_t count_;
};

template <class... T>
class ConcatenateStage final : public Stage<T...> {
 public:
  ConcatenateStage(StagePtr<T...> first, StagePtr<T...> second)
      : Stage<T...>("concatenate", first->shapes(), {first.get(), second.get()}),
        first_(std::move(first)),
        second_(std::move(second)) {}
  std::int64_t cardinality() const override {
    const std::int64_t a = first_->cardinality();
    const std::int64_t b = second_->cardinality();
    if (a == kInfinite || b == kInfinite) return kInfinite;
    return a < 0 || b < 0 ? kUnknownCardinality : sum_of(a, b);
  }
  bool is_random_access() const override {
    return first_->is_random_access() && second_->is_random_access() && first_->cardinality() >= 0;
  }
  void do_get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    const std::int64_t count = first_->cardinality();
    if (index < count) return first_->get(pass, index, out);
    second_->get(of_second(pass), index - count, out);
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    // An element of the second data set comes after a request for one behind the first one's last.
    const std::int64_t count = first_->cardinality();
    const bool is_known = count >= 0;
    const std::int64_t in_first = is_known ? smaller_of(first, sum_of(count, 1)) : 0;
    const std::int64_t in_second = is_known ? larger_of(first - count, std::int64_t{0}) : 0;
    std::shared_ptr<Cursor<T...>> a = first_->begin(from_the_start(pass), in_first);
    std::shared_ptr<Cursor<T...>> b = second_->begin(of_second(pass), in_second);
    auto cursor =
        function_cursor<T...>([a, b](Sinks<T...>& out) { return a->next(out) || b->next(out); });
    return passed_over<T...>(std::move(cursor), is_known ? 0 : first);
  }

 private:
  Pass of_second(const Pass& pass) const { return branch_of(pass, 1, first_->stages()); }
  const StagePtr<T...> first_;
  const StagePtr<T...> second_;
};

}  // namespace stoker::detail
