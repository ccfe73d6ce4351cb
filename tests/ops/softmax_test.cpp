// Ops softmax (and log_softmax), sparsemax and softmax_cross_entropy.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Graph;
using graph::Value;

using Row = std::function<Values(const Values&)>;

Values softmax_row(const Values& x) {
  const double top = *std::max_element(x.begin(), x.end());
  Values y;
  double sum = 0.0;
  for (const double v : x) sum += std::exp(v - top);
  for (const double v : x) y.push_back(std::exp(v - top) / sum);
  return y;
}

Values log_softmax_row(const Values& x) {
  const double top = *std::max_element(x.begin(), x.end());
  Values y;
  double sum = 0.0;
  for (const double v : x) sum += std::exp(v - top);
  for (const double v : x) y.push_back(v - top - std::log(sum));
  return y;
}

// Martins, Astudillo: "From softmax to sparsemax", 2016, algorithm 1.
Values sparsemax_row(const Values& x) {
  Values sorted = x;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double sum = 0.0, threshold = 0.0;
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    sum += sorted[k];
    const auto count = static_cast<double>(k + 1);
    if (1.0 + count * sorted[k] > sum) threshold = (sum - 1.0) / count;
  }
  Values y;
  for (const double v : x) y.push_back(std::max(v - threshold, 0.0));
  return y;
}

Values by_rows(const Values& x, std::size_t columns, const Row& f) {
  Values y;
  for (std::size_t i = 0; i < x.size(); i += columns) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(i);
    const Values row = f(Values(begin, begin + static_cast<std::ptrdiff_t>(columns)));
    y.insert(y.end(), row.begin(), row.end());
  }
  return y;
}

