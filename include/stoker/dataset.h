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
// Elements that can be asked for by number (from tensors, by maps, batches, whole shuffles) are
// made by the feed's workers, as many as `workers` of fit says. After filter, from_generator, a
// shuffle with a smaller buffer, cache and the like they come one after another; `workers` of map,
// and prefetch, then have threads of their own.
//
// Random numbers and orders are functions of the seed, the epoch, the stage and the element, so
// that they are the same for any number of workers.
#pragma once

#include "stoker/dataset_batch.h"
#include "stoker/dataset_cache.h"
#include "stoker/dataset_map.h"
#include "stoker/dataset_select.h"
#include "stoker/dataset_source.h"
#include "stoker/dataset_window.h"
#include "stoker/generator.h"

namespace stoker {

struct MapOptions {
  int workers = 1;  // up to 1024; AUTOTUNE: one for each core
};
struct ShuffleOptions {
  bool reshuffle_each_iteration = true;
};
struct BatchOptions {
  bool drop_remainder = false;
};
struct WindowOptions {
  std::int64_t shift = 0;  // 0 means the size
  std::int64_t stride = 1;
  bool drop_remainder = false;
};
struct InterleaveOptions {
  std::int64_t cycle_length = 2;
  std::int64_t block_length = 1;
};

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
  static Dataset from_tensor_slices(std::array<Tensor, sizeof...(T)> tensors) {
    Shapes rows;
    const std::int64_t count = tensors[0].shape().rank() == 0 ? 0 : tensors[0].shape()[0];
    detail::for_each_index<sizeof...(T)>([&](auto i) {
      using Element = std::tuple_element_t<i, std::tuple<T...>>;
      static_cast<void>(tensors[i].template data<Element>());
      if (tensors[i].shape().rank() == 0 || tensors[i].shape()[0] != count) {
        throw ShapeError(
            "Dataset::from_tensor_slices: expected as many rows of each tensor, "
            "received " +
            to_string(tensors[0].shape()) + " and " + to_string(tensors[i].shape()));
      }
      rows[i] = detail::without_rows(tensors[i].shape());
    });
    return Dataset(std::make_shared<detail::TensorSlices<T...>>(std::move(tensors), rows, count));
  }
  // Takes elements from a generator. `start(epoch)` returns a function for one pass: bool
  // next(std::span<T>... components) writes an element of these shapes, or returns false at the
  // end.
  template <class Start>
  static Dataset from_generator(Shapes shapes, Start start) {
    require_known(shapes, "from_generator");
    return Dataset(std::make_shared<detail::GeneratedStage<Start, T...>>(shapes, std::move(start)));
  }

