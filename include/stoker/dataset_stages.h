// The stages of a Dataset. Programs include stoker/dataset.h.
#pragma once

#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <variant>

#include "stoker/dataset_core.h"
#include "stoker/tensor.h"

namespace stoker {

// What the function of a map is called for.
struct MapContext {
  std::int64_t epoch = 0;
  std::int64_t ordinal = 0;  // of the element in its pass, from 0
  Random random{};           // the same for any number of workers
};

namespace detail {

template <std::size_t N, class F>
void for_each_index(F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (f(std::integral_constant<std::size_t, I>{}), ...);
  }
  (std::make_index_sequence<N>{});
}

// ---- Where elements come from ----
template <class... T>
class TensorSlices final : public Stage<T...> {
 public:
  TensorSlices(std::array<Tensor, sizeof...(T)> tensors,
               const std::array<Shape, sizeof...(T)>& rows, std::int64_t count)
      : Stage<T...>(rows, 0), tensors_(std::move(tensors)), count_(count) {}

  std::int64_t cardinality() const override { return count_; }
  bool is_random_access() const override { return true; }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    return std::make_unique<IndexCursor<T...>>(*this, pass);
  }
  void get(const Pass&, std::int64_t index, Sinks<T...>& out) const override {
    for_each_index<sizeof...(T)>([&](auto i) {
      auto& sink = std::get<i>(out);
      sink.reset();
      using Element = std::tuple_element_t<i, std::tuple<T...>>;
      const std::span<const Element> all = tensors_[i].template data<Element>();
      const std::size_t size = all.size() / static_cast<std::size_t>(count_);
      const std::span<const Element> row =
          all.subspan(static_cast<std::size_t>(index) * size, size);
      std::copy(row.begin(), row.end(), sink.take(this->shapes()[i]).begin());
    });
  }

 private:
  const std::array<Tensor, sizeof...(T)> tensors_;
  const std::int64_t count_;
};

class RangeStage final : public Stage<std::int32_t> {
 public:
  RangeStage(std::int32_t first, std::int32_t step, std::int64_t count)
      : Stage({Shape{}}, 0), first_(first), step_(step), count_(count) {}
  std::int64_t cardinality() const override { return count_; }
  bool is_random_access() const override { return true; }
  std::unique_ptr<Cursor<std::int32_t>> begin(const Pass& pass) const override {
    return std::make_unique<IndexCursor<std::int32_t>>(*this, pass);
  }
  void get(const Pass&, std::int64_t index, Sinks<std::int32_t>& out) const override {
    std::get<0>(out).reset();
    std::get<0>(out).take(Shape{})[0] = static_cast<std::int32_t>(first_ + index * step_);
  }

 private:
  const std::int32_t first_;
  const std::int32_t step_;
  const std::int64_t count_;
};

// `start` makes, for each pass, a function that writes an element or says that there is none.
template <class Start, class... T>
class GeneratedStage final : public Stage<T...> {
 public:
  GeneratedStage(const typename Stage<T...>::Shapes& shapes, Start start)
      : Stage<T...>(shapes, 0), start_(std::move(start)) {}
  std::int64_t cardinality() const override { return kUnknownCardinality; }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    return std::make_unique<Reader>(this->shapes(), start_(pass.epoch));
  }

 private:
  using Function = std::invoke_result_t<const Start&, std::int64_t>;

  // No FunctionCursor: the function may own what cannot be copied, an open file say.
  class Reader final : public Cursor<T...> {
   public:
    Reader(const typename Stage<T...>::Shapes& shapes, Function function)
        : shapes_(shapes), function_(std::move(function)) {}
    bool next(Sinks<T...>& out) override {
      if (ended_) return false;
      ended_ = ![&]<std::size_t... I>(std::index_sequence<I...>) {
        (std::get<I>(out).reset(), ...);
        return static_cast<bool>(function_(std::get<I>(out).take(shapes_[I])...));
      }
      (std::index_sequence_for<T...>{});
      return !ended_;
    }

   private:
    const typename Stage<T...>::Shapes shapes_;
    Function function_;
    bool ended_ = false;
  };

  const Start start_;
};

