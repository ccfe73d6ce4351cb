// Stages that change a Dataset's elements, on one thread or several. Programs include
// stoker/dataset.h.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <variant>

#include "stoker/dataset_core.h"

namespace stoker {

// The element that the function of a map is called for.
struct MapContext {
  std::int64_t epoch = 0;
  std::int64_t ordinal = 0;  // the element's number in its pass, from 0
  Random random{};           // its numbers are the same for any number of workers
};
namespace detail {

// ---- Threads ----
// Makes elements ahead on threads of its own and gives them in order, for map with workers and for
// prefetch. `ask` reads the next element of the stage before, into `held` or straight to its place;
// one thread at a time calls it. `work` makes the result from it, on all threads.
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
      if (!found) end_ = place.error ? asked_ : ordinal;  // no element follows an error
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
  std::int64_t end_ = kNotYet;  // the number of elements, once it is known
  bool asking_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// ---- Stages that change elements ----
// Calls f for one element. If f takes a context, it is made and passed first.
template <class F, class MakeContext, class... Arguments>
void call_map(const F& f, const MakeContext& make_context, Arguments... arguments) {
  if constexpr (std::is_invocable_v<const F&, MapContext&, Arguments...>) {
    MapContext context = make_context();
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

// Maps in place: the element is written to its final place, and changed there.
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
  void get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                const ElementCallback& on_element) const override {
    const auto map = [&](std::size_t place) {
      apply(pass, indices[place], out);
      on_element(place);
    };
    input_->get_each(pass, indices, out, map);
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
      const auto context = [&] { return context_of(*this, pass, ordinal); };
      std::apply([&](auto&... sinks) { call_map(f_, context, sinks.present()...); }, out);
    } catch (...) {
      throw_in_stage("map", ordinal);
    }
  }
  const StagePtr<T...> input_;
  const F f_;
  const int workers_;
};

// Memory for one element, which the thread keeps for the next, since a call must not allocate.
// Nested calls have one each.
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

// Maps elements of one kind to elements of another.
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
  void get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<Out...>& out,
                const ElementCallback& on_element) const override {
    const Lease<Sinks<In...>> element;
    const auto map = [&](std::size_t place) {
      apply(pass, indices[place], *element, out);
      on_element(place);
    };
    input_->get_each(pass, indices, *element, map);
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
      const auto context = [&] { return context_of(*this, pass, ordinal); };
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
  // A short batch stays short, and so does every result whose first extent is the batch's.
  template <class O>
  void prepare(Sink<O>& out, const Shape& shape, const Sinks<In...>& element) const {
    out.reset();
    out.take(shape);
    for_each_index<sizeof...(In)>([&](auto i) {
      const std::int64_t rows = std::get<i>(element).rows();
      if (rows < 0 || shape.rank() == 0 || shape[0] != input_->shapes()[i][0]) return;
      if (out.rows() >= 0 && out.rows() != rows) {
        throw_different_rows("map", out.shape(), std::get<i>(element).shape());
      }
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
  // Moves the sinks into two tuples and back. Sinks are handles, so the memory that they write to
  // stays.
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

}  // namespace detail
}  // namespace stoker
