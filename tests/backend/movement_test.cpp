// Ops that only move elements, with elements of every size.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "backend/node_run.h"
#include "core/multi_index.h"
#include "ops/ops.h"

namespace stoker {
namespace {

using graph::Graph;
using graph::Value;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class T>
std::vector<T> numbered(std::int64_t count) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<T>(i * 37 + 5));
  return values;
}

const Shape kShape{3, 40, 2, 35};

template <class T>
std::vector<T> moved(DType dtype, const std::vector<T>& values, Value (*move)(Value)) {
  Graph graph;
  const Value x = graph.leaf("x", {dtype, kShape}, {.space = graph::Space::input});
  const Value y = move(x);
  test::NodeRun run(graph);
  run.set(x, values);
  run.run();
  return run.get<T>(y);
}

template <class T>
void expect_transposed(DType dtype) {
  const std::vector<T> values = numbered<T>(kShape.elements());
  const auto y = moved(dtype, values, [](Value x) { return ops::transpose(x, {3, 0, 2, 1}); });
  for (std::size_t i = 0; i < y.size(); ++i) {
    const Shape to = multi_index({35, 3, 2, 40}, static_cast<std::int64_t>(i));
    ASSERT_EQ(y[i], values[at(((to[1] * 40 + to[3]) * 2 + to[2]) * 35 + to[0])]) << i;
  }
}

template <class T>
void expect_padded(DType dtype) {
  const std::vector<T> values = numbered<T>(kShape.elements());
  const auto y = moved(dtype, values, [](Value x) {
    return ops::pad(x, {1, 0, 2, 0}, {0, 3, 0, 1}, 7.0f);
  });
  const T frame = static_cast<T>(ops::stored_bits(7.0f, dtype));
  for (std::size_t i = 0; i < y.size(); ++i) {
    const Shape to = multi_index({4, 43, 4, 36}, static_cast<std::int64_t>(i));
    const bool is_inside = to[0] >= 1 && to[1] < 40 && to[2] >= 2 && to[3] < 35;
    const std::int64_t from = (((to[0] - 1) * 40 + to[1]) * 2 + to[2] - 2) * 35 + to[3];
    ASSERT_EQ(y[i], is_inside ? values[at(from)] : frame) << i;
  }
}

template <class T>
void expect_moved(DType dtype) {
  expect_transposed<T>(dtype);
  expect_padded<T>(dtype);
}

TEST(Movement, of_elements_of_every_size) {
  expect_moved<std::int32_t>(DType::int32);
  expect_moved<std::uint16_t>(DType::bfloat16);
  expect_moved<std::uint16_t>(DType::float16);
  expect_moved<std::uint8_t>(DType::uint8);
}

}  // namespace
}  // namespace stoker