// ---- Stages that choose among elements ----
// take, skip, shard: elements first, first + step, ... up to `count` of them (kInfinite: all).
template <class... T>
class StridedStage final : public Stage<T...> {
 public:
  StridedStage(StagePtr<T...> input, std::int64_t first, std::int64_t step, std::int64_t count)
      : Stage<T...>(input->shapes(), input->depth() + 1),
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
    return count_ == kInfinite ? left : std::min(left, count_);
  }
  bool is_random_access() const override { return input_->is_random_access(); }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, first_ + index * step_, out);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    if (is_random_access()) return std::make_unique<IndexCursor<T...>>(*this, pass);
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    std::shared_ptr<Sinks<T...>> dropped = std::make_shared<Sinks<T...>>();
    return std::make_unique<FunctionCursor<T...>>(
        [this, inner, dropped, given = std::int64_t{0}](Sinks<T...>& out) mutable {
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
  FilterStage(StagePtr<T...> input, Predicate predicate)
      : Stage<T...>(input->shapes(), input->depth() + 1),
        input_(std::move(input)),
        predicate_(std::move(predicate)) {}
  std::int64_t cardinality() const override {
    return input_->cardinality() == kInfinite ? kInfinite : kUnknownCardinality;
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    return std::make_unique<FunctionCursor<T...>>([this, inner](Sinks<T...>& out) {
      while (inner->next(out)) {
        const bool keep = std::apply(
            [&](auto&... sinks) { return predicate_(std::as_const(sinks).present()...); }, out);
        if (keep) return true;
      }
      return false;
    });
  }

 private:
  const StagePtr<T...> input_;
  const Predicate predicate_;
};

template <class... T>
class RepeatStage final : public Stage<T...> {
 public:
  RepeatStage(StagePtr<T...> input, std::int64_t count)
      : Stage<T...>(input->shapes(), input->depth() + 1), input_(std::move(input)), count_(count) {}

  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (count_ == 0 || all == 0) return 0;
    if (count_ == kInfinite || all == kInfinite) return kInfinite;
    return all == kUnknownCardinality ? all : all * count_;
  }
  bool is_random_access() const override {
    return input_->is_random_access() && input_->cardinality() > 0;
  }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    const std::int64_t all = input_->cardinality();
    input_->get(inner(pass, index / all), index % all, out);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    if (is_random_access()) return std::make_unique<IndexCursor<T...>>(*this, pass);
    return std::make_unique<FunctionCursor<T...>>(
        [this, pass, round = std::int64_t{0}, found = false,
         cursor = std::shared_ptr<Cursor<T...>>()](Sinks<T...>& out) mutable {
          while (count_ == kInfinite || round < count_) {
            if (!cursor) {
              cursor = input_->begin(inner(pass, round));
              found = false;
            }
            if (cursor->next(out)) return found = true;
            cursor.reset();
            ++round;
            if (!found) return false;  // nothing to repeat
          }
          return false;
        });
  }

 private:
  // Each round is an epoch of its own to what is before: another order, other random numbers.
  Pass inner(const Pass& pass, std::int64_t round) const {
    const auto rounds =
        static_cast<std::uint64_t>(count_ == kInfinite ? std::int64_t{1} << 32 : count_);
    const std::uint64_t epoch =
        static_cast<std::uint64_t>(pass.epoch) * rounds + static_cast<std::uint64_t>(round);
    return {pass.seed, static_cast<std::int64_t>(epoch & (~std::uint64_t{0} >> 1))};
  }
  const StagePtr<T...> input_;
  const std::int64_t count_;
};

template <class... T>
class ConcatenateStage final : public Stage<T...> {
 public:
  ConcatenateStage(StagePtr<T...> first, StagePtr<T...> second)
      : Stage<T...>(first->shapes(), std::max(first->depth(), second->depth()) + 1),
        first_(std::move(first)),
        second_(std::move(second)) {}
  std::int64_t cardinality() const override {
    const std::int64_t a = first_->cardinality();
    const std::int64_t b = second_->cardinality();
    if (a == kInfinite || b == kInfinite) return kInfinite;
    return a < 0 || b < 0 ? kUnknownCardinality : a + b;
  }
  bool is_random_access() const override {
    return first_->is_random_access() && second_->is_random_access() && first_->cardinality() >= 0;
  }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    const std::int64_t count = first_->cardinality();
    if (index < count) return first_->get(pass, index, out);
    second_->get(branch_of(pass, 1), index - count, out);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    std::shared_ptr<Cursor<T...>> a = first_->begin(pass);
    std::shared_ptr<Cursor<T...>> b = second_->begin(branch_of(pass, 1));
    return std::make_unique<FunctionCursor<T...>>(
        [a, b](Sinks<T...>& out) { return a->next(out) || b->next(out); });
  }

 private:
  const StagePtr<T...> first_;
  const StagePtr<T...> second_;
};

template <class... T>
class ShuffleStage final : public Stage<T...> {
 public:
  ShuffleStage(StagePtr<T...> input, std::int64_t buffer, std::uint64_t seed, bool reshuffle)
      : Stage<T...>(input->shapes(), input->depth() + 1),
        input_(std::move(input)),
        buffer_(buffer),
        seed_(seed),
        reshuffle_(reshuffle) {
    const std::int64_t all = input_->cardinality();
    if (input_->is_random_access() && all > 0 && buffer >= all) {
      order_ = std::make_unique<EpochOrder>(all, seed, reshuffle);
    }
  }

