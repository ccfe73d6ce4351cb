// Stages that put elements of a Dataset together to windows, or take elements from several data
// sets in turn. Programs include stoker/dataset.h.
#pragma once

#include "stoker/detail/dataset_batch.h"

namespace stoker::detail {

// Windows of `size` elements, `stride` apart, that begin `shift` apart.
template <class... T>
class WindowStage final : public Stage<T...> {
 public:
  WindowStage(StagePtr<T...> input, std::int64_t size, std::int64_t shift, std::int64_t stride,
              bool drop_remainder)
      : Stage<T...>("window", windows(input->shapes(), size), {input.get()}),
        input_(std::move(input)),
        size_(size),
        shift_(shift),
        stride_(stride),
        drop_(drop_remainder) {}
  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (all < 0) return all;
    if (!drop_) return divided_up(all, shift_);
    const std::int64_t span = (size_ - 1) * stride_ + 1;
    return all < span ? 0 : (all - span) / shift_ + 1;
  }
  bool may_be_short() const override { return true; }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    struct State {
      std::unique_ptr<Cursor<T...>> inner;
      std::vector<Sinks<T...>> held;  // a ring, with element n in place n % span
      std::int64_t read = 0;
      std::int64_t first = 0;
      bool ended = false;
    };
    auto state = std::make_shared<State>();
    // A window begins where the one before ended only if they neither overlap nor leave gaps.
    const bool is_apart = shift_ == size_ && stride_ == 1;
    state->inner = input_->begin(is_apart ? pass : from_the_start(pass), product_of(first, shift_));
    return function_cursor<T...>([this, state](Sinks<T...>& out) {
      State& s = *state;
      const std::int64_t span = (size_ - 1) * stride_ + 1;
      // The ring grows with the elements that there are, which may be far fewer than a window's.
      const auto place = [&](std::int64_t n) -> Sinks<T...>& {
        const auto at = static_cast<std::size_t>(n % span);
        if (at == s.held.size()) s.held.emplace_back();
        return s.held[at];
      };
      while (!s.ended && s.read - s.first < span) {
        s.ended = !s.inner->next(place(s.read));
        if (!s.ended) check(place(s.read++));
      }
      const std::int64_t there = larger_of<std::int64_t>(0, s.read - s.first);
      const std::int64_t count = smaller_of(size_, divided_up(there, stride_));
      if (count <= 0 || (drop_ && count < size_)) return false;
      for_each_index<sizeof...(T)>([&](auto i) {
        auto& sink = std::get<i>(out);
        sink.reset();
        const auto memory = sink.take(this->shapes()[i]);
        const std::size_t size = memory.size() / static_cast<std::size_t>(size_);
        for (std::int64_t k = 0; k < count; ++k) {
          const auto& element = std::as_const(std::get<i>(place(s.first + k * stride_)));
          copy_values(element.values(), memory.subspan(static_cast<std::size_t>(k) * size));
        }
        if (count < size_) sink.set_rows(count);
      });
      s.first = sum_of(s.first, shift_);
      return true;
    });
  }

 private:
  // Checks that the element has the size of the others, since they lie side by side.
  void check(const Sinks<T...>& element) const {
    for_each_index<sizeof...(T)>([&](auto i) {
      const Shape shape = std::get<i>(element).shape();
      if (shape == input_->shapes()[i]) return;
      throw_wrong_shape(input_->shapes()[i], shape, kShortAdvice);
    });
  }
  static typename Stage<T...>::Shapes windows(typename Stage<T...>::Shapes shapes,
                                              std::int64_t size) {
    for (Shape& shape : shapes) shape = with_rows(size, shape);
    return shapes;
  }
  const StagePtr<T...> input_;
  const std::int64_t size_;
  const std::int64_t shift_;
  const std::int64_t stride_;
  const bool drop_;
};

