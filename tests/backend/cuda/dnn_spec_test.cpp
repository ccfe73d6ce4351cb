// The specs say what the ops mean: computed from their definition they give what the CPU's kernels
// give.
#include "backend/cuda/plan/dnn_spec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "backend/cuda/dnn_cases.h"
#include "backend/cuda/dnn_reference.h"
#include "backend/cuda/plan/dnn_specs.h"
#include "ops/tail.h"
#include "support/op_harness.h"

namespace stoker::backend::cuda {
namespace {

using graph::Graph;
using graph::Value;
using test::DnnCase;
using Pair = std::array<std::int64_t, 2>;
using Floats = std::vector<float>;

// ---- Running a spec
// ------------------------------------------------------------------------------

std::size_t elements(const DnnTensor& tensor) {
  const std::int64_t one = 1;
  return static_cast<std::size_t>(
      std::accumulate(tensor.dims.begin(), tensor.dims.end(), one, std::multiplies<>()));
}

Floats to_floats(const test::Values& values) { return {values.begin(), values.end()}; }

// y before it is written: what is left of it was not written.
constexpr float kUnwritten = -12345.0f;

struct Operands {
  Floats a = {}, b = {}, bias = {}, aux = {};
};

Floats run(const DnnSpec& spec, const Operands& operands) {
  Floats y(elements(spec.y), kUnwritten);
  test::run_dnn_reference(spec, {.a = operands.a.data(),
                                 .b = operands.b.data(),
                                 .bias = operands.bias.data(),
                                 .aux = operands.aux.data(),
                                 .y = y.data()});
  return y;
}

// Numbers in [-1, 1] that are no pattern.
Floats noise(std::size_t count, std::uint32_t seed) {
  Floats values(count);
  for (float& value : values) {
    seed = seed * 1664525U + 1013904223U;
    value = static_cast<float>(seed >> 8) * 0x1.0p-23f - 1.0f;
  }
  return values;
}

Operands operands_of(const DnnSpec& spec) {
  return {.a = noise(elements(spec.a), 1),
          .b = noise(elements(spec.b), 2),
          .bias = spec.bias ? noise(elements(*spec.bias), 3) : Floats(),
          .aux = spec.aux ? noise(elements(*spec.aux), 4) : Floats()};
}

void expect_near(const Floats& actual, const Floats& expected, double terms) {
  ASSERT_EQ(actual.size(), expected.size());
  const double tolerance = 6.0 * std::sqrt(terms) * 0x1.0p-24 * std::max(1.0, terms);
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
  }
}

// ---- Against the CPU
// -----------------------------------------------------------------------------

// Builds a graph over inputs of those shapes, runs it, and gives its inputs and its first output.
struct CpuRun {
  std::vector<Floats> inputs;
  Floats y;
};
CpuRun run_on_cpu(const std::vector<Shape>& shapes, const test::BuildOp& build) {
  test::OpCase c;
  c.name = "dnn_spec";
  for (const Shape& shape : shapes) c.inputs.push_back({.shape = shape});
  c.build = build;
  CpuRun run;
  for (const auto& values : test::draw_inputs(c)) run.inputs.push_back(to_floats(values));
  run.y = to_floats(test::run_case(c).outputs.at(0));
  return run;
}

Value with_tail(Value y, const Value* bias, bool has_relu) {
  if (bias) y = ops::add(y, *bias);
  if (has_relu) y = ops::map(y, [](graph::Expr x) { return relu(x); });
  return y;
}

struct Convolution {
  const char* name = "";
  Shape x, kernel;
  Pair strides{1, 1}, dilations{1, 1}, before{0, 0}, after{0, 0};
  std::int64_t groups = 1;