  std::int64_t cardinality() const override { return input_->cardinality(); }
  // A buffer that holds everything is an order of everything.
  bool is_random_access() const override { return order_ != nullptr; }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, order_->at(pass.epoch, index), out);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    if (order_) return std::make_unique<IndexCursor<T...>>(*this, pass);
    struct State {
      std::unique_ptr<Cursor<T...>> inner;
      std::vector<Sinks<T...>> waiting;
      std::size_t filled = 0;
      bool ended = false;
      Random random;
    };
    auto state = std::make_shared<State>();
    state->inner = input_->begin(pass);
    state->random = element_random({seed_, reshuffle_ ? pass.epoch : 0}, this->depth(), 0);
    return std::make_unique<FunctionCursor<T...>>([this, state](Sinks<T...>& out) {
      State& s = *state;
      while (!s.ended && s.filled < static_cast<std::size_t>(buffer_)) {
        if (s.filled == s.waiting.size()) s.waiting.emplace_back();
        s.ended = !s.inner->next(s.waiting[s.filled]);
        if (!s.ended) ++s.filled;
      }
      if (s.filled == 0) return false;
      const auto chosen =
          static_cast<std::size_t>(s.random.integer(0, static_cast<std::int64_t>(s.filled)));
      copy_element(s.waiting[chosen], out);
      std::swap(s.waiting[chosen], s.waiting[--s.filled]);
      return true;
    });
  }

 private:
  const StagePtr<T...> input_;
  const std::int64_t buffer_;
  const std::uint64_t seed_;
  const bool reshuffle_;
  std::unique_ptr<EpochOrder> order_;
};

// ---- Threads ----
// Elements made ahead by threads of its own and given in order: what map with workers, and
// prefetch, become. `ask` reads the next of what is before, into `held` or where it is to be; one
// thread at a time is in it. `work` makes the element of it, on all threads.
template <class Held, class... T>
class AheadCursor final : public Cursor<T...> {
 public:
  using Ask = std::function<bool(Held& held, Sinks<T...>& element)>;
  using Work = std::function<void(Held& held, Sinks<T...>& element, std::int64_t ordinal)>;

  AheadCursor(Ask ask, Work work, int workers, std::int64_t ahead)
      : ask_(std::move(ask)),
        work_(std::move(work)),
        places_(static_cast<std::size_t>(std::max<std::int64_t>(ahead, workers))) {
    try {
      for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { run(); });
    } catch (...) {  // the system has no more threads
      stop();
      throw;
    }
  }
  ~AheadCursor() override { stop(); }

  bool next(Sinks<T...>& out) override {
    std::unique_lock lock(mutex_);
    Place& place = place_of(taken_);
    changed_.wait(lock, [&] { return place.ready || taken_ == end_; });
    if (!place.ready) return false;
    if (place.error) std::rethrow_exception(place.error);
    lock.unlock();
    copy_element(place.element, out);
    lock.lock();
    place.ready = false;
    ++taken_;
    changed_.notify_all();
    return true;
  }

 private:
  struct Place {
    Held held;
    Sinks<T...> element;
    std::exception_ptr error;
    bool ready = false;
  };
  static constexpr std::int64_t kNotYet = -1;

  Place& place_of(std::int64_t n) { return places_[static_cast<std::size_t>(n) % places_.size()]; }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void run() {
    std::unique_lock lock(mutex_);
    const auto room = static_cast<std::int64_t>(places_.size());
    for (;;) {
      changed_.wait(lock, [&] {
        return stopping_ || end_ != kNotYet || (!asking_ && asked_ < taken_ + room);
      });
      if (stopping_ || end_ != kNotYet) return;
      asking_ = true;
      const std::int64_t ordinal = asked_++;
      Place& place = place_of(ordinal);
      place.error = nullptr;
      lock.unlock();
      bool found = false;
      try {
        found = ask_(place.held, place.element);
      } catch (...) {
        place.error = std::current_exception();
      }
      lock.lock();
      asking_ = false;
      if (!found) end_ = place.error ? asked_ : ordinal;  // nothing comes after an error
      changed_.notify_all();
      if (found) {
        lock.unlock();
        try {
          work_(place.held, place.element, ordinal);
        } catch (...) {
          place.error = std::current_exception();
        }
        lock.lock();
      }
      place.ready = found || place.error;
      changed_.notify_all();
    }
  }

  const Ask ask_;
  const Work work_;
  std::vector<Place> places_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t asked_ = 0;
  std::int64_t taken_ = 0;
  std::int64_t end_ = kNotYet;  // elements there are, once that is known
  bool asking_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// ---- Stages that change elements ----
// Calls f for one element: with its context first, if it takes one.
template <class F, class... Arguments>
void call_map(const F& f, MapContext& context, Arguments... arguments) {
  if constexpr (std::is_invocable_v<const F&, MapContext&, Arguments...>) {
    f(context, arguments...);
  } else {
    static_assert(std::is_invocable_v<const F&, Arguments...>,
                  "map takes f([MapContext&,] std::span<const In>..., std::span<Out>...), or, in "
                  "place, f([MapContext&,] std::span<T>...)");
    f(arguments...);
  }
}

template <class... T>
MapContext context_of(const Stage<T...>& stage, const Pass& pass, std::int64_t ordinal) {
  return {pass.epoch, ordinal, element_random(pass, stage.depth(), ordinal)};
}