  // ---- Which elements ----
  // Gives the elements in another order, each drawn from the next `buffer` ones. If the buffer
  // holds all of them and they can be asked for by number, all orders are equally likely, and no
  // memory is needed for the elements.
  //
  // To split a data set, take() and skip() first and shuffle the parts, or shuffle without
  // reshuffle_each_iteration. After a shuffle that differs from epoch to epoch, take(n) and skip(n)
  // give other elements in every epoch, so that training sees those that validation is measured on.
  //
  //   auto validation = all.take(1000).batch(32);
  //   auto training = all.skip(1000).shuffle(50000, 7).batch(32);
  Dataset shuffle(std::int64_t buffer, std::uint64_t seed = 0, ShuffleOptions options = {}) const {
    require(buffer >= 1, "shuffle: expected a buffer of at least 1");
    return make<detail::ShuffleStage<T...>>(stage_, buffer, seed, options.reshuffle_each_iteration);
  }
  // Repeats the elements `count` times; for ever without an argument. Every round is shuffled anew.
  Dataset repeat(std::int64_t count = kInfinite) const {
    return make<detail::RepeatStage<T...>>(stage_, count < 0 ? kInfinite : count);
  }
  Dataset take(std::int64_t count) const {  // -1: all
    return make<detail::StridedStage<T...>>(stage_, 0, 1, count < 0 ? kInfinite : count);
  }
  Dataset skip(std::int64_t count) const {  // -1: all, which leaves none
    if (count < 0) return take(0);
    return make<detail::StridedStage<T...>>(stage_, count, 1, kInfinite);
  }
  // Gives part `index` of `shards` parts: elements index, index + shards, ...
  Dataset shard(std::int64_t shards, std::int64_t index) const {
    require(shards >= 1 && index >= 0 && index < shards,
            "shard: expected an index within [0, shards)");
    return make<detail::StridedStage<T...>>(stage_, index, shards, kInfinite);
  }
  // Gives the elements for which predicate(std::span<const T>...) holds.
  template <class Predicate>
  Dataset filter(Predicate predicate) const {
    static_assert(std::is_invocable_r_v<bool, const Predicate&, std::span<const T>...>,
                  "filter takes bool f(std::span<const T>...)");
    return make<detail::FilterStage<Predicate, T...>>(stage_, std::move(predicate));
  }
  Dataset concatenate(const Dataset& other) const {
    for (std::size_t i = 0; i < sizeof...(T); ++i) {
      if (!(other.stage_->shapes()[i] == stage_->shapes()[i])) {
        detail::throw_wrong_shape(stage_->shapes()[i], other.stage_->shapes()[i],
                                  "concatenate() joins data sets of one shape: map the elements of "
                                  "one of them to that of the other first");
      }
    }
    return make<detail::ConcatenateStage<T...>>(stage_, other.stage_);
  }

  // ---- What they are ----
  // Changes elements in place: f([MapContext&,] std::span<T>... components).
  template <class F>
  Dataset map(F f, MapOptions options = {}) const {
    return make<detail::MapInPlaceStage<F, T...>>(stage_, std::move(f), workers_of(options));
  }
  // Makes elements of other types or shapes: f([MapContext&,] std::span<const T>...,
  // std::span<Out>...). A short batch or window has only the rows that there are, and results whose
  // first extent is the batch's are as short.
  template <class... Out, class F>
  requires(sizeof...(Out) > 0) Dataset<Out...> map(const std::array<Shape, sizeof...(Out)>& shapes,
                                                   F f, MapOptions options = {})
  const {
    Dataset<Out...>::require_known(shapes, "map");
    return Dataset<Out...>(std::make_shared<detail::MapStage<F, std::tuple<T...>, Out...>>(
        stage_, shapes, std::move(f), workers_of(options)));
  }
  // Puts its number before each element.
  Dataset<std::int32_t, T...> enumerate() const;
  // Gives the elements of the data sets that f(std::span<const T>...) makes of elements:
  // block_length elements from each in turn, from cycle_length data sets at a time. When one ends,
  // the next has its turn, and another data set is opened in its place when its turn comes again. f
  // is called for the first element at once, for the shapes.
  template <class F>
  auto interleave(F f, InterleaveOptions options = {}) const {
    require(options.cycle_length >= 1 && options.block_length >= 1,
            "interleave: expected cycle_length and block_length of at least 1");
    using Result = std::invoke_result_t<const F&, std::span<const T>...>;
    return interleaved(std::move(f), options, static_cast<Result*>(nullptr));
  }

