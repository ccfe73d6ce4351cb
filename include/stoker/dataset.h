// Pipelines of elements, with tf.data's names and meanings: where elements come from, what is done
// to each, and how they become batches.
//
//   auto images = Dataset<std::uint8_t, std::int32_t>::from_tensor_slices({x, y});
//   auto batches = images
//       .shuffle(60000, 7)
//       .map<float, std::int32_t>({Shape{28, 28, 1}, Shape{}},
//            [](MapContext& context, std::span<const std::uint8_t> pixels,
//               std::span<const std::int32_t> label, std::span<float> image,
//               std::span<std::int32_t> out) { ... })
//       .batch(128);
//   model.fit(batches, {.epochs = 10, .workers = AUTOTUNE});
//
// An element is a tuple of components; component i has elements of the i-th type and a shape of its
// own. A Dataset is a value that describes a pipeline; copies are cheap and share it. Nothing runs
// until batches are asked for, and then rows are written where they will be read: the last map
// writes into the slot of the feed.
//
// Elements that can be asked for by number (from tensors, by maps, batches, shuffles) are made by
// the feed's workers, as many as `workers` of fit says. After filter, from_generator, cache and the
// like they come one after another. A stage that is given `workers` has threads of its own in
// either case.
//
// Random numbers and orders are functions of the seed, the epoch, the stage and the element, so
// that they are the same for any number of workers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "stoker/dataset_options.h"
#include "stoker/detail/dataset_iterator.h"
#include "stoker/generator.h"
#include "stoker/shape.h"
#include "stoker/tensor.h"
#include "stoker/varying.h"

namespace stoker {

// Methods throw ValueError for arguments outside of their range. Functions that they are given are
// called on the threads that make the elements, and by several at a time where elements can be
// asked for by number, or where the stage, or one after it, has workers. What such a function
// throws is nested in a DataError that names stage and element.
template <class... T>
class Dataset {
  static_assert(sizeof...(T) > 0, "A Dataset has at least one component");
  static_assert((is_slot_type<T> && ...),
                "A Dataset's elements are float, int32_t, uint8_t, bfloat16 or float16");

 public:
  static constexpr std::int64_t kInfinite = detail::kInfinite;           // cardinality, repeat
  static constexpr std::int64_t kUnknown = detail::kUnknownCardinality;  // cardinality
  using Shapes = std::array<Shape, sizeof...(T)>;

  explicit Dataset(detail::StagePtr<T...> stage) : stage_(std::move(stage)) {}

  // ---- Sources ----
  // Makes an element of each row of the tensors. Throws ShapeError if their numbers of rows differ,
  // and DTypeError if their types are not those of the components.
  static Dataset from_tensor_slices(std::array<Tensor, sizeof...(T)> tensors);
  // Takes elements from a generator. `start(epoch)` returns a function for one pass: bool
  // next(std::span<T>... components) writes an element of these shapes, or returns false at the
  // end. Elements of different shapes: bool next(VaryingOutput<T>... components), with
  // Shape::kUnknown for the extents that differ (stoker/varying.h).
  template <class Start>
  static Dataset from_generator(Shapes shapes, Start start, FromGeneratorOptions options = {});

  // ---- Which elements ----
  // Gives the elements in another order, each drawn from the next `buffer` ones. If they can be
  // asked for by number, no memory is needed for them but for their numbers; if the buffer then
  // holds all of them, all orders are equally likely.
  //
  // To split a data set, take() and skip() first and shuffle the parts, or shuffle without
  // reshuffle_each_iteration. After a shuffle that differs from epoch to epoch, take(n) and skip(n)
  // give other elements in every epoch, so that training sees those that validation is measured on.
  //
  //   auto validation = all.take(1000).batch(32);
  //   auto training = all.skip(1000).shuffle(50000, 7).batch(32);
  Dataset shuffle(std::int64_t buffer, std::uint64_t seed = 0, ShuffleOptions options = {}) const;
  // Repeats the elements `count` times; for ever without an argument. Every round is shuffled anew.
  Dataset repeat(std::int64_t count = kInfinite) const;
  Dataset take(std::int64_t count) const;  // -1: all
  Dataset skip(std::int64_t count) const;  // -1: all, which leaves none
  // Gives part `index` of `shards` parts: elements index, index + shards, ...
  Dataset shard(std::int64_t shards, std::int64_t index) const;
  // Gives the elements for which predicate(std::span<const T>...) holds.
  template <class Predicate>
  Dataset filter(Predicate predicate, FilterOptions options = {}) const;
  // Gives the elements of this data set and then those of the other one. Throws ShapeError if their
  // shapes differ.
  Dataset concatenate(const Dataset& other) const;

