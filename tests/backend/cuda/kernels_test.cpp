// Our CUDA kernels along rows, slices and the frame of a step, on the emulator: against the CPU's.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/frame/gather_rows.h"
#include "backend/cuda/frame/ingest.h"
#include "backend/cuda/kernel_launch.h"
#include "backend/cuda/ops/advance.h"
#include "backend/cuda/ops/argmax.h"
#include "backend/cuda/ops/concatenate.h"
#include "backend/cuda/ops/embedding.h"
#include "backend/cuda/ops/one_hot.h"
#include "backend/cuda/ops/slice.h"
#include "backend/cuda/ops/softmax.h"
#include "backend/cuda/ops/softmax_cross_entropy.h"
#include "backend/cuda/ops/sparsemax.h"
#include "backend/node_run.h"
#include "device/device.h"
#include "device/ring_state.h"
#include "ops/ops.h"
#include "plan/scalars.h"

namespace stoker {
namespace {

using namespace backend::cuda;
using graph::Graph;
using graph::Value;
using plan::StepError;
using test::expect_close;
using test::kInfinity;
using test::kNaN;
using test::launch;
using test::launch_in_all_orders;
using test::NodeRun;
using test::noise;
using test::unwritten;

using Sizes = std::vector<std::pair<std::int64_t, std::int32_t>>;
const Sizes kSizes{{1, 1},   {3, 2},    {5, 7},    {64, 10},  {7, 16},   {9, 17},  {33, 33},
                   {300, 3}, {2, 1000}, {2, 1024}, {2, 1025}, {3, 1028}, {1, 5003}};

Value leaf(Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {.space = graph::Space::input});
}

std::size_t elements(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(rows * columns);
}

// Noise with rows in which something is infinite, not a number, or all the same.
std::vector<float> values_for(std::int64_t rows, std::int64_t columns) {
  auto x = noise(elements(rows, columns), 12.0f);
  const auto row = [&](std::int64_t r) { return x.begin() + r * columns; };
  if (rows > 2) std::fill(row(2), row(3), 1.5f);
  if (rows > 4) *(row(4) + columns / 2) = kNaN;
  if (rows > 6) *(row(6) + columns - 1) = -kInfinity;
  if (rows > 7) *row(7) = kInfinity;
  if (rows > 8) std::fill(row(8), row(9), -kInfinity);
  return x;
}

// ---- softmax and its relatives ------------------------------------------------------------------
TEST(CudaKernels, softmax_is_the_cpus) {
  for (const auto& [rows, columns] : kSizes) {
    for (const bool log : {false, true}) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
      Graph graph;
      const Value x = leaf(graph, {rows, columns});
      const Value y = log ? ops::log_softmax(x) : ops::softmax(x);
      NodeRun cpu(graph);
      const auto values = values_for(rows, columns);
      cpu.set(x, values);
      cpu.run();
      auto received = unwritten(rows * columns);
      launch_in_all_orders(softmax_params{.x = values.data(),
                                          .y = received.data(),
                                          .rows = rows,
                                          .columns = columns,
                                          .log = log},
                           {&received});
      expect_close(received, cpu.get(y), 2e-6);
    }
  }
}

TEST(CudaKernels, softmax_may_write_over_its_input) {
  for (const auto& [rows, columns] : kSizes) {
    auto x = values_for(rows, columns);
    auto y = unwritten(rows * columns);
    launch(
        softmax_params{.x = x.data(), .y = y.data(), .rows = rows, .columns = columns, .log = 0});
    launch(
        softmax_params{.x = x.data(), .y = x.data(), .rows = rows, .columns = columns, .log = 0});
    EXPECT_TRUE(test::same_bits(x, y)) << rows << " x " << columns;
  }
}

TEST(CudaKernels, sparsemax_is_the_cpus) {
  for (const auto& [rows, columns] : kSizes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
    Graph graph;
    const Value x = leaf(graph, {rows, columns});
    const Value y = ops::sparsemax(x);
    NodeRun cpu(graph);
    auto values = values_for(rows, columns);
    for (float& value : values) value /= 10.0f;
    cpu.set(x, values);
    cpu.run();
    auto received = unwritten(rows * columns);
    launch_in_all_orders(
        sparsemax_params{
            .x = values.data(), .y = received.data(), .rows = rows, .columns = columns},
        {&received});
    expect_close(received, cpu.get(y), 1e-7);
  }
}