OpCase rows(const char* name, Shape shape, double low, double high, Value (*op)(Value),
            const Row& f) {
  OpCase c;
  c.name = format(name, " ", shape, " in [", low, ", ", high, "]");
  c.inputs = {uniform(shape, low, high)};
  c.build = [op](Graph&, std::span<const Value> in) { return std::vector{op(in[0])}; };
  c.reference = [f, shape](const Tensors& in) -> Tensors {
    return {by_rows(in[0], size(shape.back()), f)};
  };
  const auto columns = static_cast<double>(shape.back());
  c.terms = columns + 16.0;
  c.gradient_terms = 2.0 * columns + 32.0;
  // The largest difference within a row is rounded before it is raised.
  c.magnitude = high - low;
  c.gradient_magnitude = 2.0 * (high - low + std::sqrt(columns));
  if (shape.elements() > 5'000) c.samples = 3;
  c.fused = {c.name.starts_with("sparsemax") ? "sparsemax" : "softmax"};
  return c;
}

// [rows of logits, labels] -> losses.
OpCase cross_entropy(const char* name, Shape logits, const test::OpInput& labels) {
  OpCase c;
  c.name = name;
  c.inputs = {uniform(logits, -4.0, 4.0), labels};
  c.inputs[1].differentiable = false;
  c.build = [](Graph&, std::span<const Value> in) {
    return std::vector{ops::softmax_cross_entropy(in[0], in[1])};
  };
  const bool sparse = labels.shape.rank() == 1;
  c.reference = [columns = size(logits.back()), sparse](const Tensors& in) -> Tensors {
    const Values log = by_rows(in[0], columns, log_softmax_row);
    Values loss(in[0].size() / columns);
    for (std::size_t i = 0; i < in[0].size(); ++i) {
      const std::size_t row = i / columns;
      const double weight =
          sparse ? (std::trunc(in[1][row]) == static_cast<double>(i % columns) ? 1.0 : 0.0)
                 : in[1][i];
      loss[row] -= weight * log[i];
    }
    return {loss};
  };
  c.terms = static_cast<double>(logits.back() + 16);
  c.magnitude = 8.0;
  c.gradient_magnitude = 2.0;
  if (logits.elements() > 5'000) c.samples = 3;
  c.fused = {"softmax_cross_entropy"};
  return c;
}

}  // namespace

std::vector<OpCase> cases::softmax_cases() {
  std::vector<OpCase> all;
  for (const auto& [shape, reach] : std::vector<std::pair<Shape, double>>{{{1, 1}, 1.0},
                                                                          {{5}, 2.0},
                                                                          {{3, 2}, 1.0},
                                                                          {{7, 10}, 4.0},
                                                                          {{2, 3, 17}, 2.0},
                                                                          {{4, 1000}, 3.0},
                                                                          {{3000, 33}, 3.0},
                                                                          {{3, 6}, 60.0}}) {
    all.push_back(rows("softmax", shape, -reach, reach, ops::softmax, softmax_row));
    all.push_back(rows("log_softmax", shape, -reach, reach, ops::log_softmax, log_softmax_row));
  }
  all.push_back(rows("softmax", {4, 5}, 500.0, 503.0, ops::softmax, softmax_row));
  all.push_back(rows("log_softmax", {4, 5}, 500.0, 503.0, ops::log_softmax, log_softmax_row));
  return all;
}

std::vector<OpCase> cases::sparsemax_cases() {
  std::vector<OpCase> all;
  for (const Shape& shape :
       {Shape{1, 1}, Shape{6}, Shape{5, 3}, Shape{2, 3, 17}, Shape{3000, 33}}) {
    all.push_back(rows("sparsemax", shape, -1.0, 1.0, ops::sparsemax, sparsemax_row));
  }
  all.push_back(rows("sparsemax", {8, 10}, -0.05, 0.05, ops::sparsemax, sparsemax_row));
  return all;
}

std::vector<OpCase> cases::softmax_cross_entropy_cases() {
  return {
      cross_entropy("int32 labels", {7, 10}, whole({7}, DType::int32, 0, 9)),
      cross_entropy("float32 class numbers", {5, 3}, given({5}, {0.0, 1.9, 2.0, 1.0, 2.5})),
      cross_entropy("rows of labels", {6, 4}, uniform({6, 4}, 0.0, 0.5)),
      cross_entropy("one class", {3, 1}, whole({3}, DType::int32, 0, 0)),
      cross_entropy("many rows", {3000, 33}, whole({3000}, DType::int32, 0, 32)),
      cross_entropy("many rows of labels", {3000, 33}, uniform({3000, 33}, 0.0, 0.06)),
  };
}

namespace {

TEST(SoftmaxCrossEntropy, records_a_label_outside_of_the_classes) {
  for (const double bad : {-1.0, 4.0, 1e9}) {
    OpCase c = cross_entropy("", {5, 4}, cases::given({5}, {0, 3, bad, 1, -7}, DType::int32));
    const auto run = test::run_case(c, {.gradients = true});
    EXPECT_EQ(run.scalars.error, plan::StepError::label_out_of_range);
    EXPECT_EQ(run.scalars.error_row, 2);
    EXPECT_EQ(static_cast<double>(run.scalars.error_detail), bad);
    EXPECT_EQ(run.outputs[0][2], 0.0);
    EXPECT_GT(run.outputs[0][3], 0.0);
  }
}

TEST(SoftmaxCrossEntropy, leaves_the_first_error_of_a_step_alone) {
  OpCase c = cross_entropy("", {2, 4}, cases::given({2}, {0, 9}, DType::int32));
  const auto run = test::run_case(
      c, {.scalars = {.error = plan::StepError::non_finite_loss, .error_detail = 5}});
  EXPECT_EQ(run.scalars.error, plan::StepError::non_finite_loss);
  EXPECT_EQ(run.scalars.error_detail, 5);
}

TEST(SoftmaxCrossEntropy, names_labels_that_do_not_fit) {
  Graph graph;
  const auto leaf = [&](Shape shape, DType dtype = DType::float32) {
    return graph.leaf("x", {dtype, shape}, {});
  };
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::softmax_cross_entropy(leaf({5, 4}), leaf({4}, DType::int32));
            }),
            "softmax_cross_entropy: labels of (4,) do not fit logits of (5, 4)");
  EXPECT_EQ(test::message_of<DTypeError>([&] {
              ops::softmax_cross_entropy(leaf({5, 4}), leaf({5}, DType::uint8));
            }),
            "softmax_cross_entropy: expected labels of float32 or int32 class numbers, received "
            "uint8");
}

}  // namespace
}  // namespace stoker