  // ---- What they are ----
  // Changes elements in place: f([MapContext&,] std::span<T>... components).
  template <class F>
  Dataset map(F f, MapOptions options = {}) const;
  // Makes elements of other types or shapes: f([MapContext&,] std::span<const T>...,
  // std::span<Out>...). A short batch or window has only the rows that there are, and results whose
  // first extent is the batch's are as short. f([MapContext&,] VaryingInput<T>...,
  // VaryingOutput<Out>...) is told the shapes of components and decides on those of its results,
  // which may differ from element to element (stoker/varying.h).
  template <class... Out, class F>
  requires(sizeof...(Out) > 0) Dataset<Out...> map(const std::array<Shape, sizeof...(Out)>& shapes,
                                                   F f, MapOptions options = {})
  const;
  // Puts its number before each element.
  Dataset<std::int32_t, T...> enumerate() const;
  // Gives the elements of the data sets that f(std::span<const T>...) makes of elements:
  // block_length elements from each in turn, from cycle_length data sets at a time. When one ends,
  // the next has its turn, and another data set is opened in its place when its turn comes again. f
  // is called for the first element at once, for the shapes.
  template <class F>
  auto interleave(F f, InterleaveOptions options = {}) const;

  // ---- Batches ----
  // Puts `size` elements together to a batch, which has one axis more. The last batch of a pass may
  // have fewer rows. Throws ShapeError for elements of different shapes.
  Dataset batch(std::int64_t size, BatchOptions options = {}) const;
  // Pads elements with `values` up to `shapes`, or, where an extent is Shape::kUnknown, to the
  // largest of the batch. Models take batches of one shape; for them `shapes` needs every extent. A
  // larger element is a ShapeError: nothing is cut off.
  Dataset padded_batch(std::int64_t size, Shapes shapes, std::tuple<T...> values = {},
                       BatchOptions options = {}) const;
  // Gives the rows of elements as elements. Throws ShapeError, here or when the element comes, if
  // components have different numbers of rows, or are scalars.
  Dataset unbatch() const;
  // Gives windows as elements with an axis in front; the last ones may be short.
  Dataset window(std::int64_t size, WindowOptions options = {}) const;

  // ---- Keeping and reading ahead ----
  // Keeps the elements in memory or, with a path, in a file that a later run reads too. The first
  // pass that comes to its end, or to the last element if their number is known, fills the cache;
  // random numbers of the stages before it stay those of that pass. The file has checksums, and is
  // either whole or not there: a file that is damaged, or of other elements, is an IoError.
  Dataset cache(std::string path = {}) const;
  // Makes up to `count` elements ahead (AUTOTUNE: as suits it), on a thread of its own if elements
  // come one after another. The feed reads batches ahead in any case (max_queue_size of fit).
  Dataset prefetch(std::int64_t count = AUTOTUNE) const;

  // ---- What there is ----
  // Returns the number of elements in a pass; kInfinite, or kUnknown if only a pass can tell.
  std::int64_t cardinality() const { return stage_->cardinality(); }
  const Shapes& element_shapes() const { return stage_->shapes(); }
  bool is_random_access() const { return stage_->is_random_access(); }
  const detail::StagePtr<T...>& stage() const { return stage_; }

  // Calls f(std::span<const T>...) for each element of a pass. An exception of f is passed on as it
  // is. Every other exception, here and from the iterators below, is a stoker::Error; what a map, a
  // filter or a generator threw is nested in it.
  template <class F>
  void for_each(F f, std::int64_t epoch = 0, std::uint64_t seed = 0) const;

  // Goes through a pass in a loop, without a function. Values are valid until the next element is
  // asked for:
  //
  //   for (const auto& [image, label] : batches) ...        // spans of const T
  //   for (const auto& [image, label] : batches.pass(3)) ...
  using Iterator = detail::DatasetIterator<T...>;
  using Elements = detail::DatasetElements<T...>;
  Elements pass(std::int64_t epoch, std::uint64_t seed = 0) const {
    return Elements(stage_, {seed, epoch});
  }
  Iterator begin() const { return Iterator(stage_, {}); }
  std::default_sentinel_t end() const { return {}; }

  // Returns the data set as a source of batches, which its last stage must make. One component is
  // the input, two are input and target, and of three the last has sample weights. Otherwise
  // `inputs` and `targets` say how many components are inputs and targets; the others are sample
  // weights, one for all targets or one for each. Throws ShapeError if batches have no fixed shape.
  SourceHandle source(std::uint64_t seed = 0, std::size_t inputs = 0,
                      std::size_t targets = 0) const;
  operator SourceHandle() const { return source(); }

 private:
  template <class S, class... A>
  static Dataset make(A&&... arguments);

  detail::StagePtr<T...> stage_;
};

// Gives first, first + step, ... below `end`, as tf.data's range. Throws ValueError for a step of
// 0.
Dataset<std::int32_t> range(std::int32_t first, std::int32_t end, std::int32_t step = 1);
Dataset<std::int32_t> range(std::int32_t end);

// Puts the elements of two data sets side by side; the result ends with the shorter.
template <class... A, class... B>
Dataset<A..., B...> zip(const Dataset<A...>& a, const Dataset<B...>& b);

}  // namespace stoker

#include "stoker/detail/dataset.h"  // what the templates above do