// ---- softmax_cross_entropy ----------------------------------------------------------------------
struct CrossEntropy {
  std::vector<float> loss, gradient;
  plan::Scalars scalars;
  std::array<std::uint32_t, 2> counters{};
};

CrossEntropy cross_entropy(const std::vector<float>& logits, const void* labels, Labels kind,
                           std::int64_t rows, std::int32_t columns) {
  CrossEntropy result{unwritten(rows), unwritten(rows * columns), {}, {}};
  launch_in_all_orders(softmax_cross_entropy_params{.logits = logits.data(),
                                                    .labels = labels,
                                                    .loss = result.loss.data(),
                                                    .gradient = result.gradient.data(),
                                                    .scalars = &result.scalars,
                                                    .counters = result.counters.data(),
                                                    .rows = rows,
                                                    .columns = columns,
                                                    .kind = kind,
                                                    .node = 0},
                       {&result.loss, &result.gradient});
  EXPECT_EQ(result.counters, (std::array<std::uint32_t, 2>{}));
  return result;
}

template <class Label>
void expect_cpus_cross_entropy(const std::vector<Label>& labels, Labels kind, std::int64_t rows,
                               std::int32_t columns) {
  SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
  Graph graph;
  const Value x = leaf(graph, {rows, columns});
  const DType dtype = kind == Labels::int32_classes ? DType::int32 : DType::float32;
  const Value t =
      leaf(graph, kind == Labels::float_rows ? Shape{rows, columns} : Shape{rows}, dtype);
  ops::softmax_cross_entropy(x, t);
  NodeRun cpu(graph);
  const auto logits = values_for(rows, columns);
  cpu.set(x, logits);
  cpu.set(t, labels);
  cpu.run();
  const auto outputs = graph.nodes().back().outputs;
  const CrossEntropy result = cross_entropy(logits, labels.data(), kind, rows, columns);
  expect_close(result.loss, cpu.get(Value{&graph, outputs[0]}), 4e-6);
  expect_close(result.gradient, cpu.get(Value{&graph, outputs[1]}), 2e-6);
  EXPECT_EQ(result.scalars.error, cpu.scalars.error);
  EXPECT_EQ(result.scalars.error_node, cpu.scalars.error_node);
  EXPECT_EQ(result.scalars.error_detail, cpu.scalars.error_detail);
  EXPECT_EQ(result.scalars.error_row, cpu.scalars.error_row);
}

// With bad ones from `bad` on, if there are so many rows.
template <class Label>
std::vector<Label> classes_for(std::int64_t rows, std::int32_t columns, std::int64_t bad) {
  std::vector<Label> labels;
  for (std::int64_t r = 0; r < rows; ++r) labels.push_back(static_cast<Label>(r * 7 % columns));
  const std::vector<Label> wrong{static_cast<Label>(-3), static_cast<Label>(columns)};
  for (std::int64_t r = bad; r < rows; r += 2) {
    labels[static_cast<std::size_t>(r)] = wrong[static_cast<std::size_t>(r / 2 % 2)];
  }
  return labels;
}

TEST(CudaKernels, cross_entropy_of_classes_is_the_cpus) {
  for (const auto& [rows, columns] : kSizes) {
    for (const std::int64_t bad : {1000, 0, 2, 5, 31, 290}) {
      expect_cpus_cross_entropy(classes_for<std::int32_t>(rows, columns, bad),
                                Labels::int32_classes, rows, columns);
      expect_cpus_cross_entropy(classes_for<float>(rows, columns, bad), Labels::float_classes, rows,
                                columns);
    }
  }
}

TEST(CudaKernels, cross_entropy_takes_no_class_that_a_float_is_not) {
  for (const float label : {kNaN, kInfinity, -0.5f, 2147483648.0f, -3e9f, 2.7f}) {
    expect_cpus_cross_entropy(std::vector<float>{0.0f, 1.9f, label, label}, Labels::float_classes,
                              4, 3);
  }
}