// In place: the element is written where it goes, and changed there.
template <class F, class... T>
class MapInPlaceStage final : public Stage<T...> {
 public:
  MapInPlaceStage(StagePtr<T...> input, F f, int workers)
      : Stage<T...>(input->shapes(), input->depth() + 1),
        input_(std::move(input)),
        f_(std::move(f)),
        workers_(workers) {}
  std::int64_t cardinality() const override { return input_->cardinality(); }
  bool is_random_access() const override { return input_->is_random_access(); }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, index, out);
    apply(pass, index, out);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    if (workers_ == 1 && is_random_access()) {
      return std::make_unique<IndexCursor<T...>>(*this, pass);
    }
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    if (workers_ > 1) {
      return std::make_unique<AheadCursor<std::monostate, T...>>(
          [inner](std::monostate, Sinks<T...>& element) { return inner->next(element); },
          [this, pass](std::monostate, Sinks<T...>& element, std::int64_t ordinal) {
            apply(pass, ordinal, element);
          },
          workers_, 2 * workers_);
    }
    return std::make_unique<FunctionCursor<T...>>(
        [this, inner, pass, ordinal = std::int64_t{0}](Sinks<T...>& out) mutable {
          if (!inner->next(out)) return false;
          apply(pass, ordinal++, out);
          return true;
        });
  }

 private:
  void apply(const Pass& pass, std::int64_t ordinal, Sinks<T...>& out) const {
    try {
      MapContext context = context_of(*this, pass, ordinal);
      std::apply([&](auto&... sinks) { call_map(f_, context, sinks.present()...); }, out);
    } catch (...) {
      throw_in_stage("map", ordinal);
    }
  }
  const StagePtr<T...> input_;
  const F f_;
  const int workers_;
};