  // ---- Batches ----
  Dataset batch(std::int64_t size, BatchOptions options = {}) const {
    require(size >= 1, "batch: expected a size of at least 1");
    for (const Shape& shape : stage_->shapes()) {
      if (detail::has_unknown(shape)) {
        throw ShapeError("Dataset::batch: expected elements of one shape, received " +
                         to_string(shape) + ". padded_batch() takes elements of different shapes");
      }
    }
    return make<detail::BatchStage<T...>>(stage_, size, options.drop_remainder);
  }
  // Pads elements with `values` up to `shapes`, or, where an extent is Shape::kUnknown, to the
  // largest of the batch. Models take batches of one shape; for them `shapes` needs every extent.
  Dataset padded_batch(std::int64_t size, Shapes shapes, std::tuple<T...> values = {},
                       BatchOptions options = {}) const {
    require(size >= 1, "padded_batch: expected a size of at least 1");
    for (std::size_t i = 0; i < sizeof...(T); ++i) {
      if (shapes[i].rank() == stage_->shapes()[i].rank()) continue;
      throw ShapeError(
          "Dataset::padded_batch: expected a shape of as many axes as that of the "
          "elements, " +
          to_string(stage_->shapes()[i]) + ", received " + to_string(shapes[i]));
    }
    return make<detail::PaddedBatchStage<T...>>(stage_, size, std::move(shapes), std::move(values),
                                                options.drop_remainder);
  }
  // Gives the rows of elements as elements. Throws ShapeError, here or when the element comes, if
  // components have different numbers of rows, or are scalars.
  Dataset unbatch() const { return make<detail::UnbatchStage<T...>>(stage_); }
  // Gives windows as elements with an axis in front; the last ones may be short.
  Dataset window(std::int64_t size, WindowOptions options = {}) const {
    require(size >= 1 && options.stride >= 1 && options.shift >= 0,
            "window: expected a size and a stride of at least 1");
    std::int64_t span = 0;
    require(!__builtin_mul_overflow(size - 1, options.stride, &span) &&
                span < std::numeric_limits<std::int64_t>::max(),
            "window: expected a window over fewer than 2^63 elements");
    require_known(stage_->shapes(), "window");
    return make<detail::WindowStage<T...>>(stage_, size, options.shift == 0 ? size : options.shift,
                                           options.stride, options.drop_remainder);
  }

  // ---- Keeping and reading ahead ----
  // Keeps the elements in memory or, with a path, in a file that a later run reads too. The first
  // pass that comes to its end fills the cache; random numbers of the stages before it stay those
  // of that pass. The file has checksums, and is either whole or not there: a file that is damaged,
  // or of other elements, is an IoError.
  Dataset cache(std::string path = {}) const {
    return make<detail::CacheStage<T...>>(stage_, std::move(path));
  }
  // Makes up to `count` elements ahead (AUTOTUNE: 2), on a thread of its own if elements come one
  // after another. The feed reads batches ahead in any case (max_queue_size of fit).
  Dataset prefetch(std::int64_t count = AUTOTUNE) const {
    require(count <= kMostAhead, "prefetch: expected at most 2^20 elements");
    return make<detail::PrefetchStage<T...>>(stage_, count < 1 ? 2 : count);
  }

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
  void for_each(F f, std::int64_t epoch = 0, std::uint64_t seed = 0) const {
    const auto cursor = detail::guarded([&] { return stage_->begin({seed, epoch}); });
    detail::Sinks<T...> element;
    while (detail::guarded([&] { return cursor->next(element); })) {
      std::apply(
          [&](const auto&... sinks) {
            f(sinks.values().first(static_cast<std::size_t>(sinks.shape().elements()))...);
          },
          std::as_const(element));
    }
  }

  // Goes through a pass in a loop, without a function. Values are valid until the next element is
  // asked for:
  //
  //   for (const auto& [image, label] : batches) ...        // spans of const T
  //   for (const auto& [image, label] : batches.pass(3)) ...
  class Iterator {
   public:
    using value_type = std::tuple<std::span<const T>...>;
    using difference_type = std::ptrdiff_t;

    Iterator(const detail::StagePtr<T...>& stage, const detail::Pass& pass)
        : stage_(stage), cursor_(detail::guarded([&] { return stage->begin(pass); })) {
      ++*this;
    }
    const value_type& operator*() const { return values_; }
    Iterator& operator++() {
      has_value_ = detail::guarded([&] { return cursor_->next(element_); });
      if (has_value_) {
        values_ = std::apply(
            [](const auto&... sinks) {
              return value_type(
                  sinks.values().first(static_cast<std::size_t>(sinks.shape().elements()))...);
            },
            std::as_const(element_));
      }
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& at, std::default_sentinel_t) { return !at.has_value_; }