TEST(CudaKernels, cross_entropy_of_rows_is_the_cpus) {
  for (const auto& [rows, columns] : kSizes) {
    auto labels = noise(elements(rows, columns), 1.0f, 9);
    for (float& label : labels) label = std::max(label, 0.0f);
    expect_cpus_cross_entropy(labels, Labels::float_rows, rows, columns);
  }
}

TEST(CudaKernels, the_first_error_stays) {
  const std::vector<float> logits(6, 0.0f);
  const std::vector<std::int32_t> labels{0, 3};
  std::vector<float> loss(2), gradient(6);
  std::array<std::uint32_t, 2> counters{};
  plan::Scalars scalars{.error = StepError::wrong_batch, .error_node = 5, .error_detail = 6};
  launch(softmax_cross_entropy_params{.logits = logits.data(),
                                      .labels = labels.data(),
                                      .loss = loss.data(),
                                      .gradient = gradient.data(),
                                      .scalars = &scalars,
                                      .counters = counters.data(),
                                      .rows = 2,
                                      .columns = 3,
                                      .kind = Labels::int32_classes,
                                      .node = 1});
  EXPECT_EQ(scalars.error, StepError::wrong_batch);
  EXPECT_EQ(scalars.error_node, 5);
  EXPECT_EQ(scalars.error_detail, 6);
  EXPECT_EQ(counters, (std::array<std::uint32_t, 2>{}));
  EXPECT_EQ(loss[1], 0.0f);
}

// ---- labels -------------------------------------------------------------------------------------
TEST(CudaKernels, one_hot_is_the_cpus) {
  for (const auto& [rows, classes] : kSizes) {
    for (const std::int64_t bad : {1000, 1, 31}) {
      Graph graph;
      const Value x = leaf(graph, {rows}, DType::int32);
      const Value y = ops::one_hot(x, classes);
      NodeRun cpu(graph);
      const auto labels = classes_for<std::int32_t>(rows, classes, bad);
      cpu.set(x, labels);
      cpu.run();
      auto received = unwritten(rows * classes);
      plan::Scalars scalars;
      std::array<std::uint32_t, 2> counters{};
      launch_in_all_orders(one_hot_params{.labels = labels.data(),
                                          .y = received.data(),
                                          .scalars = &scalars,
                                          .counters = counters.data(),
                                          .rows = rows,
                                          .classes = classes,
                                          .node = 0},
                           {&received});
      EXPECT_EQ(received, cpu.get(y)) << rows << " x " << classes;
      EXPECT_EQ(scalars.error, cpu.scalars.error);
      EXPECT_EQ(scalars.error_node, cpu.scalars.error_node);
      EXPECT_EQ(scalars.error_detail, cpu.scalars.error_detail);
      EXPECT_EQ(scalars.error_row, cpu.scalars.error_row);
    }
  }
}

TEST(CudaKernels, argmax_is_the_cpus) {
  for (const auto& [rows, columns] : kSizes) {
    Graph graph;
    const Value x = leaf(graph, {rows, columns});
    const Value y = ops::argmax(x);
    NodeRun cpu(graph);
    auto values = values_for(rows, columns);
    for (std::size_t i = 0; i < values.size(); i += 3) values[i] = i % 2 == 0 ? 0.0f : -0.0f;
    if (rows > 1) values.back() = kNaN;
    cpu.set(x, values);
    cpu.run();
    std::vector<std::int32_t> received(static_cast<std::size_t>(rows), -1);
    launch(
        argmax_params{.x = values.data(), .y = received.data(), .rows = rows, .columns = columns});
    EXPECT_EQ(received, cpu.get<std::int32_t>(y)) << rows << " x " << columns;
  }
}

// ---- embedding ----------------------------------------------------------------------------------
struct Ids {
  std::int64_t count;
  std::int32_t entries;
  std::int64_t columns;
};
const std::vector<Ids> kIds{{1, 1, 1},    {5, 3, 4},   {40, 7, 3},   {300, 5, 16}, {700, 2, 130},
                            {64, 500, 8}, {9, 4, 260}, {3, 2, 5003}, {0, 3, 4}};
// For the gradient: sorted in several chunks, by one, two and three digits, and few ids of many
// uses beside many ids of few.
const std::vector<Ids> kManyIds{{6000, 255, 4}, {6000, 256, 1}, {5000, 70000, 2},
                                {9000, 3, 8},   {4097, 1, 5},   {2048, 20, 12}};

