// What the templates of stoker/timeseries.h do. Programs include that header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "stoker/timeseries.h"

namespace stoker {
namespace detail {

// Where windows lie, in rows of the data.
struct WindowPlan {
  std::int32_t count = 0;
  std::int64_t first = 0;
  std::int64_t stride = 1;
  std::int64_t length = 1;
  std::int64_t rate = 1;
  std::int64_t start_of(std::int32_t window) const { return first + window * stride; }
};
// Checks the options. `targets` is null where there are none.
WindowPlan plan_windows(const Tensor& data, const Tensor* targets,
                        const TimeseriesOptions& options);
Dataset<std::int32_t> order_of(const WindowPlan& plan, const TimeseriesOptions& options);

// The rows of a tensor, whose type is checked once.
template <class T>
struct RowsOf {
  explicit RowsOf(const Tensor& tensor)
      : all(tensor.data<T>()),
        size(tensor.shape()[0] == 0 ? 0 : all.size() / static_cast<std::size_t>(tensor.shape()[0])),
        shape(without_rows(tensor.shape())) {}
  std::span<const T> rows(std::int64_t first, std::int64_t count) const {
    return all.subspan(static_cast<std::size_t>(first) * size,
                       static_cast<std::size_t>(count) * size);
  }
  std::span<const T> all;
  std::size_t size;
  Shape shape;
};

template <class T>
void copy_window(const RowsOf<T>& data, const WindowPlan& plan, std::int32_t window,
                 std::span<T> to) {
  const std::int64_t start = plan.start_of(window);
  if (plan.rate == 1) return copy_values(data.rows(start, plan.length), to);
  for (std::int64_t i = 0; i < plan.length; ++i) {
    copy_values(data.rows(start + i * plan.rate, 1),
                to.subspan(static_cast<std::size_t>(i) * data.size, data.size));
  }
}

template <class... T>
Dataset<T...> batched_windows(const Dataset<T...>& windows, const TimeseriesOptions& options) {
  return options.batch_size ? windows.batch(*options.batch_size) : windows;
}

}  // namespace detail

template <class T, class Y>
Dataset<T, Y> timeseries_dataset_from_array(Tensor data, Tensor targets,
                                            const TimeseriesOptions& options) {
  const detail::WindowPlan plan = detail::plan_windows(data, &targets, options);
  const auto held = std::make_shared<const std::array<Tensor, 2>>(
      std::array{std::move(data), std::move(targets)});
  const detail::RowsOf<T> rows((*held)[0]);
  const detail::RowsOf<Y> labels((*held)[1]);
  return detail::batched_windows(
      detail::order_of(plan, options)
          .template map<T, Y>({detail::with_rows(plan.length, rows.shape), labels.shape},
                              [held, rows, labels, plan](std::span<const std::int32_t> window,
                                                         std::span<T> x, std::span<Y> y) {
                                detail::copy_window(rows, plan, window[0], x);
                                detail::copy_values(labels.rows(plan.start_of(window[0]), 1), y);
                              },
                              {.name = "window"}),
      options);
}

template <class T>
Dataset<T> timeseries_dataset_from_array(Tensor data, const TimeseriesOptions& options) {
  const detail::WindowPlan plan = detail::plan_windows(data, nullptr, options);
  const auto held = std::make_shared<const Tensor>(std::move(data));
  const detail::RowsOf<T> rows(*held);
  return detail::batched_windows(
      detail::order_of(plan, options)
          .template map<T>(
              {detail::with_rows(plan.length, rows.shape)},
              [held, rows, plan](std::span<const std::int32_t> window, std::span<T> x) {
                detail::copy_window(rows, plan, window[0], x);
              },
              {.name = "window"}),
      options);
}

}  // namespace stoker
