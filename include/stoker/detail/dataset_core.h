// The common part of a Dataset's stages. Programs include stoker/dataset.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/detail/dataset_pass.h"
#include "stoker/detail/dataset_sink.h"
#include "stoker/dtype.h"
#include "stoker/error.h"
#include "stoker/random.h"
#include "stoker/shape.h"
#include "stoker/source.h"

namespace stoker::detail {

// Goes through the elements once. One thread at a time may use it.
template <class... T>
class Cursor {
 public:
  virtual ~Cursor() = default;
  // Returns false at the end; the sinks then hold nothing.
  virtual bool next(Sinks<T...>& out) = 0;
  // Returns whether threads of the stage's own make the elements.
  virtual bool has_threads() const { return false; }
};

// The function that get_each() calls as soon as an element has been made, with its index among
// those that were asked for. The object only refers to the function, which must outlive the call,
// and allocates nothing.
class ElementCallback {
 public:
  template <class F>
  requires(!std::is_same_v<F, ElementCallback>) ElementCallback(const F& f)
      : function_(&f), call_([](const void* function, std::size_t place) {
          (*static_cast<const F*>(function))(place);
        }) {}
  void operator()(std::size_t place) const { call_(function_, place); }

 private:
  const void* function_;
  void (*call_)(const void*, std::size_t);
};

// The part of a stage that doesn't depend on its element types.
class StageBase {
 public:
  // `inputs` are the stages before this one, which it keeps alive.
  StageBase(std::string name, std::initializer_list<const StageBase*> inputs);
  virtual ~StageBase() = default;

  // Returns what the stage is, or what the program calls it.
  const std::string& name() const { return name_; }
  const std::vector<const StageBase*>& inputs() const { return inputs_; }
  // Returns the number of stages before this one, which is a part of the key of its random numbers.
  std::uint32_t depth() const { return depth_; }
  // Returns the number of stages before the next one.
  virtual std::uint32_t depth_behind() const { return depth_ + 1; }
  // Returns the number of stages up to this one, all branches included.
  std::uint32_t stages() const { return stages_; }
  // Returns the stage's number among those of the whole pipeline.
  std::uint32_t number_in(const Pass& pass) const {
    return pass.is_within ? pass.base : pass.base + stages_ - 1;
  }
  StageCounter* counter_in(const Pass& pass) const {
    return pass.stats != nullptr ? &pass.stats->of(number_in(pass)) : nullptr;
  }
  virtual std::int64_t cardinality() const = 0;
  // Returns whether elements can be asked for by number, in any order and by several threads.
  virtual bool is_random_access() const { return false; }
  // Returns whether a pass is the same whichever passes were made before it. It is not while a
  // cache waits to be filled, since its elements then are those of the pass that fills it.
  virtual bool is_settled() const;
  // Returns how many threads of its own the stage was given: none, a number, or AUTOTUNE.
  virtual int threads() const { return 0; }
  // Returns that of this stage, or else of one before it.
  int threads_so_far() const;
  // Returns whether the stage passes over elements that fail, so that those behind them move up.
  virtual bool moves_up() const { return false; }
  bool any_moves_up() const;
  // Returns whether an element may have fewer rows than its shape says, or of what size it is only
  // the element itself says.
  virtual bool may_be_short() const;
  // Returns the bytes of the components whose shape is known.
  virtual std::int64_t element_bytes() const = 0;

 private:
  const std::string name_;
  const std::vector<const StageBase*> inputs_;
  std::uint32_t depth_ = 0;
  std::uint32_t stages_ = 1;
};

// A step of the pipeline: immutable, shared, and usable by any number of cursors at a time. The
// functions that are called begin(), get() and get_each() count and measure what the do_ functions
// of the stages make.
template <class... T>
class Stage : public StageBase {
 public:
  using Shapes = std::array<Shape, sizeof...(T)>;

  Stage(std::string name, const Shapes& shapes, std::initializer_list<const StageBase*> inputs)
      : StageBase(std::move(name), inputs), shapes_(shapes) {}

