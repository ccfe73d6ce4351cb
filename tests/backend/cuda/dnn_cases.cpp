#include "backend/cuda/dnn_cases.h"

#include <array>
#include <cstdint>

#include "backend/cuda/ops/cuda_op.h"
#include "ops/tail.h"

namespace stoker::test {
namespace {

using backend::cuda::DnnTypes;
using Pair = std::array<std::int64_t, 2>;

enum class Epilogue : std::uint8_t { none, relu, relu_backward };

graph::Expression tail(bool bias, Epilogue epilogue) {
  if (epilogue == Epilogue::relu_backward) return ops::relu_gradient();
  const bool relu = epilogue == Epilogue::relu;
  return bias || relu ? ops::sum_and_relu(bias, relu) : graph::Expression{};
}

struct Matmul {
  const char* name = "";
  Shape a, b;
  bool transpose_a = false, transpose_b = false, bias = false;
  Epilogue epilogue = Epilogue::none;
};

const std::vector<Matmul>& matmuls() {
  static const std::vector<Matmul> all{
      {.name = "matmul", .a = {128, 784}, .b = {784, 128}},
      {.name = "matmul: bias", .a = {128, 784}, .b = {784, 128}, .bias = true},
      {.name = "matmul: bias relu",
       .a = {128, 784},
       .b = {784, 128},
       .bias = true,
       .epilogue = Epilogue::relu},
      {.name = "matmul: relu", .a = {128, 784}, .b = {784, 128}, .epilogue = Epilogue::relu},
      {.name = "matmul to 10: bias", .a = {128, 128}, .b = {128, 10}, .bias = true},
      {.name = "matmul to 1: bias", .a = {128, 64}, .b = {64, 1}, .bias = true},
      {.name = "matmul odd: bias relu",
       .a = {50, 31},
       .b = {31, 37},
       .bias = true,
       .epilogue = Epilogue::relu},
      {.name = "matmul one row: bias", .a = {1, 784}, .b = {784, 128}, .bias = true},
      {.name = "matmul dW", .a = {128, 784}, .b = {128, 128}, .transpose_a = true},
      {.name = "matmul dW to 10", .a = {128, 128}, .b = {128, 10}, .transpose_a = true},
      {.name = "matmul dW odd", .a = {50, 31}, .b = {50, 37}, .transpose_a = true},
      {.name = "matmul dX", .a = {128, 128}, .b = {784, 128}, .transpose_b = true},
      {.name = "matmul dX: relu_backward",
       .a = {128, 128},
       .b = {784, 128},
       .transpose_b = true,
       .epilogue = Epilogue::relu_backward},
      {.name = "matmul dX from 10: relu_backward",
       .a = {128, 10},
       .b = {128, 10},
       .transpose_b = true,
       .epilogue = Epilogue::relu_backward},
      {.name = "matmul dX odd: relu_backward",
       .a = {50, 37},
       .b = {31, 37},
       .transpose_b = true,
       .epilogue = Epilogue::relu_backward},
  };
  return all;
}

struct Convolution {
  const char* name = "";
  Shape x, kernel;
  Pair strides{1, 1}, dilations{1, 1}, before{0, 0}, after{0, 0};
  std::int64_t groups = 1;
};

const std::vector<Convolution>& convolutions() {
  static const std::vector<Convolution> all{
      {.name = "3x3 from 1", .x = {32, 28, 28, 1}, .kernel = {3, 3, 1, 32}},
      {.name = "3x3 same from 3",
       .x = {32, 32, 32, 3},
       .kernel = {3, 3, 3, 32},
       .before = {1, 1},
       .after = {1, 1}},
      {.name = "3x3 from 8", .x = {32, 16, 16, 8}, .kernel = {3, 3, 8, 16}},
      {.name = "3x3 from 16", .x = {32, 16, 16, 16}, .kernel = {3, 3, 16, 32}},
      {.name = "3x3 from 32", .x = {32, 13, 13, 32}, .kernel = {3, 3, 32, 64}},
      {.name = "3x3 same from 64",
       .x = {32, 14, 14, 64},
       .kernel = {3, 3, 64, 64},
       .before = {1, 1},
       .after = {1, 1}},
      {.name = "3x3 odd channels", .x = {32, 15, 15, 31}, .kernel = {3, 3, 31, 37}},
      {.name = "1x1 from 64", .x = {32, 14, 14, 64}, .kernel = {1, 1, 64, 128}},
      {.name = "1x1 stride 2 from 64",
       .x = {32, 14, 14, 64},
       .kernel = {1, 1, 64, 128},
       .strides = {2, 2}},
      {.name = "5x5 from 32", .x = {32, 14, 14, 32}, .kernel = {5, 5, 32, 64}},
      {.name = "7x7 stride 2 from 3",
       .x = {8, 64, 64, 3},
       .kernel = {7, 7, 3, 64},
       .strides = {2, 2},
       .before = {2, 2},
       .after = {3, 3}},
      {.name = "3x3 same stride 2 from 32: padded behind only",
       .x = {32, 28, 28, 32},
       .kernel = {3, 3, 32, 64},
       .strides = {2, 2},
       .after = {1, 1}},
      {.name = "2x2 same from 32: padded behind only",
       .x = {32, 14, 14, 32},
       .kernel = {2, 2, 32, 32},
       .after = {1, 1}},
      {.name = "3x3 dilation 2 from 32",
       .x = {32, 16, 16, 32},
       .kernel = {3, 3, 32, 32},
       .dilations = {2, 2}},
      {.name = "3x3 same, 4 groups of 16",
       .x = {32, 14, 14, 64},
       .kernel = {3, 3, 16, 64},
       .before = {1, 1},
       .after = {1, 1},
       .groups = 4},
      {.name = "3x3 same depthwise 64",
       .x = {32, 14, 14, 64},
       .kernel = {3, 3, 1, 64},
       .before = {1, 1},
       .after = {1, 1},
       .groups = 64},
      {.name = "3x3 same depthwise 32, two outputs a channel",
       .x = {32, 14, 14, 32},
       .kernel = {3, 3, 1, 64},
       .before = {1, 1},
       .after = {1, 1},
       .groups = 32},
  };
  return all;
}

ops::Conv2DAttributes attributes_of(const Convolution& c, bool bias, Epilogue epilogue) {
  ops::Conv2DAttributes a;
  a.strides = c.strides;
  a.dilations = c.dilations;
  a.padding_before = c.before;
  a.padding_after = c.after;
  a.groups = c.groups;
  a.tail = tail(bias, epilogue);
  return a;
}

}  // namespace

std::vector<DnnCase> dnn_matmul_cases(const DnnTypes& types) {
  std::vector<DnnCase> cases;
  for (const Matmul& c : matmuls()) {
    ops::MatMulAttributes attributes;
    attributes.transpose_a = c.transpose_a;
    attributes.transpose_b = c.transpose_b;
    attributes.tail = tail(c.bias, c.epilogue);
    cases.push_back({c.name, matmul_spec(c.a, c.b, attributes, types)});
  }
  return cases;
}

std::vector<DnnCase> dnn_matmul_as_conv_cases(const DnnTypes& types) {
  std::vector<DnnCase> cases;
  for (const DnnCase& c : dnn_matmul_cases(types)) {
    const auto product = backend::cuda::as_convolution(c.spec);
    if (product) cases.push_back({"1x1 " + c.name, product->spec});
  }
  return cases;
}

std::vector<DnnCase> dnn_batched_matmul_cases(const DnnTypes& types) {
  struct Batched {
    const char* name = "";
    Shape a, b;
    bool transpose_a = false, transpose_b = false;
  };
  const Batched all[] = {
      {"matmul of heads: scores", {32, 4, 64, 32}, {32, 4, 64, 32}, false, true},
      {"matmul of heads: values", {32, 4, 64, 64}, {32, 4, 64, 32}},
      {"matmul of heads: dvalues", {32, 4, 64, 64}, {32, 4, 64, 32}, true},
      {"matmul of heads: odd", {3, 2, 17, 5}, {3, 2, 5, 11}},
      {"matmul of one matrix and many", {48, 64}, {32, 64, 40}},
      {"matmul of heads that share keys", {8, 2, 3, 64, 32}, {8, 2, 1, 64, 32}, false, true},
  };
  std::vector<DnnCase> cases;
  for (const Batched& c : all) {
    graph::Graph graph;
    const auto leaf = [&](const Shape& shape) {
      return graph.leaf("x", {types.operands, shape}, {});
    };
    ops::matmul(leaf(c.a), leaf(c.b), c.transpose_a, c.transpose_b);
    const graph::Node& node = graph.nodes().back();
    cases.push_back({c.name, backend::cuda::cuda_op(node).spec(graph, node, types)});
  }
  return cases;
}

std::vector<DnnCase> dnn_conv_cases(const DnnTypes& types) {
  std::vector<DnnCase> cases;
  for (const Convolution& c : convolutions()) {
    const std::string name = std::string("conv ") + c.name;
    const auto forward = [&](const char* behind, bool bias, Epilogue epilogue) {
      cases.push_back(
          {name + behind, conv2d_spec(c.x, c.kernel, attributes_of(c, bias, epilogue), types)});
    };
    forward("", false, Epilogue::none);
    forward(": relu", false, Epilogue::relu);
    forward(": bias", true, Epilogue::none);
    forward(": bias relu", true, Epilogue::relu);
    const auto backward = [&](const char* behind, Epilogue epilogue) {
      cases.push_back(
          {name + behind,
           conv2d_backward_data_spec(c.x, c.kernel, attributes_of(c, false, epilogue), types)});
    };
    backward(" dX", Epilogue::none);
    backward(" dX: relu_backward", Epilogue::relu_backward);
    cases.push_back(
        {name + " dW", conv2d_backward_weights_spec(
                           c.x, c.kernel, attributes_of(c, false, Epilogue::none), types)});
  }
  return cases;
}

}  // namespace stoker::test