   private:
    detail::StagePtr<T...> stage_;  // the stage that the cursor refers to
    std::unique_ptr<detail::Cursor<T...>> cursor_;
    detail::Sinks<T...> element_;
    value_type values_;
    bool has_value_ = false;
  };
  class Elements {
   public:
    Elements(detail::StagePtr<T...> stage, const detail::Pass& pass)
        : stage_(std::move(stage)), pass_(pass) {}
    Iterator begin() const { return Iterator(stage_, pass_); }
    std::default_sentinel_t end() const { return {}; }

   private:
    detail::StagePtr<T...> stage_;
    detail::Pass pass_;
  };
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
  template <class...>
  friend class Dataset;
  static constexpr int kMostWorkers = 1024;
  static constexpr std::int64_t kMostAhead = std::int64_t{1} << 20;

  template <class S, class... A>
  Dataset make(A&&... arguments) const {
    return Dataset(std::make_shared<S>(std::forward<A>(arguments)...));
  }
  static void require(bool holds, const char* what) {
    if (!holds) throw ValueError(std::string("Dataset::") + what);
  }
  static void require_known(const Shapes& shapes, const char* where) {
    for (const Shape& shape : shapes) {
      if (!detail::has_unknown(shape)) continue;
      throw ShapeError(std::string("Dataset::") + where +
                       ": expected elements of a shape of which every extent is known, received " +
                       to_string(shape));
    }
  }
  static int workers_of(const MapOptions& options) {
    require(
        (options.workers >= 1 && options.workers <= kMostWorkers) || options.workers == AUTOTUNE,
        "map: expected 1 to 1024 workers or AUTOTUNE");
    if (options.workers != AUTOTUNE) return options.workers;
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    return std::clamp(cores, 1, kMostWorkers);
  }
  template <class F, class... Out>
  Dataset<Out...> interleaved(F f, const InterleaveOptions& options, Dataset<Out...>*) const {
    // The shapes are those of the data set that the first element gives.
    const auto shapes = detail::guarded([&] {
      detail::Sinks<T...> element;
      std::array<Shape, sizeof...(Out)> first{};
      if (stage_->begin({})->next(element)) {
        first =
            std::apply([&](const auto&... sinks) { return f(sinks.present()...).element_shapes(); },
                       std::as_const(element));
      }
      return first;
    });
    return Dataset<Out...>(std::make_shared<detail::InterleaveStage<F, std::tuple<T...>, Out...>>(
        stage_, shapes, std::move(f), options.cycle_length, options.block_length));
  }

  detail::StagePtr<T...> stage_;
};

// Gives first, first + step, ... below `end`, as tf.data's range.
inline Dataset<std::int32_t> range(std::int32_t first, std::int32_t end, std::int32_t step = 1) {
  if (step == 0) throw ValueError("range: expected a step other than 0");
  const std::int64_t distance = std::int64_t{end} - first;
  const std::int64_t count = distance / step + (distance % step != 0 ? 1 : 0);
  return Dataset<std::int32_t>(
      std::make_shared<detail::RangeStage>(first, step, std::max<std::int64_t>(0, count)));
}
inline Dataset<std::int32_t> range(std::int32_t end) { return range(0, end); }

// Puts the elements of two data sets side by side; the result ends with the shorter.
template <class... A, class... B>
Dataset<A..., B...> zip(const Dataset<A...>& a, const Dataset<B...>& b) {
  return Dataset<A..., B...>(
      std::make_shared<detail::ZipStage<std::tuple<A...>, std::tuple<B...>>>(a.stage(), b.stage()));
}

template <class... T>
Dataset<std::int32_t, T...> Dataset<T...>::enumerate() const {
  return zip(Dataset<std::int32_t>(std::make_shared<detail::RangeStage>(0, 1, detail::kInfinite)),
             *this);
}

template <class... T>
SourceHandle Dataset<T...>::source(std::uint64_t seed, std::size_t inputs,
                                   std::size_t targets) const {
  const BatchShapes shapes = detail::batch_shapes(stage_->shapes(), inputs, targets);
  return SourceHandle(std::static_pointer_cast<Source>(
      std::make_shared<detail::DatasetSource<T...>>(stage_, shapes, seed)));
}

}  // namespace stoker