// Memory of the thread for one element, kept for the next: a call must not allocate. As many as
// calls are nested.
template <class T>
class Lease {
 public:
  Lease() : value_(take()) {}
  ~Lease() { free().push_back(std::move(value_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  T& operator*() const { return *value_; }

 private:
  static std::vector<std::unique_ptr<T>>& free() {
    thread_local std::vector<std::unique_ptr<T>> kept;
    return kept;
  }
  static std::unique_ptr<T> take() {
    if (free().empty()) return std::make_unique<T>();
    std::unique_ptr<T> value = std::move(free().back());
    free().pop_back();
    return value;
  }
  std::unique_ptr<T> value_;
};

// From elements of one kind to elements of another.
template <class F, class Input, class... Out>
class MapStage;
template <class F, class... In, class... Out>
class MapStage<F, std::tuple<In...>, Out...> final : public Stage<Out...> {
 public:
  MapStage(StagePtr<In...> input, const std::array<Shape, sizeof...(Out)>& shapes, F f, int workers)
      : Stage<Out...>(shapes, input->depth() + 1),
        input_(std::move(input)),
        f_(std::move(f)),
        workers_(workers) {}
  std::int64_t cardinality() const override { return input_->cardinality(); }
  bool is_random_access() const override { return input_->is_random_access(); }
  void get(const Pass& pass, std::int64_t index, Sinks<Out...>& out) const override {
    const Lease<Sinks<In...>> element;
    input_->get(pass, index, *element);
    apply(pass, index, *element, out);
  }
  std::unique_ptr<Cursor<Out...>> begin(const Pass& pass) const override {
    if (workers_ == 1 && is_random_access()) {
      return std::make_unique<IndexCursor<Out...>>(*this, pass);
    }
    std::shared_ptr<Cursor<In...>> inner = input_->begin(pass);
    if (workers_ > 1) {
      return std::make_unique<AheadCursor<Sinks<In...>, Out...>>(
          [inner](Sinks<In...>& held, Sinks<Out...>&) { return inner->next(held); },
          [this, pass](Sinks<In...>& held, Sinks<Out...>& out, std::int64_t ordinal) {
            apply(pass, ordinal, held, out);
          },
          workers_, 2 * workers_);
    }
    auto element = std::make_shared<Sinks<In...>>();
    return std::make_unique<FunctionCursor<Out...>>(
        [this, inner, element, pass, ordinal = std::int64_t{0}](Sinks<Out...>& out) mutable {
          if (!inner->next(*element)) return false;
          apply(pass, ordinal++, *element, out);
          return true;
        });
  }

 private:
  void apply(const Pass& pass, std::int64_t ordinal, const Sinks<In...>& element,
             Sinks<Out...>& out) const {
    try {
      MapContext context = context_of(*this, pass, ordinal);
      [&]<std::size_t... I, std::size_t... O>(std::index_sequence<I...>,
                                              std::index_sequence<O...>) {
        (prepare(std::get<O>(out), this->shapes()[O], element), ...);
        call_map(f_, context, std::get<I>(element).present()..., std::get<O>(out).present()...);
      }
      (std::index_sequence_for<In...>{}, std::index_sequence_for<Out...>{});
    } catch (...) {
      throw_in_stage("map", ordinal);
    }
  }
  // A short batch stays short: so does what has the batch's first extent.
  template <class O>
  void prepare(Sink<O>& out, const Shape& shape, const Sinks<In...>& element) const {
    out.reset();
    out.take(shape);
    for_each_index<sizeof...(In)>([&](auto i) {
      const std::int64_t rows = std::get<i>(element).rows();
      if (rows < 0 || shape.rank() == 0 || shape[0] != input_->shapes()[i][0]) return;
      out.set_rows(rows);
    });
  }
  const StagePtr<In...> input_;
  const F f_;
  const int workers_;
};

template <class A, class B>
class ZipStage;
template <class... A, class... B>
class ZipStage<std::tuple<A...>, std::tuple<B...>> final : public Stage<A..., B...> {
 public:
  ZipStage(StagePtr<A...> a, StagePtr<B...> b)
      : Stage<A..., B...>(join(a->shapes(), b->shapes()), std::max(a->depth(), b->depth()) + 1),
        a_(std::move(a)),
        b_(std::move(b)) {}
  std::int64_t cardinality() const override {
    const std::int64_t a = a_->cardinality();
    const std::int64_t b = b_->cardinality();
    if (a == kInfinite) return b;
    if (b == kInfinite) return a;
    return a < 0 || b < 0 ? kUnknownCardinality : std::min(a, b);
  }
  bool is_random_access() const override {
    return a_->is_random_access() && b_->is_random_access();
  }
  void get(const Pass& pass, std::int64_t index, Sinks<A..., B...>& out) const override {
    with_parts(out, [&](Sinks<A...>& a, Sinks<B...>& b) {
      a_->get(pass, index, a);
      b_->get(branch_of(pass, 1), index, b);
      return true;
    });
  }
  std::unique_ptr<Cursor<A..., B...>> begin(const Pass& pass) const override {
    std::shared_ptr<Cursor<A...>> first = a_->begin(pass);
    std::shared_ptr<Cursor<B...>> second = b_->begin(branch_of(pass, 1));
    return std::make_unique<FunctionCursor<A..., B...>>([first, second](Sinks<A..., B...>& out) {
      return with_parts(
          out, [&](Sinks<A...>& a, Sinks<B...>& b) { return first->next(a) && second->next(b); });
    });
  }

 private:
  static std::array<Shape, sizeof...(A) + sizeof...(B)> join(
      const std::array<Shape, sizeof...(A)>& a, const std::array<Shape, sizeof...(B)>& b) {
    std::array<Shape, sizeof...(A) + sizeof...(B)> all;
    std::copy(a.begin(), a.end(), all.begin());
    std::copy(b.begin(), b.end(), all.begin() + sizeof...(A));
    return all;
  }
  // Moves the sinks into two tuples and back: they are handles, and what they write to stays.
  template <class F>
  static bool with_parts(Sinks<A..., B...>& out, F&& f) {
    Sinks<A...> a;
    Sinks<B...> b;
    for_each_index<sizeof...(A)>([&](auto i) { std::get<i>(a) = std::move(std::get<i>(out)); });
    for_each_index<sizeof...(B)>(
        [&](auto i) { std::get<i>(b) = std::move(std::get<sizeof...(A) + i>(out)); });
    const bool found = f(a, b);
    for_each_index<sizeof...(A)>([&](auto i) { std::get<i>(out) = std::move(std::get<i>(a)); });
    for_each_index<sizeof...(B)>(
        [&](auto i) { std::get<sizeof...(A) + i>(out) = std::move(std::get<i>(b)); });
    return found;
  }
  const StagePtr<A...> a_;
  const StagePtr<B...> b_;
};

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

// Rows are written where the batch is: in the feed's slot, where that is the last stage.
template <class... T>
class BatchStage final : public Stage<T...> {
 public:
  BatchStage(StagePtr<T...> input, std::int64_t size, bool drop_remainder)
      : Stage<T...>(batched(input->shapes(), size), input->depth() + 1),
        input_(std::move(input)),
        size_(size),
        drop_(drop_remainder) {}

  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (all < 0) return all;
    return drop_ ? all / size_ : (all + size_ - 1) / size_;
  }
  bool is_random_access() const override {
    return input_->is_random_access() && input_->cardinality() != kUnknownCardinality;
  }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    const std::int64_t all = input_->cardinality();
    const std::int64_t first = index * size_;
    const std::int64_t rows = all == kInfinite ? size_ : std::min(size_, all - first);
    fill(out, [&](std::int64_t row, Sinks<T...>& element) {
      if (row >= rows) return false;
      input_->get(pass, first + row, element);
      return true;
    });
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    if (is_random_access()) return std::make_unique<IndexCursor<T...>>(*this, pass);
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    return std::make_unique<FunctionCursor<T...>>([this, inner](Sinks<T...>& out) {
      const std::int64_t rows =
          fill(out, [&](std::int64_t, Sinks<T...>& element) { return inner->next(element); });
      return drop_ ? rows == size_ : rows > 0;
    });
  }

 private:
  static typename Stage<T...>::Shapes batched(typename Stage<T...>::Shapes shapes,
                                              std::int64_t size) {
    for (Shape& shape : shapes) shape = with_rows(size, shape);
    return shapes;
  }
  // A short window, or a short batch, does not fill its row.
  template <class E>
  static void require_whole(const Sink<E>& element, const Shape& shape) {
    if (element.rows() >= 0) throw_wrong_shape(shape, element.shape());
  }
  template <class Next>
  std::int64_t fill(Sinks<T...>& out, Next&& next) const {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      (std::get<I>(out).reset(), ...);
      const std::tuple<std::span<T>...> memory{std::get<I>(out).take(this->shapes()[I])...};
      const std::array<std::size_t, sizeof...(T)> sizes{std::get<I>(memory).size() /
                                                        static_cast<std::size_t>(size_)...};
      std::int64_t row = 0;
      for (; row < size_; ++row) {
        const auto at = static_cast<std::size_t>(row);
        Sinks<T...> element{
            Sink<T>(std::get<I>(memory).subspan(at * sizes[I], sizes[I]), input_->shapes()[I])...};
        if (!next(row, element)) break;
        (require_whole(std::get<I>(element), input_->shapes()[I]), ...);
      }
      if (row < size_) (std::get<I>(out).set_rows(row), ...);
      return row;
    }
    (std::index_sequence_for<T...>{});
  }
  const StagePtr<T...> input_;
  const std::int64_t size_;
  const bool drop_;
};