  ops::Conv2DAttributes attributes() const {
    ops::Conv2DAttributes a;
    a.strides = strides;
    a.dilations = dilations;
    a.padding_before = before;
    a.padding_after = after;
    a.groups = groups;
    return a;
  }
  Shape y() const {
    const auto dims = conv2d_spec(x, kernel, attributes()).y.dims;
    return {dims[0], dims[2], dims[3], dims[1]};
  }
};
void PrintTo(const Convolution& c, std::ostream* out) { *out << c.name; }

const std::vector<Convolution>& convolutions() {
  static const std::vector<Convolution> all{
      {.name = "one channel", .x = {2, 6, 5, 1}, .kernel = {3, 3, 1, 4}},
      {.name = "same",
       .x = {2, 7, 6, 3},
       .kernel = {3, 3, 3, 4},
       .before = {1, 1},
       .after = {1, 1}},
      {.name = "strided, padded behind only",
       .x = {2, 6, 8, 3},
       .kernel = {3, 3, 3, 5},
       .strides = {2, 2},
       .after = {1, 1}},
      {.name = "strided, pixels left over",
       .x = {2, 8, 9, 3},
       .kernel = {3, 2, 3, 5},
       .strides = {3, 2}},
      {.name = "1x1", .x = {3, 4, 5, 5}, .kernel = {1, 1, 5, 7}},
      {.name = "1x1, strided", .x = {2, 5, 7, 4}, .kernel = {1, 1, 4, 6}, .strides = {2, 3}},
      {.name = "5x5", .x = {1, 9, 8, 3}, .kernel = {5, 5, 3, 2}},
      {.name = "dilated, all paddings different",
       .x = {2, 9, 8, 2},
       .kernel = {3, 2, 2, 3},
       .dilations = {2, 3},
       .before = {1, 0},
       .after = {2, 3}},
      {.name = "even kernel", .x = {2, 5, 7, 2}, .kernel = {2, 4, 2, 3}, .after = {1, 2}},
      {.name = "two groups",
       .x = {2, 6, 6, 4},
       .kernel = {3, 3, 2, 6},
       .before = {1, 1},
       .after = {1, 1},
       .groups = 2},
      {.name = "depthwise", .x = {2, 6, 5, 8}, .kernel = {3, 3, 1, 8}, .groups = 8},
      {.name = "depthwise, two outputs a channel",
       .x = {1, 6, 5, 3},
       .kernel = {2, 3, 1, 6},
       .after = {1, 0},
       .groups = 3},
      {.name = "larger than the image",
       .x = {2, 3, 2, 2},
       .kernel = {5, 5, 2, 3},
       .before = {2, 2},
       .after = {2, 2}},
      {.name = "an output that sees padding alone",
       .x = {1, 4, 4, 2},
       .kernel = {2, 2, 2, 3},
       .before = {2, 3},
       .after = {2, 0}},
  };
  return all;
}

class ConvSpec : public testing::TestWithParam<Convolution> {
 protected:
  double terms() const {  // of the longest of the sums, bias included
    const Shape &kernel = GetParam().kernel, y = GetParam().y();
    const std::int64_t taps = kernel[0] * kernel[1];
    return static_cast<double>(std::max({taps * kernel[2], taps * kernel[3], y[0] * y[1] * y[2]}) +
                               1);
  }
};
INSTANTIATE_TEST_SUITE_P(DnnSpec, ConvSpec, testing::ValuesIn(convolutions()));

TEST_P(ConvSpec, means_the_forward_op) {
  const Convolution& c = GetParam();
  for (const bool bias : {false, true}) {
    for (const bool has_relu : {false, true}) {
      const CpuRun cpu =
          run_on_cpu({c.x, c.kernel, {c.kernel[3]}}, [&](Graph&, std::span<const Value> in) {
            const Value y = ops::conv2d(in[0], in[1], c.attributes());
            return std::vector<Value>{with_tail(y, bias ? &in[2] : nullptr, has_relu)};
          });
      ops::Conv2DAttributes attributes = c.attributes();
      if (bias || has_relu) attributes.tail = ops::sum_and_relu(bias, has_relu);
      const DnnSpec spec = conv2d_spec(c.x, c.kernel, attributes);
      expect_near(run(spec, {.a = cpu.inputs[0], .b = cpu.inputs[1], .bias = cpu.inputs[2]}), cpu.y,
                  terms());
    }
  }
}

TEST_P(ConvSpec, means_the_gradient_of_the_image) {
  const Convolution& c = GetParam();
  const CpuRun cpu = run_on_cpu({c.y(), c.kernel}, [&](Graph&, std::span<const Value> in) {
    return std::vector<Value>{ops::conv2d_backward_data(in[0], in[1], c.x, c.attributes())};
  });
  ops::Conv2DAttributes attributes = c.attributes();
  DnnSpec spec = conv2d_backward_data_spec(c.x, c.kernel, attributes);
  expect_near(run(spec, {.a = cpu.inputs[0], .b = cpu.inputs[1]}), cpu.y, terms());

  attributes.tail = ops::relu_gradient();
  spec = conv2d_backward_data_spec(c.x, c.kernel, attributes);
  const Floats aux = noise(cpu.y.size(), 5);
  Floats expected = cpu.y;
  for (std::size_t i = 0; i < aux.size(); ++i) expected[i] = aux[i] > 0.0f ? cpu.y[i] : 0.0f;
  expect_near(run(spec, {.a = cpu.inputs[0], .b = cpu.inputs[1], .aux = aux}), expected, terms());
}

TEST_P(ConvSpec, means_the_gradient_of_the_kernel) {
  const Convolution& c = GetParam();
  const CpuRun cpu = run_on_cpu({c.x, c.y()}, [&](Graph&, std::span<const Value> in) {
    return ops::conv2d_backward_weights(in[0], in[1], c.kernel, c.attributes());
  });
  const DnnSpec spec = conv2d_backward_weights_spec(c.x, c.kernel, c.attributes());
  expect_near(run(spec, {.a = cpu.inputs[1], .b = cpu.inputs[0]}), cpu.y, terms());
}

TEST(MatMulSpec, means_the_op) {
  const std::int64_t m = 7, k = 11, n = 5;
  for (int bits = 0; bits < 16; ++bits) {
    const bool transpose_a = bits & 1, transpose_b = bits & 2, bias = bits & 4, has_relu = bits & 8;
    const Shape a = transpose_a ? Shape{k, m} : Shape{m, k};
    const Shape b = transpose_b ? Shape{n, k} : Shape{k, n};
    const CpuRun cpu = run_on_cpu({a, b, {n}}, [&](Graph&, std::span<const Value> in) {
      const Value y = ops::matmul(in[0], in[1], transpose_a, transpose_b);
      return std::vector<Value>{with_tail(y, bias ? &in[2] : nullptr, has_relu)};
    });
    ops::MatMulAttributes attributes;
    attributes.transpose_a = transpose_a;
    attributes.transpose_b = transpose_b;
    if (bias || has_relu) attributes.tail = ops::sum_and_relu(bias, has_relu);
    const DnnSpec spec = matmul_spec(a, b, attributes);
    expect_near(run(spec, {.a = cpu.inputs[0], .b = cpu.inputs[1], .bias = cpu.inputs[2]}), cpu.y,
                static_cast<double>(k) + 1.0);
  }
}

// ---- Without the CPU
// -----------------------------------------------------------------------------

TEST(MatMulSpec, is_the_same_as_a_convolution) {
  std::size_t compared = 0;
  for (const DnnCase& c : test::dnn_matmul_cases({})) {
    const auto product = as_convolution(c.spec);
    ASSERT_TRUE(product) << c.name;
    const Operands operands = operands_of(c.spec);
    Operands there = operands;
    if (product->swapped) std::swap(there.a, there.b);
    expect_near(run(product->spec, there), run(c.spec, operands),
                static_cast<double>(c.spec.a.dims[2]));
    ++compared;
  }
  EXPECT_GT(compared, 10U);
}

TEST(MatMulSpec, of_two_transposed_matrices_is_no_convolution) {
  ops::MatMulAttributes attributes;
  attributes.transpose_a = attributes.transpose_b = true;
  EXPECT_FALSE(as_convolution(matmul_spec({3, 2}, {4, 3}, attributes)));
}

template <class T>
void expect_one_rounding(DType dtype) {
  ops::Conv2DAttributes attributes;
  attributes.tail = ops::sum_and_relu(true, false);
  const Shape x{2, 5, 4, 3}, kernel{3, 2, 3, 4};
  const DnnSpec narrow = conv2d_spec(x, kernel, attributes, DnnTypes::all(dtype));
  const DnnSpec wide = conv2d_spec(x, kernel, attributes);
  Operands operands = operands_of(wide);
  const auto round = [](Floats& values) {
    std::vector<T> rounded;
    for (float& value : values) {
      rounded.emplace_back(value);
      value = static_cast<float>(rounded.back());
    }
    return rounded;
  };
  const auto a = round(operands.a), b = round(operands.b), bias = round(operands.bias);
  std::vector<T> y(elements(narrow.y));
  test::run_dnn_reference(narrow,
                          {.a = a.data(), .b = b.data(), .bias = bias.data(), .y = y.data()});
  const Floats exact = run(wide, operands);
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i].bits, T(exact[i]).bits) << i;
}
TEST(DnnReference, rounds_bfloat16_once) { expect_one_rounding<bfloat16>(DType::bfloat16); }
TEST(DnnReference, rounds_float16_once) { expect_one_rounding<float16>(DType::float16); }