// A third of the ids several times; one below and one above the table, if there are so many.
template <class Id>
std::vector<Id> ids_for(const Ids& t) {
  std::vector<Id> ids;
  for (std::int64_t i = 0; i < t.count; ++i) ids.push_back(static_cast<Id>(i * i % t.entries));
  if (t.count > 6) ids[6] = static_cast<Id>(t.entries);
  if (t.count > 8) ids[8] = static_cast<Id>(-1);
  return ids;
}

template <class Element, class Id>
void expect_cpus_embedding(DType element, DType id, Labels kind) {
  for (const Ids& t : kIds) {
    Graph graph;
    const Value table = leaf(graph, {t.entries, t.columns}, element);
    const Value ids = leaf(graph, {t.count}, id);
    const Value y = ops::embedding(table, ids);
    NodeRun cpu(graph);
    std::vector<Element> rows;
    for (std::int64_t i = 0; i < t.entries * t.columns; ++i) {
      rows.push_back(static_cast<Element>(i + 1));
    }
    const auto numbers = ids_for<Id>(t);
    cpu.set(table, rows);
    cpu.set(ids, numbers);
    cpu.run();
    const auto expected = cpu.get<Element>(y);
    std::vector<Element> received(expected.size());
    plan::Scalars scalars;
    std::array<std::uint32_t, 2> counters{};
    launch(embedding_params{.table = rows.data(),
                            .ids = numbers.data(),
                            .y = received.data(),
                            .scalars = &scalars,
                            .counters = counters.data(),
                            .count = t.count,
                            .row_bytes = t.columns * static_cast<std::int64_t>(sizeof(Element)),
                            .entries = t.entries,
                            .kind = kind,
                            .node = 0});
    EXPECT_EQ(received, expected) << t.count << " of " << t.entries << " x " << t.columns;
    EXPECT_EQ(counters, (std::array<std::uint32_t, 2>{}));
    EXPECT_EQ(scalars.error, cpu.scalars.error);
    EXPECT_EQ(scalars.error_node, cpu.scalars.error_node);
    EXPECT_EQ(scalars.error_detail, cpu.scalars.error_detail);
    EXPECT_EQ(scalars.error_row, cpu.scalars.error_row);
  }
}

TEST(CudaKernels, embedding_is_the_cpus) {
  expect_cpus_embedding<float, std::int32_t>(DType::float32, DType::int32, Labels::int32_classes);
  expect_cpus_embedding<float, float>(DType::float32, DType::float32, Labels::float_classes);
  expect_cpus_embedding<std::uint16_t, std::int32_t>(DType::bfloat16, DType::int32,
                                                     Labels::int32_classes);
}

TEST(CudaKernels, embedding_backward_is_the_cpus) {
  std::vector<Ids> all = kIds;
  all.insert(all.end(), kManyIds.begin(), kManyIds.end());
  for (const Ids& t : all) {
    SCOPED_TRACE(std::to_string(t.count) + " of " + std::to_string(t.entries));
    Graph graph;
    const Value dy = leaf(graph, {t.count, t.columns});
    const Value ids = leaf(graph, {t.count}, DType::int32);
    const Value dtable = ops::embedding_backward(dy, ids, {t.entries, t.columns});
    NodeRun cpu(graph);
    const auto gradient = noise(elements(t.count, t.columns));
    const auto numbers = ids_for<std::int32_t>(t);
    cpu.set(dy, gradient);
    cpu.set(ids, numbers);
    cpu.run();
    // Rows without a use are left alone.
    std::vector<float> received = cpu.get(dtable);
    for (float& element : received) element = element == 0.0f ? 0.0f : kNaN;
    std::vector<float> first;
    for (const std::uint64_t seed : {1, 2}) {
      reseed_emulation(seed);
      const embedding_backward_params p{.dy = gradient.data(),
                                        .dtable = received.data(),
                                        .count = t.count,
                                        .entries = t.entries,
                                        .columns = static_cast<std::int32_t>(t.columns)};
      test::launch_embedding_backward(p, numbers.data(), Labels::int32_classes, seed == 2);
      if (seed == 1) first = received;
    }
    EXPECT_TRUE(test::same_bits(first, received));
    expect_close(received, cpu.get(dtable), 1e-5);
  }
}