// Elements of different shapes, filled up to a common one.
template <class... T>
class PaddedBatchStage final : public Stage<T...> {
 public:
  PaddedBatchStage(StagePtr<T...> input, std::int64_t size, typename Stage<T...>::Shapes padded,
                   std::tuple<T...> values, bool drop_remainder)
      : Stage<T...>(batched(padded, size), input->depth() + 1),
        input_(std::move(input)),
        size_(size),
        padded_(std::move(padded)),
        values_(std::move(values)),
        drop_(drop_remainder) {}
  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (all < 0) return all;
    return drop_ ? all / size_ : (all + size_ - 1) / size_;
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    auto rows = std::make_shared<std::vector<Sinks<T...>>>(static_cast<std::size_t>(size_));
    return std::make_unique<FunctionCursor<T...>>([this, inner, rows](Sinks<T...>& out) {
      std::int64_t count = 0;
      while (count < size_ && inner->next((*rows)[static_cast<std::size_t>(count)])) ++count;
      if (count == 0 || (drop_ && count < size_)) return false;
      for_each_index<sizeof...(T)>([&](auto i) { pad<i>(*rows, count, out); });
      return true;
    });
  }

 private:
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
            std::max(shape[axis], std::get<I>(rows[static_cast<std::size_t>(row)]).shape()[axis]);
      }
    }
    auto& sink = std::get<I>(out);
    sink.reset();
    const auto memory = sink.take(with_rows(size_, shape));
    if (count < size_) sink.set_rows(count);
    std::fill(memory.begin(), memory.end(), std::get<I>(values_));
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
    if (small[axis] > large[axis]) throw_wrong_shape(large, small);
    std::int64_t from_step = 1;
    std::int64_t to_step = 1;
    for (std::size_t i = axis + 1; i < small.rank(); ++i) {
      from_step *= small[i];
      to_step *= large[i];
    }
    if (axis + 1 == small.rank()) {
      std::copy_n(from, small[axis], to);
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
};

template <class... T>
class UnbatchStage final : public Stage<T...> {
 public:
  explicit UnbatchStage(StagePtr<T...> input)
      : Stage<T...>(rows_of(input->shapes()), input->depth() + 1), input_(std::move(input)) {}
  std::int64_t cardinality() const override {
    return input_->cardinality() == kInfinite ? kInfinite : kUnknownCardinality;
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    struct State {
      std::unique_ptr<Cursor<T...>> inner;
      Sinks<T...> batch;
      std::int64_t next = 0;
      std::int64_t rows = 0;
    };
    auto state = std::make_shared<State>();
    state->inner = input_->begin(pass);
    return std::make_unique<FunctionCursor<T...>>([this, state](Sinks<T...>& out) {
      while (state->next == state->rows) {
        if (!state->inner->next(state->batch)) return false;
        state->next = 0;
        state->rows = std::get<0>(state->batch).shape()[0];
      }
      for_each_index<sizeof...(T)>([&](auto i) {
        const auto& from = std::get<i>(state->batch);
        const Shape row = without_rows(from.shape());
        const auto size = static_cast<std::size_t>(row.elements());
        const auto values =
            from.values().subspan(static_cast<std::size_t>(state->next) * size, size);
        std::get<i>(out).reset();
        std::copy(values.begin(), values.end(), std::get<i>(out).take(row).begin());
      });
      ++state->next;
      return true;
    });
  }

 private:
  static typename Stage<T...>::Shapes rows_of(typename Stage<T...>::Shapes shapes) {
    for (Shape& shape : shapes) shape = without_rows(shape);
    return shapes;
  }
  const StagePtr<T...> input_;
};

