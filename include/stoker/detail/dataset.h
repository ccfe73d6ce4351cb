// What the templates of stoker/dataset.h do. Programs include that header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "stoker/dataset.h"
#include "stoker/detail/dataset_batch.h"
#include "stoker/detail/dataset_cache.h"
#include "stoker/detail/dataset_map.h"
#include "stoker/detail/dataset_select.h"
#include "stoker/detail/dataset_shuffle.h"
#include "stoker/detail/dataset_source.h"
#include "stoker/detail/dataset_window.h"
#include "stoker/detail/dataset_zip.h"

namespace stoker {
namespace detail {

// ---- Checks of arguments ----
[[noreturn]] void throw_bad_argument(const char* what);
inline void require_argument(bool holds, const char* what) {
  if (!holds) throw_bad_argument(what);
}
// These throw ShapeError: for an extent that is unknown; for elements of different shapes in a
// batch; for shapes to pad to that have other numbers of axes than the elements; and for elements
// of different shapes to be joined.
void require_known(std::span<const Shape> shapes, const char* where);
void require_one_shape(std::span<const Shape> shapes);
void require_same_ranks(std::span<const Shape> padded, std::span<const Shape> elements);
void require_same_shapes(std::span<const Shape> expected, std::span<const Shape> received);
// Throws ShapeError if the tensors have different numbers of rows. Returns that number.
std::int64_t common_rows(std::span<const Tensor> tensors);
// Returns the number of threads of a stage's own: 0 if it has none, a number, or AUTOTUNE. Throws
// ValueError.
int own_workers(std::optional<int> workers, const char* where);

template <class T>
inline constexpr bool kIsDataset = false;
template <class... T>
inline constexpr bool kIsDataset<Dataset<T...>> = true;

// Makes the stage of interleave(), of which the last argument gives the element types.
template <class... T, class F, class... Out>
Dataset<Out...> interleaved(const StagePtr<T...>& input, F f, const InterleaveOptions& options,
                            std::type_identity<Dataset<Out...>>) {
  const ErrorPolicy policy = error_policy(options.on_error, options.max_failures, "interleave");
  // The shapes are those of the data set that the first element gives.
  bool is_settled = true;
  const auto shapes = guarded([&] {
    Sinks<T...> element;
    std::array<Shape, sizeof...(Out)> first{};
    LoopState state;
    const auto cursor = input->begin(state.pass_of({}));
    std::int64_t failed = 0;
    while (cursor->next(element)) {
      try {
        const Dataset<Out...> made = std::apply(
            [&](const auto&... sinks) { return f(sinks.present()...); }, std::as_const(element));
        first = made.element_shapes();
        is_settled = made.stage()->is_settled();
        break;
      } catch (...) {
        // A pass will find the same failures, and count them.
        if (!policy.skips() || ++failed > policy.most) throw;
      }
    }
    return first;
  });
  return Dataset<Out...>(std::make_shared<InterleaveStage<F, std::tuple<T...>, Out...>>(
      input, shapes, std::move(f), options.cycle_length, options.block_length, is_settled, policy));
}

}  // namespace detail

template <class... T>
template <class S, class... A>
Dataset<T...> Dataset<T...>::make(A&&... arguments) {
  return Dataset(std::make_shared<S>(std::forward<A>(arguments)...));
}

template <class... T>
Dataset<T...> Dataset<T...>::from_tensor_slices(std::array<Tensor, sizeof...(T)> tensors) {
  Shapes rows;
  detail::for_each_index<sizeof...(T)>([&](auto i) {
    using Element = std::tuple_element_t<i, std::tuple<T...>>;
    static_cast<void>(tensors[i].template data<Element>());  // checks the type
  });
  const std::int64_t count = detail::common_rows(tensors);
  for (std::size_t i = 0; i < sizeof...(T); ++i) rows[i] = detail::without_rows(tensors[i].shape());
  return make<detail::TensorSlices<T...>>(std::move(tensors), rows, count);
}

template <class... T>
template <class Start>
Dataset<T...> Dataset<T...>::from_generator(Shapes shapes, Start start,
                                            FromGeneratorOptions options) {
  constexpr bool kStarts = std::is_invocable_v<const Start&, std::int64_t>;
  static_assert(std::is_invocable_v<const Start&, std::int64_t>,
                "from_generator(shapes, start) takes start(std::int64_t epoch), which returns "
                "bool next(std::span<T>...)");
  if constexpr (kStarts) {
    using Next = std::invoke_result_t<const Start&, std::int64_t>;
    constexpr bool kFits = std::is_invocable_r_v<bool, Next&, std::span<T>...>;
    constexpr bool kVaries =
        std::conjunction_v<std::bool_constant<!kFits>,
                           std::is_invocable_r<bool, Next&, VaryingOutput<T>...>>;
    static_assert(std::is_invocable_r_v<bool, Next&, std::span<T>...> || kVaries,
                  "What start(epoch) returns to from_generator is bool next(std::span<T>...), with "
                  "a span for each of the data set's types, in their order");
    if constexpr (kFits) detail::require_known(shapes, "from_generator");
    const detail::ErrorPolicy policy =
        detail::error_policy(options.on_error, options.max_failures, "from_generator");
    if constexpr (kFits || kVaries) {
      return make<detail::GeneratedStage<Start, T...>>(shapes, std::move(start), policy);
    } else {
      detail::refused();
    }
  } else {
    detail::refused();
  }
}

template <class... T>
Dataset<T...> Dataset<T...>::shuffle(std::int64_t buffer, std::uint64_t seed,
                                     ShuffleOptions options) const {
  detail::require_argument(buffer >= 1, "shuffle: expected a buffer of at least 1");
  return make<detail::ShuffleStage<T...>>(stage_, buffer, seed, options.reshuffle_each_iteration);
}
template <class... T>
Dataset<T...> Dataset<T...>::repeat(std::int64_t count) const {
  return make<detail::RepeatStage<T...>>(stage_, count < 0 ? kInfinite : count);
}
template <class... T>
Dataset<T...> Dataset<T...>::take(std::int64_t count) const {
  return make<detail::StridedStage<T...>>("take", stage_, 0, 1, count < 0 ? kInfinite : count);
}
template <class... T>
Dataset<T...> Dataset<T...>::skip(std::int64_t count) const {
  if (count < 0) return take(0);
  return make<detail::StridedStage<T...>>("skip", stage_, count, 1, kInfinite);
}
template <class... T>
Dataset<T...> Dataset<T...>::shard(std::int64_t shards, std::int64_t index) const {
  detail::require_argument(shards >= 1 && index >= 0 && index < shards,
                           "shard: expected an index within [0, shards)");
  return make<detail::StridedStage<T...>>("shard", stage_, index, shards, kInfinite);
}
template <class... T>
template <class Predicate>
Dataset<T...> Dataset<T...>::filter(Predicate predicate, FilterOptions options) const {
  constexpr bool kFits = std::is_invocable_r_v<bool, const Predicate&, std::span<const T>...>;
  static_assert(std::is_invocable_r_v<bool, const Predicate&, std::span<const T>...>,
                "filter takes bool f(std::span<const T>...), with a span for each of the data "
                "set's types, in their order");
  if constexpr (kFits) {
    return make<detail::FilterStage<Predicate, T...>>(
        stage_, std::move(predicate),
        detail::error_policy(options.on_error, options.max_failures, "filter"));
  } else {
    detail::refused();
  }
}
template <class... T>
Dataset<T...> Dataset<T...>::concatenate(const Dataset& other) const {
  detail::require_same_shapes(stage_->shapes(), other.stage_->shapes());
  return make<detail::ConcatenateStage<T...>>(stage_, other.stage_);
}

template <class... T>
template <class F>
Dataset<T...> Dataset<T...>::map(F f, MapOptions options) const {
  constexpr bool kFits = std::is_invocable_v<const F&, MapContext&, std::span<T>...> ||
                         std::is_invocable_v<const F&, std::span<T>...>;
  static_assert(std::is_invocable_v<const F&, MapContext&, std::span<T>...> ||
                    std::is_invocable_v<const F&, std::span<T>...>,
                "map takes, to change elements in place, f([MapContext&,] std::span<T>...), with a "
                "span for each of the data set's types T, in their order. To make elements of "
                "other types or shapes, call map<Out...>(shapes, f)");
  if constexpr (kFits) {
    return make<detail::MapInPlaceStage<F, T...>>(
        stage_, std::move(f), detail::own_workers(options.workers, "map"),
        detail::error_policy(options.on_error, options.max_failures, "map"),
        std::move(options.name));
  } else {
    detail::refused();
  }
}
template <class... T>
template <class... Out, class F>
requires(sizeof...(Out) >
         0) Dataset<Out...> Dataset<T...>::map(const std::array<Shape, sizeof...(Out)>& shapes, F f,
                                               MapOptions options)
const {
  constexpr bool kFits =
      std::is_invocable_v<const F&, MapContext&, std::span<const T>..., std::span<Out>...> ||
      std::is_invocable_v<const F&, std::span<const T>..., std::span<Out>...>;
  // A generic function, which takes anything, is not tried with these where it takes spans.
  constexpr bool kVaries = std::conjunction_v<
      std::bool_constant<!kFits>,
      std::disjunction<
          std::is_invocable<const F&, MapContext&, VaryingInput<T>..., VaryingOutput<Out>...>,
          std::is_invocable<const F&, VaryingInput<T>..., VaryingOutput<Out>...>>>;
  static_assert(
      std::is_invocable_v<const F&, MapContext&, std::span<const T>..., std::span<Out>...> ||
          std::is_invocable_v<const F&, std::span<const T>..., std::span<Out>...> || kVaries,
      "map takes f([MapContext&,] std::span<const In>..., std::span<Out>...), with a span "
      "for each of the data set's types In and then one for each of the types Out of "
      "map<Out...>(shapes, f), in their order");
  const auto make_stage = [&]<class Made>(std::type_identity<Made>) {
    return Dataset<Out...>(std::make_shared<Made>(
        stage_, shapes, std::move(f), detail::own_workers(options.workers, "map"),
        detail::error_policy(options.on_error, options.max_failures, "map"),
        std::move(options.name)));
  };
  if constexpr (kFits) {
    detail::require_known(shapes, "map");
    return make_stage(std::type_identity<detail::MapStage<F, std::tuple<T...>, Out...>>());
  } else if constexpr (kVaries) {
    return make_stage(std::type_identity<detail::VaryingMapStage<F, std::tuple<T...>, Out...>>());
  } else {
    detail::refused();
  }
}
template <class... T>
Dataset<std::int32_t, T...> Dataset<T...>::enumerate() const {
  return zip(Dataset<std::int32_t>(detail::range_stage(0, 1, detail::kInfinite)), *this);
}
template <class... T>
template <class F>
auto Dataset<T...>::interleave(F f, InterleaveOptions options) const {
  constexpr bool kFits = std::is_invocable_v<const F&, std::span<const T>...>;
  static_assert(std::is_invocable_v<const F&, std::span<const T>...>,
                "interleave takes f(std::span<const T>...), which returns a Dataset, with a span "
                "for each of the data set's types, in their order");
  if constexpr (kFits) {
    using Result = std::decay_t<std::invoke_result_t<const F&, std::span<const T>...>>;
    static_assert(detail::kIsDataset<Result>, "The function of interleave returns a Dataset");
    if constexpr (detail::kIsDataset<Result>) {
      detail::require_argument(options.cycle_length >= 1 && options.block_length >= 1,
                               "interleave: expected cycle_length and block_length of at least 1");
      return detail::interleaved<T...>(stage_, std::move(f), options, std::type_identity<Result>());
    } else {
      detail::refused();
    }
  } else {
    detail::refused();
  }
}

template <class... T>
Dataset<T...> Dataset<T...>::batch(std::int64_t size, BatchOptions options) const {
  detail::require_argument(size >= 1, "batch: expected a size of at least 1");
  detail::require_one_shape(stage_->shapes());
  return make<detail::BatchStage<T...>>(stage_, size, options.drop_remainder,
                                        detail::own_workers(options.workers, "batch"));
}
template <class... T>
Dataset<T...> Dataset<T...>::padded_batch(std::int64_t size, Shapes shapes, std::tuple<T...> values,
                                          BatchOptions options) const {
  detail::require_argument(size >= 1, "padded_batch: expected a size of at least 1");
  detail::require_same_ranks(shapes, stage_->shapes());
  return make<detail::PaddedBatchStage<T...>>(stage_, size, std::move(shapes), std::move(values),
                                              options.drop_remainder,
                                              detail::own_workers(options.workers, "padded_batch"));
}
template <class... T>
Dataset<T...> Dataset<T...>::unbatch() const {
  return make<detail::UnbatchStage<T...>>(stage_);
}
template <class... T>
Dataset<T...> Dataset<T...>::window(std::int64_t size, WindowOptions options) const {
  detail::require_argument(size >= 1 && options.stride >= 1 && options.shift >= 0,
                           "window: expected a size and a stride of at least 1");
  std::int64_t span = 0;
  detail::require_argument(!__builtin_mul_overflow(size - 1, options.stride, &span) &&
                               span < std::numeric_limits<std::int64_t>::max(),
                           "window: expected a window over fewer than 2^63 elements");
  detail::require_known(stage_->shapes(), "window");
  return make<detail::WindowStage<T...>>(stage_, size, options.shift == 0 ? size : options.shift,
                                         options.stride, options.drop_remainder);
}

template <class... T>
Dataset<T...> Dataset<T...>::cache(std::string path) const {
  return make<detail::CacheStage<T...>>(stage_, std::move(path));
}
template <class... T>
Dataset<T...> Dataset<T...>::prefetch(std::int64_t count) const {
  constexpr std::int64_t kMostAhead = std::int64_t{1} << 20;
  detail::require_argument(count <= kMostAhead, "prefetch: expected at most 2^20 elements");
  return make<detail::PrefetchStage<T...>>(stage_, count < 1 ? 0 : count);
}

template <class... T>
template <class F>
void Dataset<T...>::for_each(F f, std::int64_t epoch, std::uint64_t seed) const {
  constexpr bool kFits = std::is_invocable_v<F&, std::span<const T>...>;
  static_assert(std::is_invocable_v<F&, std::span<const T>...>,
                "for_each takes f(std::span<const T>...), with a span for each of the data set's "
                "types, in their order");
  if constexpr (kFits) {
    detail::LoopState state;
    const auto cursor = detail::guarded([&] {
      return stage_->begin(state.pass_of({seed, epoch}));
    });
    detail::Sinks<T...> element;
    const auto next = [&] {
      const bool found = cursor->next(element);
      state.check();
      return found;
    };
    while (detail::guarded(next)) std::apply(f, detail::values_of(element));
  }
}

template <class... T>
SourceHandle Dataset<T...>::source(std::uint64_t seed, std::size_t inputs,
                                   std::size_t targets) const {
  const BatchShapes shapes = detail::batch_shapes(stage_->shapes(), inputs, targets);
  return SourceHandle(
      std::shared_ptr<Source>(std::make_shared<detail::DatasetSource<T...>>(stage_, shapes, seed)));
}

template <class... A, class... B>
Dataset<A..., B...> zip(const Dataset<A...>& a, const Dataset<B...>& b) {
  return Dataset<A..., B...>(
      std::make_shared<detail::ZipStage<std::tuple<A...>, std::tuple<B...>>>(a.stage(), b.stage()));
}

}  // namespace stoker