// What a launch does grows with the number of uses: a block has no more of them than its chunk, and
// the last one no more chunks to go through than there may be.
TEST(CudaKernels, embeddings_uses_are_sorted_in_chunks) {
  const EmbeddingSort few(100, 10000);
  EXPECT_EQ(few.passes, 2);
  EXPECT_EQ(EmbeddingSort(100, 255).passes, 1);
  EXPECT_EQ(EmbeddingSort(100, 256).passes, 2) << "an id that there is not has key 256";
  EXPECT_EQ(EmbeddingSort(100, 1 << 24).passes, 4);
  for (const std::int64_t uses : {1, 2048, 2049, 1 << 20, (1 << 20) + 1, 1 << 30}) {
    const EmbeddingSort sort(uses, 10000);
    EXPECT_EQ(sort.chunk % kBlockThreads, 0);
    const std::int64_t chunks = (uses + sort.chunk - 1) / sort.chunk;
    EXPECT_LE(chunks, 512) << uses;
    EXPECT_EQ(sort.counts_bytes, static_cast<std::size_t>(chunks) * kDigits * 4);
    EXPECT_GE(sort.numbers_bytes, static_cast<std::size_t>(uses) * 4);
  }
}

// ---- gather_rows --------------------------------------------------------------------------------
TEST(CudaKernels, gather_rows_copies_whole_rows_of_any_size) {
  for (const std::int64_t row_bytes : {1, 2, 3, 4, 6, 8, 16, 48, 100, 785, 4096}) {
    constexpr std::int64_t kRows = 40;
    std::vector<std::byte> from(static_cast<std::size_t>(kRows * row_bytes));
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 31 % 251);
    std::vector<std::int64_t> rows;
    for (std::int64_t i = 0; i < 33; ++i) rows.push_back(i * i * 7 % kRows);
    const std::size_t bytes = rows.size() * static_cast<std::size_t>(row_bytes);
    std::vector<std::byte> expected(bytes), received(bytes);
    device::gather_rows_now({expected.data(), from.data(), static_cast<std::size_t>(row_bytes)},
                            rows);
    for (const bool few_blocks : {false, true}) {
      std::fill(received.begin(), received.end(), std::byte{0xa5});
      const gather_rows_params p{.from = from.data(),
                                 .to = received.data(),
                                 .rows = rows.data(),
                                 .count = static_cast<std::int64_t>(rows.size()),
                                 .row_bytes = row_bytes};
      few_blocks ? test::launch_few_blocks(p) : launch(p);
      EXPECT_EQ(received, expected) << row_bytes;
    }
  }
}

// ---- slice --------------------------------------------------------------------------------------
struct Slice {
  Shape shape;
  std::int64_t axis, begin, extent;
};
const std::vector<Slice> kSlices{
    {{7}, 0, 2, 3},        {{3, 5, 4}, 1, 1, 2},     {{3, 5, 4}, 0, 2, 1}, {{3, 5, 4}, 2, 0, 4},
    {{2, 6, 16}, 2, 8, 4}, {{40, 30, 7}, 1, 11, 13}, {{1, 1}, 1, 0, 1},    {{9, 64, 20}, 1, 0, 63}};

template <class Params>
void set_slice(Params& p, const Slice& slice) {
  p.outer = p.inner = 1;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(slice.shape.rank()); ++i) {
    const auto extent = slice.shape[static_cast<std::size_t>(i)];
    if (i < slice.axis) p.outer *= extent;
    if (i == slice.axis) p.from = extent;
    if (i > slice.axis) p.inner *= extent;
  }
  p.begin = slice.begin;
  p.extent = slice.extent;
}