TEST(DnnReference, follows_any_strides) {
  // y = a b for matrices whose elements lie two apart.
  const auto apart = [](std::int64_t rows, std::int64_t columns) {
    return DnnTensor{.dims = {1, rows, columns}, .strides = {2 * rows * columns, 2 * columns, 2}};
  };
  DnnSpec spec;
  spec.a = apart(2, 3);
  spec.b = apart(3, 1);
  spec.y = apart(2, 1);
  const Floats a{1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0}, b{1, 0, 10, 0, 100, 0};
  Floats y(4, kUnwritten);
  test::run_dnn_reference(spec, {.a = a.data(), .b = b.data(), .y = y.data()});
  EXPECT_EQ(y, (Floats{321, kUnwritten, 654, kUnwritten}));
}

TEST(DnnSpec, text_holds_everything) {
  ops::Conv2DAttributes attributes;
  attributes.strides = {2, 1};
  attributes.padding_after = {1, 3};
  attributes.tail = ops::sum_and_relu(true, true);
  const DnnSpec spec =
      conv2d_spec({8, 6, 6, 2}, {3, 3, 2, 4}, attributes,
                  {.operands = DType::bfloat16, .bias = DType::float32, .result = DType::bfloat16});
  EXPECT_EQ(spec.text(),
            "conv_forward a=bfloat16(8,2,6,6)/72,1,12,2 b=bfloat16(4,2,3,3)/1,4,24,8 "
            "bias=float32(1,4,1,1)/4,1,4,4 y=bfloat16(8,4,3,7)/84,1,28,4 strides 2x1 dilations 1x1 "
            "padding 0,0+1,3 relu tf32");
  DnnSpec other = spec;
  other.tf32 = false;
  EXPECT_NE(other.text(), spec.text());
}

}  // namespace
}  // namespace stoker::backend::cuda
