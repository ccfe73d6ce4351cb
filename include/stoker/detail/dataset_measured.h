// How a Dataset's stages are counted and measured. Programs include stoker/dataset.h.
#pragma once

#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "stoker/detail/dataset_core.h"

namespace stoker::detail {

// Counts what another cursor gives.
template <class... T>
class CountedCursor final : public Cursor<T...> {
 public:
  CountedCursor(std::unique_ptr<Cursor<T...>> cursor, const Stage<T...>& stage, const Pass& pass)
      : cursor_(std::move(cursor)),
        stage_(stage),
        counter_(*stage.counter_in(pass)),
        clock_(pass.clock),
        // What the stage's own threads do is measured there.
        charged_(cursor_->has_threads() ? nullptr : &counter_) {}

  bool next(Sinks<T...>& out) override {
    {
      const ClockScope scope(clock_, charged_);
      if (!cursor_->next(out)) return false;
    }
    // No other thread counts elements of this stage.
    add(counter_.elements, 1);
    if (counter_.may_be_short) add(counter_.missing_bytes, stage_.missing_bytes(out));
    if (charged_ != nullptr && clock_ != nullptr && clock_->is_running()) {
      add(counter_.timed_elements, 1);
    }
    return true;
  }
  bool has_threads() const override { return cursor_->has_threads(); }

 private:
  static void add(std::atomic<std::int64_t>& counter, std::int64_t more) {
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  const std::unique_ptr<Cursor<T...>> cursor_;
  const Stage<T...>& stage_;
  StageCounter& counter_;
  StageClock* const clock_;
  StageCounter* const charged_;
};

// Charges the caller of a stage with the time in which it takes an element.
class ClockPause {
 public:
  ClockPause(StageClock* clock, StageCounter* stage) : clock_(clock), stage_(stage) {
    if (clock_ != nullptr) clock_->leave();
  }
  ~ClockPause() {
    if (clock_ != nullptr) clock_->enter(stage_);
  }
  ClockPause(const ClockPause&) = delete;
  ClockPause& operator=(const ClockPause&) = delete;

 private:
  StageClock* const clock_;
  StageCounter* const stage_;
};

template <class... T>
std::int64_t Stage<T...>::element_bytes() const {
  std::int64_t bytes = 0;
  for_each_index<sizeof...(T)>([&](auto i) {
    using Element = std::tuple_element_t<i, std::tuple<T...>>;
    if (has_unknown(shapes_[i])) return;
    bytes += shapes_[i].elements() * static_cast<std::int64_t>(sizeof(Element));
  });
  return bytes;
}

template <class... T>
std::int64_t Stage<T...>::missing_bytes(const Sinks<T...>& element) const {
  bool is_whole = true;
  for_each_index<sizeof...(T)>([&](auto i) {
    is_whole = is_whole && std::get<i>(element).is_fixed() && std::get<i>(element).rows() < 0;
  });
  if (is_whole) return 0;
  std::int64_t bytes = element_bytes();
  for_each_index<sizeof...(T)>([&](auto i) {
    using Element = std::tuple_element_t<i, std::tuple<T...>>;
    bytes -= std::get<i>(element).shape().elements() * static_cast<std::int64_t>(sizeof(Element));
  });
  return bytes;
}

template <class... T>
std::unique_ptr<Cursor<T...>> Stage<T...>::begin(const Pass& pass, std::int64_t first) const {
  auto cursor = do_begin(pass, first);
  if (pass.stats == nullptr) return cursor;
  return std::make_unique<CountedCursor<T...>>(std::move(cursor), *this, pass);
}

template <class... T>
void Stage<T...>::get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const {
  StageCounter* const counter = counter_in(pass);
  if (counter == nullptr) {
    do_get(pass, index, out);
    return;
  }
  {
    const ClockScope scope(pass.clock, counter);
    do_get(pass, index, out);
  }
  constexpr auto kRelaxed = std::memory_order_relaxed;
  counter->elements.fetch_add(1, kRelaxed);
  if (counter->may_be_short) {
    const std::int64_t missing = missing_bytes(out);
    if (missing != 0) counter->missing_bytes.fetch_add(missing, kRelaxed);
  }
  if (pass.clock != nullptr && pass.clock->is_running()) {
    counter->timed_elements.fetch_add(1, kRelaxed);
  }
}

template <class... T>
void Stage<T...>::make_each(const Pass& pass, std::span<const std::int64_t> indices,
                            Sinks<T...>& out, const ElementCallback& on_element,
                            bool is_counted) const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  const auto count = static_cast<std::int64_t>(indices.size());
  StageCounter* const counter = counter_in(pass);
  StageClock* const clock = counter != nullptr && pass.clock != nullptr && pass.clock->is_running()
                                ? pass.clock
                                : nullptr;
  const bool measures = is_counted && counter != nullptr && counter->may_be_short;
  if (clock == nullptr && !measures) {
    do_get_each(pass, indices, out, on_element);
  } else {
    const ClockScope scope(clock, counter);
    const auto take = [&](std::size_t place) {
      if (measures) counter->missing_bytes.fetch_add(missing_bytes(out), kRelaxed);
      const ClockPause pause(clock, counter);
      on_element(place);
    };
    do_get_each(pass, indices, out, take);
  }
  if (counter == nullptr) return;
  if (is_counted) counter->elements.fetch_add(count, kRelaxed);
  if (clock != nullptr) counter->timed_elements.fetch_add(count, kRelaxed);
}

}  // namespace stoker::detail