template <class T>
void expect_cpus_slice(DType dtype) {
  for (const Slice& slice : kSlices) {
    Graph graph;
    const Value x = leaf(graph, slice.shape, dtype);
    const Value y = ops::slice(x, slice.axis, slice.begin, slice.extent);
    NodeRun cpu(graph);
    std::vector<T> values;
    for (std::int64_t i = 0; i < slice.shape.elements(); ++i) {
      values.push_back(static_cast<T>(i * 37));
    }
    cpu.set(x, values);
    cpu.run();
    const auto expected = cpu.get<T>(y);
    std::vector<T> received(expected.size());
    slice_params p{};
    set_slice(p, slice);
    p.x = values.data();
    p.y = received.data();
    p.element_bytes = sizeof(T);
    launch(p);
    EXPECT_EQ(received, expected) << to_string(slice.shape);
  }
}

TEST(CudaKernels, slice_is_the_cpus) {
  expect_cpus_slice<float>(DType::float32);
  expect_cpus_slice<std::int32_t>(DType::int32);
  expect_cpus_slice<std::uint16_t>(DType::bfloat16);
  expect_cpus_slice<std::uint8_t>(DType::uint8);
}

template <class T>
void expect_slice_in_zeros() {
  for (const Slice& slice : kSlices) {
    slice_backward_params p{};
    set_slice(p, slice);
    std::vector<T> dy;
    for (std::int64_t i = 0; i < p.outer * p.extent * p.inner; ++i) {
      dy.push_back(static_cast<T>(i * 37 + 1));
    }
    std::vector<T> dx(elements(slice.shape.elements(), 1), static_cast<T>(-1));
    p.dy = dy.data();
    p.dx = dx.data();
    p.element_bytes = sizeof(T);
    launch(p);
    std::vector<T> expected(dx.size());
    for (std::int64_t o = 0; o < p.outer; ++o) {
      const std::int64_t block = p.extent * p.inner;
      std::copy_n(dy.begin() + o * block, block,
                  expected.begin() + (o * p.from + p.begin) * p.inner);
    }
    EXPECT_EQ(dx, expected) << to_string(slice.shape);
  }
}

TEST(CudaKernels, slice_backward_puts_the_slice_into_zeros) {
  expect_slice_in_zeros<float>();
  expect_slice_in_zeros<std::uint16_t>();
}

// ---- concatenate --------------------------------------------------------------------------------
template <class T>
void expect_cpus_concatenation(DType dtype, const std::vector<std::int64_t>& widths) {
  constexpr std::int64_t kRows = 700;
  Graph graph;
  std::vector<Value> inputs;
  for (const std::int64_t width : widths) inputs.push_back(leaf(graph, {kRows, width}, dtype));
  const Value y = ops::concatenate(inputs, 1);
  NodeRun cpu(graph);
  std::vector<std::vector<T>> values(widths.size());
  concatenate_params p{};
  p.outer = kRows;
  std::int64_t end = 0;
  for (std::size_t k = 0; k < kConcatenated; ++k) {
    if (k < widths.size()) {
      for (std::int64_t i = 0; i < kRows * widths[k]; ++i) {
        values[k].push_back(static_cast<T>(i * 37 + static_cast<std::int64_t>(k)));
      }
      cpu.set(inputs[k], values[k]);
      p.x[k] = values[k].data();
      end += widths[k] * static_cast<std::int64_t>(sizeof(T));
    }
    p.ends[k] = end;
  }
  cpu.run();
  const auto expected = cpu.get<T>(y);
  std::vector<T> received(expected.size());
  p.row = end;
  p.y = received.data();
  launch(p);
  EXPECT_EQ(received, expected);
}

TEST(CudaKernels, concatenate_is_the_cpus) {
  for (const auto& widths : std::vector<std::vector<std::int64_t>>{
           {3, 4}, {4, 8, 16}, {16, 48}, {2, 6}, {1, 1, 1, 1, 1, 1, 1, 1}, {7}}) {
    expect_cpus_concatenation<float>(DType::float32, widths);
    expect_cpus_concatenation<std::uint16_t>(DType::bfloat16, widths);
    expect_cpus_concatenation<std::uint8_t>(DType::uint8, widths);
  }
}