// Makes a data set of each element and takes from `cycle` of them in turn, `block` elements at a
// time.
template <class F, class Input, class... Out>
class InterleaveStage;
template <class F, class... In, class... Out>
class InterleaveStage<F, std::tuple<In...>, Out...> final : public Stage<Out...> {
 public:
  InterleaveStage(StagePtr<In...> input, typename Stage<Out...>::Shapes shapes, F f,
                  std::int64_t cycle, std::int64_t block, bool is_settled, ErrorPolicy policy)
      : Stage<Out...>("interleave", shapes, {input.get()}),
        input_(std::move(input)),
        f_(std::move(f)),
        cycle_(cycle),
        block_(block),
        is_settled_(is_settled),
        policy_(policy) {}
  std::int64_t cardinality() const override { return kUnknownCardinality; }
  bool may_be_short() const override { return true; }
  // Later elements are taken to make data sets as the first one did. A cache in them may be one
  // that all passes share.
  bool is_settled() const override { return is_settled_ && Stage<Out...>::is_settled(); }
  std::unique_ptr<Cursor<Out...>> do_begin(const Pass& pass, std::int64_t first) const override {
    struct Lane {
      StagePtr<Out...> stage;
      std::unique_ptr<Cursor<Out...>> cursor;
    };
    struct State {
      std::unique_ptr<Cursor<In...>> inner;
      Sinks<In...> element;
      std::vector<Lane> lanes;
      std::size_t lane = 0;
      std::int64_t given = 0;   // elements given of the lane's block
      std::int64_t opened = 0;  // lanes opened so far
      std::int64_t open = 0;    // lanes that are open now
      bool ended = false;       // there are no more to open
    };
    auto state = std::make_shared<State>();
    state->inner = input_->begin(from_the_start(pass));
    state->lanes.resize(static_cast<std::size_t>(cycle_));
    auto cursor = function_cursor<Out...>([this, state, pass](Sinks<Out...>& out) {
      State& s = *state;
      const auto next_lane = [&] {
        s.lane = (s.lane + 1) % s.lanes.size();
        s.given = 0;
      };
      while (!s.ended || s.open > 0) {
        Lane& lane = s.lanes[s.lane];
        if (lane.cursor) {
          if (lane.cursor->next(out)) {
            if (++s.given == block_) next_lane();
            return true;
          }
          lane.cursor.reset();  // another one takes its place at its next turn
          --s.open;
          next_lane();
        } else if (!s.ended && s.inner->next(s.element)) {
          const std::int64_t ordinal = s.opened++;
          const bool opens =
              succeeds(pass, *this, policy_, [&] { lane.stage = open(s.element, ordinal); });
          if (!opens) continue;
          lane.cursor = lane.stage->begin(within(pass, ordinal));
          ++s.open;
        } else {
          s.ended = true;
          next_lane();
        }
      }
      return false;
    });
    return passed_over<Out...>(std::move(cursor), first);
  }

 private:
  // Returns the pass of a data set that was opened.
  Pass within(const Pass& pass, std::int64_t ordinal) const {
    Pass inner = branch_of(pass, ordinal);
    inner.base = this->number_in(pass);
    inner.is_within = true;
    inner.stats = nullptr;
    return inner;
  }
  // Returns the data set made of an element, the `ordinal`-th, whose elements must have the types
  // and shapes of the first one's.
  StagePtr<Out...> open(const Sinks<In...>& element, std::int64_t ordinal) const {
    StagePtr<Out...> stage;
    try {
      stage =
          std::apply([&](const auto&... sinks) { return f_(sinks.present()...).stage(); }, element);
    } catch (...) {
      throw_in_stage("interleave", ordinal);
    }
    for (std::size_t i = 0; i < sizeof...(Out); ++i) {
      if (is_compatible(stage->shapes()[i], this->shapes()[i])) continue;
      throw_wrong_shape(this->shapes()[i], stage->shapes()[i],
                        "All data sets that interleave() goes through have elements of one shape");
    }
    return stage;
  }
  const StagePtr<In...> input_;
  const F f_;
  const std::int64_t cycle_;
  const std::int64_t block_;
  const bool is_settled_;  // the data set of the first element, when this stage was made
  const ErrorPolicy policy_;
};

}  // namespace stoker::detail