  // Returns the shapes of an element's components; an extent that differs from element to element
  // is kUnknown.
  const Shapes& shapes() const { return shapes_; }
  std::int64_t element_bytes() const override;

  // Goes through a pass, from its element number `first` on. The elements before it are made only
  // where later ones depend on that; functions of maps aren't called for them then.
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass, std::int64_t first = 0) const;
  // Makes an element by number.
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const;
  // Does as get() for each of `indices` in turn. All elements go into `out`, from where
  // `on_element` takes them. Work that a stage has to do once is done once for all of them.
  static constexpr std::size_t kMostAtOnce = 64;  // indices
  void get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                const ElementCallback& on_element) const {
    make_each(pass, indices, out, on_element, true);
  }
  // Does as get_each(). The caller says whether the elements are to be counted.
  void make_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                 const ElementCallback& on_element, bool is_counted) const;
  // Returns by how many bytes an element is smaller than its shape says.
  std::int64_t missing_bytes(const Sinks<T...>& element) const;

 protected:
  virtual std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const = 0;
  virtual void do_get(const Pass&, std::int64_t, Sinks<T...>&) const {}
  virtual void do_get_each(const Pass& pass, std::span<const std::int64_t> indices,
                           Sinks<T...>& out, const ElementCallback& on_element) const {
    for (std::size_t i = 0; i < indices.size(); ++i) {
      do_get(pass, indices[i], out);
      on_element(i);
    }
  }
  // Implements do_get_each() for stages whose elements have other numbers in the stage before.
  template <class Number>
  static void get_each_of(const Stage& input, const Pass& pass,
                          std::span<const std::int64_t> indices, Sinks<T...>& out,
                          const ElementCallback& on_element, Number&& number) {
    std::array<std::int64_t, kMostAtOnce> before;
    for (std::size_t i = 0; i < indices.size(); ++i) before[i] = number(indices[i]);
    input.get_each(pass, std::span(before).first(indices.size()), out, on_element);
  }
  // Returns the cursor of a stage whose elements can be asked for by number. Threads that a stage
  // before it was given make its elements.
  std::unique_ptr<Cursor<T...>> by_number(const Pass& pass, std::int64_t first) const;

 private:
  template <class... U>
  friend class IndexCursor;

  const Shapes shapes_;
};

template <class... T>
using StagePtr = std::shared_ptr<const Stage<T...>>;

// The cursor of stages whose elements can be asked for by number.
template <class... T>
class IndexCursor final : public Cursor<T...> {
 public:
  IndexCursor(const Stage<T...>& stage, const Pass& pass, std::int64_t first)
      : stage_(stage), pass_(pass), next_(first) {}
  bool next(Sinks<T...>& out) override {
    const std::int64_t count = stage_.cardinality();
    if (count != kInfinite && next_ >= count) return false;
    stage_.do_get(pass_, next_++, out);
    return true;
  }

 private:
  const Stage<T...>& stage_;
  const Pass pass_;
  std::int64_t next_;
};

// Passes over `count` elements by making them, and returns the cursor.
template <class... T>
std::unique_ptr<Cursor<T...>> passed_over(std::unique_ptr<Cursor<T...>> cursor,
                                          std::int64_t count) {
  Sinks<T...> dropped;
  for (std::int64_t i = 0; i < count && cursor->next(dropped); ++i) {
  }
  return cursor;
}

// The cursor that calls a function object.
template <class Next, class... T>
class FunctionCursor final : public Cursor<T...> {
 public:
  explicit FunctionCursor(Next next) : next_(std::move(next)) {}
  bool next(Sinks<T...>& out) override { return next_(out); }

 private:
  Next next_;
};
template <class... T, class Next>
std::unique_ptr<Cursor<T...>> function_cursor(Next next) {
  return std::make_unique<FunctionCursor<Next, T...>>(std::move(next));
}

template <std::size_t N, class F>
void for_each_index(F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (f(std::integral_constant<std::size_t, I>{}), ...);
  }
  (std::make_index_sequence<N>{});
}

}  // namespace stoker::detail

#include "stoker/detail/dataset_measured.h"  // begin(), get() and make_each()