// Windows of `size` elements, `stride` apart, that begin `shift` apart.
template <class... T>
class WindowStage final : public Stage<T...> {
 public:
  WindowStage(StagePtr<T...> input, std::int64_t size, std::int64_t shift, std::int64_t stride,
              bool drop_remainder)
      : Stage<T...>(windows(input->shapes(), size), input->depth() + 1),
        input_(std::move(input)),
        size_(size),
        shift_(shift),
        stride_(stride),
        drop_(drop_remainder) {}
  std::int64_t cardinality() const override {
    const std::int64_t all = input_->cardinality();
    if (all < 0) return all;
    if (!drop_) return (all + shift_ - 1) / shift_;
    const std::int64_t span = (size_ - 1) * stride_ + 1;
    return all < span ? 0 : (all - span) / shift_ + 1;
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    struct State {
      std::unique_ptr<Cursor<T...>> inner;
      std::vector<Sinks<T...>> held;  // a ring: element n in place n % size
      std::int64_t read = 0;
      std::int64_t first = 0;
      bool ended = false;
    };
    auto state = std::make_shared<State>();
    state->inner = input_->begin(pass);
    state->held.resize(static_cast<std::size_t>((size_ - 1) * stride_ + 1));
    return std::make_unique<FunctionCursor<T...>>([this, state](Sinks<T...>& out) {
      State& s = *state;
      const auto place = [&](std::int64_t n) -> Sinks<T...>& {
        return s.held[static_cast<std::size_t>(n) % s.held.size()];
      };
      const std::int64_t end = s.first + (size_ - 1) * stride_ + 1;
      while (!s.ended && s.read < end) {
        s.ended = !s.inner->next(place(s.read));
        if (!s.ended) ++s.read;
      }
      const std::int64_t there = std::max<std::int64_t>(0, s.read - s.first);
      const std::int64_t count = std::min(size_, (there + stride_ - 1) / stride_);
      if (count <= 0 || (drop_ && count < size_)) return false;
      for_each_index<sizeof...(T)>([&](auto i) {
        auto& sink = std::get<i>(out);
        sink.reset();
        const auto memory = sink.take(this->shapes()[i]);
        const std::size_t size = memory.size() / static_cast<std::size_t>(size_);
        for (std::int64_t k = 0; k < count; ++k) {
          const auto values = std::get<i>(place(s.first + k * stride_)).values();
          std::copy(
              values.begin(), values.end(),
              memory.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(k) * size));
        }
        if (count < size_) sink.set_rows(count);
      });
      s.first += shift_;
      return true;
    });
  }

 private:
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

// `cycle` data sets, made of elements, taken from in turn, `block` elements at a time.
template <class F, class Input, class... Out>
class InterleaveStage;
template <class F, class... In, class... Out>
class InterleaveStage<F, std::tuple<In...>, Out...> final : public Stage<Out...> {
 public:
  InterleaveStage(StagePtr<In...> input, typename Stage<Out...>::Shapes shapes, F f,
                  std::int64_t cycle, std::int64_t block)
      : Stage<Out...>(shapes, input->depth() + 1),
        input_(std::move(input)),
        f_(std::move(f)),
        cycle_(cycle),
        block_(block) {}
  std::int64_t cardinality() const override { return kUnknownCardinality; }
  std::unique_ptr<Cursor<Out...>> begin(const Pass& pass) const override {
    struct Lane {
      StagePtr<Out...> stage;
      std::unique_ptr<Cursor<Out...>> cursor;
    };
    struct State {
      std::unique_ptr<Cursor<In...>> inner;
      Sinks<In...> element;
      std::vector<Lane> lanes;
      std::size_t lane = 0;
      std::int64_t given = 0;   // of the lane's block
      std::int64_t opened = 0;  // lanes so far
      std::int64_t open = 0;    // lanes now
      bool ended = false;       // there are no more to open
    };
    auto state = std::make_shared<State>();
    state->inner = input_->begin(pass);
    state->lanes.resize(static_cast<std::size_t>(cycle_));
    return std::make_unique<FunctionCursor<Out...>>([this, state, pass](Sinks<Out...>& out) {
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
          lane.cursor.reset();  // another takes its place when its turn comes round
          --s.open;
          next_lane();
        } else if (!s.ended && s.inner->next(s.element)) {
          lane.stage = std::apply(
              [&](auto&... sinks) { return f_(std::as_const(sinks).present()...).stage(); },
              s.element);
          lane.cursor = lane.stage->begin(branch_of(pass, s.opened++));
          ++s.open;
        } else {
          s.ended = true;
          next_lane();
        }
      }
      return false;
    });
  }

 private:
  const StagePtr<In...> input_;
  const F f_;
  const std::int64_t cycle_;
  const std::int64_t block_;
};

