// Generators: a program's own sources of batches, typed, which write straight into the slot.
//
// The simplest is a function, given to generator(). A source with state of its own is a class that
// derives from BatchGenerator. fit_generator, evaluate_generator and predict_generator take a
// SourceHandle, which every generator converts to. coroutine.h, sequence.h, device_source.h and
// dataset.h have further kinds of sources.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/detail/generator_types.h"
#include "stoker/source.h"

namespace stoker {

// The shapes of a batch, batch extent first. One input, one target and one weight for all targets
// are x, y and sample_weight; several go into `inputs`, `targets` and `sample_weights`. Fields are
// ordered: inputs, targets, sample weights.
struct BatchShapes {
  Shape x{};
  Shape y{};
  Shape sample_weight{};  // {32}, if the source gives weights
  std::vector<Shape> inputs{};
  std::vector<Shape> targets{};
  std::vector<Shape> sample_weights{};  // one for each target, in their order
};

// A generator to derive from, for sources with state of their own:
//
//   class Faces : public BatchGenerator<float, std::int32_t> {
//    public:
//     Faces() : BatchGenerator({.x = {32, 64, 64, 3}, .y = {32}}) {}
//     std::int64_t fill(BatchContext& batch, std::span<float> x,
//                       std::span<std::int32_t> y) override { ...; return 32; }
//   };
//   model.fit_generator(Faces());
//
// The types T name the fields' elements in order. A type that no slot holds (double, int64_t) is
// allowed here, so that cast<float>() can convert it, and refused where the source is used. fill()
// is called on a thread of the feed, never by two threads at a time unless pure() returns true.
template <class... T>
class BatchGenerator : public Source {
 public:
  // Throws ValueError if there are not as many shapes as types, and ShapeError for shapes without a
  // batch extent or with different ones, and for sample weights that are neither one nor one for
  // each target. Callers should not pass `is_optimized`: the default argument is that of the
  // caller's file.
  explicit BatchGenerator(const BatchShapes& shapes, bool is_optimized = detail::kOptimized);

  // Writes one batch into spans over the whole fields, rows in C order. Returns the rows written; 0
  // ends the epoch.
  virtual std::int64_t fill(BatchContext& batch, std::span<T>... fields) = 0;

  const BatchSpec& spec() const override { return spec_; }
  std::int64_t fill(BatchContext& batch, const Slot& slot) override;
  SourceTraits traits() const override { return traits_of(SourceKind::custom); }

 protected:
  SourceTraits traits_of(SourceKind kind) const { return {kind, is_optimized_}; }

 private:
  BatchSpec spec_;
  bool is_optimized_;
};

// A handle of a generator; copies share it.
template <class... T>
class Generator {
 public:
  explicit Generator(std::shared_ptr<BatchGenerator<T...>> source) : source_(std::move(source)) {}
  const std::shared_ptr<BatchGenerator<T...>>& source() const { return source_; }

 private:
  std::shared_ptr<BatchGenerator<T...>> source_;
};

// Marks a function object that depends on nothing but its arguments, so that several workers may
// call it at the same time: generator<float>(shapes, pure(f)).
template <class F>
struct Pure {
  F function;
};
template <class F>
Pure<std::decay_t<F>> pure(F&& function) {
  return {std::forward<F>(function)};
}

// Makes a generator from a function: void f(BatchContext&, std::span<T>...) never ends; one that
// returns an integer says how many rows it filled, 0 to end the epoch. The function is called on a
// thread of the feed, and by several at a time if it has no captures or is given as pure(f). Throws
// as the constructor of BatchGenerator.
//
//   auto batches = generator<float, std::int32_t>({.x = {32, 28, 28, 1}, .y = {32}},
//       [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) { ... });
template <class... T, class F>
Generator<T...> generator(const BatchShapes& shapes, F function);

// Returns a Generator of the same batches with float64 fields converted to To (float, or another
// slot type) and integers that no slot holds converted to int32_t, on the way into the slot. A
// number that does not fit is a DataError.
//
// `source` is a Generator, a variable of a class derived from BatchGenerator, which the caller owns
// and keeps alive, a temporary of such a class, which the result takes over, or a std::shared_ptr
// to one. Throws ValueError for a null one or a handle that was moved from, and if batches that are
// made in the device's memory would have to be converted.
template <class To, class S>
auto cast(S&& source);

// A handle of any source whose element types a slot holds, as fit_generator, evaluate_generator and
// predict_generator take it. Copies share the source. A Dataset converts to a handle too. A handle
// without a source, or that was moved from, is a ValueError where it is used.
class SourceHandle {
 public:
  template <class... T>
  SourceHandle(const Generator<T...>& generator);
  // Refers to a generator that the caller owns and keeps alive.
  template <class... T>
  SourceHandle(BatchGenerator<T...>& generator);
  // Takes over a temporary, or what std::move gives away; its class needs a move constructor.
  template <detail::TemporaryGenerator G>
  SourceHandle(G&& generator);
  // Shares the source. The element types of a BatchGenerator are checked.
  template <class S>
  requires std::is_convertible_v<S*, Source*> SourceHandle(std::shared_ptr<S> source);
  SourceHandle(std::shared_ptr<Source> source) : source_(std::move(source)) {}
  // A constant generator does not compile, since fill() changes it.
  template <class... T>
  SourceHandle(const BatchGenerator<T...>& generator);

  const std::shared_ptr<Source>& source() const { return source_; }

 private:
  std::shared_ptr<Source> source_;
};

}  // namespace stoker

#include "stoker/detail/generator.h"  // what the templates above do

#include "stoker/detail/cast.h"