// ---- The frame of a step ------------------------------------------------------------------------
// Three slots of `bytes` behind their headers; batch n holds bytes of n.
struct Ring {
  explicit Ring(std::size_t bytes) {
    for (std::size_t slot = 0; slot < 3; ++slot) {
      blocks[slot].resize((device::kHeaderBytes + bytes) / sizeof(Line));
      state.blocks[slot] = reinterpret_cast<std::byte*>(blocks[slot].data());
    }
    state.slots = 3;
  }
  void put(std::uint64_t sequence) {
    std::byte* block = state.blocks[sequence % 3];
    std::memset(block, static_cast<int>(sequence), blocks[0].size() * sizeof(Line));
    const device::SlotHeader header{.sequence = sequence};
    std::memcpy(block, &header, sizeof(header));
  }

  struct alignas(16) Line {
    std::byte bytes[16];
  };
  std::vector<Line> blocks[3];
  device::RingState state;
};

TEST(CudaKernels, ingest_copies_the_batch_at_the_cursor_and_moves_on) {
  for (const std::int64_t bytes : {16, 4096, 70000}) {
    Ring ring(static_cast<std::size_t>(bytes));
    plan::Scalars scalars;
    std::uint32_t counter = 0;
    for (std::uint64_t batch = 0; batch < 7; ++batch) {
      ring.put(batch);
      const std::int64_t end = device::kHeaderBytes + bytes;
      std::vector<Ring::Line> to(static_cast<std::size_t>(end / 16));
      const ingest_params p{.ring = &ring.state,
                            .scalars = &scalars,
                            .to = reinterpret_cast<std::byte*>(to.data()),
                            .begin = device::kHeaderBytes,
                            .end = end,
                            .counter = &counter};
      launch(p);
      EXPECT_EQ(ring.state.cursor, batch + 1);
      EXPECT_EQ(counter, 0U);
      EXPECT_EQ(scalars.error, StepError::none);
      EXPECT_EQ(p.to[p.begin - 1], std::byte{0}) << "the header stays behind";
      for (std::int64_t i = p.begin; i < p.end; ++i) ASSERT_EQ(p.to[i], std::byte(batch)) << i;
    }
  }
}

TEST(CudaKernels, ingest_records_a_slot_with_another_batch) {
  Ring ring(64);
  ring.put(4);
  ring.state.cursor = 7;
  plan::Scalars scalars;
  std::uint32_t counter = 0;
  std::vector<Ring::Line> to(ring.blocks[0].size());
  const ingest_params p{.ring = &ring.state,
                        .scalars = &scalars,
                        .to = reinterpret_cast<std::byte*>(to.data()),
                        .begin = device::kHeaderBytes,
                        .end = device::kHeaderBytes + 64,
                        .counter = &counter};
  launch(p);
  EXPECT_EQ(scalars.error, StepError::wrong_batch);
  EXPECT_EQ(scalars.error_detail, 4);
  EXPECT_EQ(scalars.error_row, 7);
  EXPECT_EQ(ring.state.cursor, 8U);
  launch(p);
  EXPECT_EQ(scalars.error_row, 7) << "the first error stays";
  EXPECT_EQ(ring.state.cursor, 9U);
}

TEST(CudaKernels, advance_counts_finite_steps) {
  const auto step = [](plan::Scalars scalars, float loss, const float* largest) {
    launch(
        advance_params{.loss = &loss, .largest_gradient = largest, .scalars = &scalars, .node = 3});
    return scalars;
  };
  const float fine = 1.0f;
  const plan::Scalars begin{.iterations = 4, .step = 6};
  for (const float* largest : {static_cast<const float*>(nullptr), &fine}) {
    const auto after = step(begin, 2.0f, largest);
    EXPECT_EQ(after.error, StepError::none);
    EXPECT_EQ(after.iterations, 5);
    EXPECT_EQ(after.step, 7U);
  }
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    for (const auto& [after, error] :
         {std::pair{step(begin, bad, &bad), StepError::non_finite_loss},
          std::pair{step(begin, fine, &bad), StepError::non_finite_gradient}}) {
      EXPECT_EQ(after.error, error);
      EXPECT_EQ(after.error_node, 3);
      EXPECT_EQ(after.iterations, 4);
      EXPECT_EQ(after.step, 6U);
    }
  }
  const auto after = step({.step = 6, .error = StepError::wrong_batch}, kNaN, nullptr);
  EXPECT_EQ(after.error, StepError::wrong_batch);
  EXPECT_EQ(after.step, 6U);
}

}  // namespace
}  // namespace stoker