// ---- Reading ahead ----
// Threads of its own for what is before it, where elements cannot be asked for by number; where
// they can, the feed's workers do that.
template <class... T>
class PrefetchStage final : public Stage<T...> {
 public:
  PrefetchStage(StagePtr<T...> input, std::int64_t ahead)
      : Stage<T...>(input->shapes(), input->depth() + 1), input_(std::move(input)), ahead_(ahead) {}
  std::int64_t cardinality() const override { return input_->cardinality(); }
  bool is_random_access() const override { return input_->is_random_access(); }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, index, out);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    return std::make_unique<AheadCursor<std::monostate, T...>>(
        [inner](std::monostate, Sinks<T...>& element) { return inner->next(element); },
        [](std::monostate, Sinks<T...>&, std::int64_t) {}, 1, ahead_);
  }

 private:
  const StagePtr<T...> input_;
  const std::int64_t ahead_;
};

// ---- Caches ----
template <class... T>
class CacheStage final : public Stage<T...> {
 public:
  CacheStage(StagePtr<T...> input, std::string path)
      : Stage<T...>(input->shapes(), input->depth() + 1),
        input_(std::move(input)),
        path_(std::move(path)) {}

  std::int64_t cardinality() const override {
    const std::lock_guard lock(mutex_);
    return whole_ ? static_cast<std::int64_t>(elements_.size()) : input_->cardinality();
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass) const override {
    load();
    {
      const std::lock_guard lock(mutex_);
      if (whole_) {
        return std::make_unique<FunctionCursor<T...>>(
            [this, next = std::size_t{0}](Sinks<T...>& out) mutable {
              if (next == elements_.size()) return false;  // never changes once it is whole
              copy_element(elements_[next++], out);
              return true;
            });
      }
    }
    // Kept only if this pass comes to its end.
    auto kept = std::make_shared<std::vector<Sinks<T...>>>();
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass);
    return std::make_unique<FunctionCursor<T...>>([this, kept, inner](Sinks<T...>& out) {
      if (inner->next(out)) {
        kept->emplace_back();
        copy_element(out, kept->back());
        return true;
      }
      keep(std::move(*kept));
      return false;
    });
  }

 private:
  void keep(std::vector<Sinks<T...>> elements) const {
    const std::lock_guard lock(mutex_);
    if (whole_) return;
    if (!path_.empty()) save(elements);
    elements_ = std::move(elements);
    whole_ = true;
  }
  // Shapes and element types, so that another pipeline's file is not taken for this one's.
  std::string signature() const {
    std::string text;
    for_each_index<sizeof...(T)>([&](auto i) {
      text += std::string(name_of(dtype_of<std::tuple_element_t<i, std::tuple<T...>>>)) +
              to_string(this->shapes()[i]) + ";";
    });
    return text;
  }
  void save(const std::vector<Sinks<T...>>& elements) const {
    std::vector<std::byte> bytes;
    const auto append = [&](const void* data, std::size_t size) {
      const auto* from = static_cast<const std::byte*>(data);
      bytes.insert(bytes.end(), from, from + size);
    };
    for (const Sinks<T...>& element : elements) {
      for_each_index<sizeof...(T)>([&](auto i) {
        const auto& sink = std::get<i>(element);
        const Shape shape = sink.shape();
        for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
          const std::int64_t extent = shape[axis];
          append(&extent, sizeof extent);
        }
        append(sink.values().data(), sink.values().size_bytes());
      });
    }
    write_cache(path_, signature(), static_cast<std::int64_t>(elements.size()), bytes);
  }
  void load() const {
    const std::lock_guard lock(mutex_);
    if (whole_ || path_.empty()) return;
    std::int64_t count = 0;
    const std::optional<std::vector<std::byte>> bytes = read_cache(path_, signature(), count);
    if (!bytes) return;
    std::size_t at = 0;
    const auto take = [&](void* to, std::size_t size) {
      if (size > bytes->size() - at) throw IoError(path_ + ": a damaged cache. Remove it");
      std::memcpy(to, bytes->data() + at, size);
      at += size;
    };
    std::vector<Sinks<T...>> elements;
    for (std::int64_t n = 0; n < count; ++n) {
      elements.emplace_back();
      for_each_index<sizeof...(T)>([&](auto i) {
        Shape shape = this->shapes()[i];
        for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
          std::int64_t extent = 0;
          take(&extent, sizeof extent);
          if (extent < 0 || extent > static_cast<std::int64_t>(bytes->size())) {
            throw IoError(path_ + ": a damaged cache. Remove it");
          }
          shape[axis] = extent;
        }
        if (shape.elements() > static_cast<std::int64_t>(bytes->size())) {
          throw IoError(path_ + ": a damaged cache. Remove it");
        }
        const auto memory = std::get<i>(elements.back()).take(shape);
        take(memory.data(), memory.size_bytes());
        if (shape.rank() > 0 && shape[0] != this->shapes()[i][0]) {
          std::get<i>(elements.back()).set_rows(shape[0]);
        }
      });
    }
    elements_ = std::move(elements);
    whole_ = true;
  }

  const StagePtr<T...> input_;
  const std::string path_;
  mutable std::mutex mutex_;
  mutable bool whole_ = false;
  mutable std::vector<Sinks<T...>> elements_;
};

}  // namespace detail
}  // namespace stoker
