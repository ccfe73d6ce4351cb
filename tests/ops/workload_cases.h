// Ops at the sizes of the benchmarks' workloads: ops_bench times them, workload_cases_test.cpp runs
// each once. They have no references; the harness's own cases, which are small, say what is right.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/format.h"
#include "ops/cases.h"

namespace stoker::cases {

struct WorkloadCase {
  std::string op;
  OpCase c;
};

class WorkloadTable {
 public:
  using Pair = std::array<std::int64_t, 2>;
  using Expr = graph::Expr;
  using Graph = graph::Graph;
  using Inputs = std::span<const graph::Value>;

  void add(std::string op, std::string name, std::vector<OpInput> inputs, test::BuildOp build) {
    OpCase c;
    c.name = std::move(name);
    c.inputs = std::move(inputs);
    c.build = std::move(build);
    all_.push_back({std::move(op), std::move(c)});
  }
  // An op of one input and one output.
  void add(std::string op, std::string name, OpInput x, graph::Value (*build)(graph::Value)) {
    add(std::move(op), std::move(name), {std::move(x)},
        [build](Graph&, Inputs in) { return std::vector{build(in[0])}; });
  }
  std::vector<WorkloadCase> take() { return std::move(all_); }

  struct Product {
    std::int64_t m, k, n;
    bool transpose_a = false, transpose_b = false, bias = false, relu = false;
  };
  void matmul(const std::string& workload, const Product& p) {
    std::vector<OpInput> inputs{uniform(p.transpose_a ? Shape{p.k, p.m} : Shape{p.m, p.k}),
                                uniform(p.transpose_b ? Shape{p.n, p.k} : Shape{p.k, p.n})};
    if (p.bias) inputs.push_back(uniform({p.n}));
    add("matmul",
        format(workload, ' ', p.m, 'x', p.k, 'x', p.n, p.transpose_a ? " a^T" : "",
               p.transpose_b ? " b^T" : "", tail(p.bias, p.relu)),
        std::move(inputs), [p](Graph&, Inputs in) {
          return finish(ops::matmul(in[0], in[1], p.transpose_a, p.transpose_b), in, p.bias,
                        p.relu);
        });
  }

  // Forwards, the gradient of the kernel, and that of x.
  void dense(const std::string& workload, std::int64_t batch, std::int64_t in, std::int64_t units,
             bool relu) {
    matmul(workload, {.m = batch, .k = in, .n = units, .bias = true, .relu = relu});
    matmul(workload, {.m = in, .k = batch, .n = units, .transpose_a = true});
    matmul(workload, {.m = batch, .k = units, .n = in, .transpose_b = true});
  }

  struct Convolution {
    Shape x, kernel;
    Pair strides{1, 1}, before{0, 0}, after{0, 0};
    bool bias = false, relu = false;
    bool is_first = false;  // of a model: x has no gradient
  };
  void conv2d(const std::string& workload, const Convolution& conv) {
    ops::Conv2DAttributes a;
    a.strides = conv.strides;
    a.padding_before = conv.before;
    a.padding_after = conv.after;
    const auto extent = [&](std::size_t d) {
      return (conv.x[d + 1] + a.padding_before[d] + a.padding_after[d] - conv.kernel[d]) /
                 a.strides[d] +
             1;
    };
    const Shape y{conv.x[0], extent(0), extent(1), conv.kernel[3]};
    const std::string name = format(workload, ' ', conv.x, " kernel ", conv.kernel,
                                    a.strides == Pair{1, 1} ? "" : " strided");
    std::vector<OpInput> inputs{uniform(conv.x), uniform(conv.kernel)};
    if (conv.bias) inputs.push_back(uniform({conv.kernel[3]}));
    add("conv2d", name + tail(conv.bias, conv.relu), std::move(inputs),
        [a, conv](Graph&, Inputs in) {
          return finish(ops::conv2d(in[0], in[1], a), in, conv.bias, conv.relu);
        });
    if (!conv.is_first) {
      add("conv2d_backward_data", name, {uniform(y), uniform(conv.kernel)},
          [a, conv](Graph&, Inputs in) {
            return std::vector{ops::conv2d_backward_data(in[0], in[1], conv.x, a)};
          });
    }
    a.bias_gradient = conv.bias;
    add("conv2d_backward_weights", name + tail(conv.bias, false), {uniform(conv.x), uniform(y)},
        [a, conv](Graph&, Inputs in) {
          return ops::conv2d_backward_weights(in[0], in[1], conv.kernel, a);
        });
  }

  void max_pooling(const std::string& workload, Shape x) {
    const Shape y{x[0], x[1] / 2, x[2] / 2, x[3]};
    add("pool2d", format(workload, ' ', x), {spread(x)}, [](Graph& graph, Inputs in) {
      // With the places of the maxima, as training wants them.
      const graph::Value y = ops::pool2d(in[0], {});
      return std::vector{y, graph.value(graph.nodes().back().outputs[1])};
    });
    add("pool2d_backward", format(workload, ' ', x), {uniform(y), whole(y, DType::uint8, 0, 3)},
        [x](Graph&, Inputs in) { return std::vector{ops::pool2d_backward(in[0], in[1], x, {})}; });
  }

  void batch_norm(const std::string& workload, Shape x) {
    const Shape channels{x.back()};
    const OpInput positive = uniform(channels, 0.5, 1.5);
    add("batch_norm", format(workload, ' ', x), {uniform(x), positive, uniform(channels)},
        [](Graph&, Inputs in) {
          const auto result = ops::batch_norm(in[0], in[1], in[2], 1e-3f);
          return std::vector{result.y, result.mean, result.variance};
        });
    add("batch_norm_backward", format(workload, ' ', x),
        {uniform(x), positive, uniform(channels), positive, uniform(x)},
        [x, channels](Graph& graph, Inputs in) {
          return graph.append(
              ops::op(ops::OpIndex::batch_norm_backward), {in.begin(), in.end()},
              std::make_shared<ops::BatchNormAttributes>(),
              {{DType::float32, x}, {DType::float32, channels}, {DType::float32, channels}});
        });
  }

  void relu_gradient(const std::string& workload, const Shape& shape) {
    add("pointwise", format(workload, " relu's gradient ", shape), {uniform(shape), uniform(shape)},
        [](Graph&, Inputs in) {
          return std::vector{ops::map(in[0], in[1], [](Expr y, Expr dy) {
            return select(y, dy, Expr{y.expression, y.expression->constant(0.0f)});
          })};
        });
  }
  void dropout(const std::string& workload, const Shape& shape) {
    add("pointwise", format(workload, " dropout ", shape), {uniform(shape)}, [](Graph&, Inputs in) {
      return std::vector{ops::map(in[0], [](Expr x) {
        const Expr u{x.expression, x.expression->append({.op = graph::ExprOp::uniform})};
        return select(less(u, 0.5f), Expr{x.expression, x.expression->constant(0.0f)}, x * 2.0f);
      })};
    });
  }
  // Its results are written beside the old values here, not over them.
  void adam(const std::string& workload, std::int64_t parameters) {
    const Shape flat{parameters};
    add("pointwise", format(workload, " adam ", flat),
        {uniform(flat), uniform(flat), uniform(flat), uniform(flat, 0.0, 1.0)},
        [](Graph&, Inputs in) {
          graph::Expression e;
          const Expr p{&e, e.input(0)}, g{&e, e.input(1)}, m{&e, e.input(2)}, v{&e, e.input(3)};
          const Expr new_m = m + (g - m) * 0.1f;
          const Expr new_v = v + (square(g) - v) * 0.001f;
          for (const Expr x : {p - new_m * 0.001f / (sqrt(new_v) + 1e-7f), new_m, new_v}) {
            e.add_output(x.id);
          }
          return ops::pointwise({in.begin(), in.end()}, e);
        });
  }
  // Forwards and backwards, with queries and keys of one length.
  void attention(const std::string& workload, std::int64_t batch, std::int64_t steps,
                 std::int64_t heads, std::int64_t features, bool causal) {
    const OpInput x = uniform({batch, steps, heads, features});
    const Shape logarithms{batch, heads, steps};
    ops::AttentionAttributes attributes;
    attributes.scale = 0.125f;
    attributes.causal = causal;
    const std::string name = format(workload, ' ', x.shape, causal ? " causal" : "");
    add("attention", name, {x, x, x}, [=](Graph&, Inputs in) {
      return std::vector{ops::attention(in[0], in[1], in[2], {}, {}, attributes)};
    });
    add("attention_backward", name, {x, x, x, x, x, uniform(logarithms, 3.0, 5.0)},
        [=](Graph& graph, Inputs in) {
          return graph.append(
              ops::op(ops::OpIndex::attention_backward), {in.begin(), in.end()},
              std::make_shared<const ops::AttentionAttributes>(attributes),
              {{DType::float32, x.shape}, {DType::float32, x.shape}, {DType::float32, x.shape}});
        });
  }
  // A recurrent network of 28 steps and 128 units, and its gradient for that of the last step.
  void recurrence(const std::string& workload, ops::RecurrentKind kind) {
    constexpr std::int64_t kBatch = 128, kSteps = 28, kUnits = 128;
    ops::RecurrenceAttributes a;
    a.kind = kind;
    const std::int64_t gates = a.gates() * kUnits;
    const Shape states{kBatch, kSteps, kUnits};
    add("recurrence", workload,
        {uniform({kBatch, kSteps, gates}), uniform({kUnits, gates}, -0.1, 0.1)},
        [a](Graph&, Inputs in) {
          return std::vector{ops::recurrence({.x = in[0], .recurrent_kernel = in[1]}, a).last};
        });
    a.keeps = a.has_dlast = true;
    std::vector<OpInput> inputs{uniform({gates, kUnits}, -0.1, 0.1), uniform(states)};
    if (a.has_cell()) inputs.push_back(uniform(states));
    inputs.push_back(uniform({kBatch, kSteps, a.kept() * kUnits}, 0.0, 1.0));
    inputs.push_back(uniform({kBatch, kUnits}));
    add("recurrence_backward", workload, std::move(inputs), [=](Graph& graph, Inputs in) {
      const graph::ValueType of_x{DType::float32, {kBatch, kSteps, gates}};
      std::vector<graph::ValueType> outputs{of_x, {DType::float32, states}};
      if (kind == ops::RecurrentKind::gru) outputs.push_back(of_x);
      return graph.append(ops::op(ops::OpIndex::recurrence_backward), {in.begin(), in.end()},
                          std::make_shared<const ops::RecurrenceAttributes>(a), outputs);
    });
  }
  void sum(const std::string& workload, const std::string& what, const Shape& shape,
           std::vector<std::int64_t> axes) {
    add("reduce", format(workload, ' ', what, ' ', shape), {uniform(shape)},
        [axes = std::move(axes)](Graph&, Inputs in) {
          return std::vector{ops::reduce_mean(in[0], axes)};
        });
  }

 private:
  static std::string tail(bool bias, bool relu) {
    return std::string(bias ? " bias" : "") + (relu ? " relu" : "");
  }
  static std::vector<graph::Value> finish(graph::Value y, Inputs in, bool bias, bool relu) {
    if (bias) y = ops::add(y, in[2]);
    if (relu) y = ops::map(y, [](Expr x) { return graph::relu(x); });
    return {y};
  }

  std::vector<WorkloadCase> all_;
};

inline std::vector<WorkloadCase> workload_cases() {
  WorkloadTable t;
  t.matmul("square", {.m = 1024, .k = 1024, .n = 1024});
  for (const std::int64_t b : {32, 128}) {
    const std::string mlp = format("mlp-b", b), cnn = format("cnn-b", b);
    t.dense(mlp, b, 784, 128, true);
    t.dense(mlp, b, 128, 10, false);
    t.dense(cnn, b, 1600, 10, false);
    t.conv2d(cnn, {.x = {b, 28, 28, 1},
                   .kernel = {3, 3, 1, 32},
                   .bias = true,
                   .relu = true,
                   .is_first = true});
    t.conv2d(cnn, {.x = {b, 13, 13, 32}, .kernel = {3, 3, 32, 64}, .bias = true, .relu = true});
    t.max_pooling(cnn, {b, 26, 26, 32});
    t.max_pooling(cnn, {b, 11, 11, 64});
    t.relu_gradient(cnn, {b, 26, 26, 32});
    t.relu_gradient(cnn, {b, 11, 11, 64});
    t.dropout(cnn, {b, 1600});
    t.sum(cnn, "bias gradient", {b * 26 * 26, 32}, {0});
    t.add("softmax_cross_entropy", mlp, {uniform({b, 10}), whole({b}, DType::int32, 0, 9)},
          [](auto&, auto in) { return std::vector{ops::softmax_cross_entropy(in[0], in[1])}; });
    t.add("argmax", mlp, spread({b, 10}), ops::argmax);
  }
  t.adam("cnn", 34'944);
  t.adam("mlp", 101'824);

  const std::string resnet = "resnet20-b128";
  const WorkloadTable::Pair one{1, 1};
  t.conv2d(resnet, {.x = {128, 32, 32, 3},
                    .kernel = {3, 3, 3, 16},
                    .before = one,
                    .after = one,
                    .is_first = true});
  for (const std::int64_t filters : {16, 32, 64}) {
    const std::int64_t extent = 512 / filters;
    const Shape x{128, extent, extent, filters};
    t.conv2d(resnet, {.x = x, .kernel = {3, 3, filters, filters}, .before = one, .after = one});
    t.batch_norm(resnet, x);
    if (filters == 64) continue;
    t.conv2d(resnet,
             {.x = x, .kernel = {3, 3, filters, 2 * filters}, .strides = {2, 2}, .after = one});
  }
  t.sum(resnet, "global average pooling", {128, 8, 8, 64}, {1, 2});
  t.sum(resnet, "of all parameters", {272'474}, {0});

  t.add("layer_norm", "transformer-b32 (2048, 128)",
        {uniform({2048, 128}), uniform({128}), uniform({128})},
        [](auto&, auto in) { return std::vector{ops::layer_norm(in[0], in[1], in[2], 1e-3f)}; });
  t.add("layer_norm_backward", "transformer-b32 (2048, 128)",
        {uniform({2048, 128}), uniform({128}), uniform({2048}), uniform({2048}, 0.5, 2.0),
         uniform({2048, 128})},
        [](graph::Graph& graph, auto in) {
          return graph.append(ops::op(ops::OpIndex::layer_norm_backward), {in.begin(), in.end()},
                              std::make_shared<const ops::LayerNormAttributes>(),
                              {{DType::float32, {2048, 128}}});
        });
  t.attention("transformer-b32", 32, 64, 4, 32, false);
  t.attention("long", 2, 1024, 8, 64, true);
  t.add("softmax", "transformer-b32 attention", uniform({32, 4, 64, 64}), ops::softmax);
  t.add("sparsemax", "transformer-b32 attention", uniform({32, 4, 64, 64}), ops::sparsemax);
  t.add("one_hot", "transformer-b32 tokens", whole({32, 64}, DType::int32, 0, 999),
        [](graph::Value x) { return ops::one_hot(x, 1000); });
  t.add("embedding", "transformer-b32 tokens",
        {uniform({1000, 128}), whole({32, 64}, DType::int32, 0, 999)},
        [](auto&, auto in) { return std::vector{ops::embedding(in[0], in[1])}; });
  t.add("embedding_backward", "transformer-b32 tokens",
        {uniform({32, 64, 128}), whole({32, 64}, DType::int32, 0, 999)}, [](auto&, auto in) {
          return std::vector{ops::embedding_backward(in[0], in[1], {1000, 128})};
        });
  t.recurrence("lstm-b128", ops::RecurrentKind::lstm);
  t.recurrence("gru-b128", ops::RecurrentKind::gru);
  t.add("split", "lstm-b128 steps of (128, 28, 28)", {uniform({128, 28, 28})},
        [](auto&, auto in) { return ops::split(in[0], 1, 28); });
  t.add("slice", "lstm-b128 a step of (128, 28, 28)", uniform({128, 28, 28}),
        [](graph::Value x) { return ops::slice(x, 1, 14, 1); });
  t.add("concatenate", "unet-b16 shortcut of (16, 64, 64, 32)",
        {uniform({16, 64, 64, 32}), uniform({16, 64, 64, 32})}, [](graph::Graph&, auto in) {
          return std::vector{ops::concatenate({in[0], in[1]}, -1)};
        });
  t.add("slice_backward", "lstm-b128 a step of (128, 28, 28)", {uniform({128, 1, 28})},
        [](graph::Graph& graph, auto in) {
          auto attributes = std::make_shared<ops::SliceAttributes>();
          attributes->axis = 1;
          attributes->begin = 14;
          attributes->extent = 1;
          return graph.append(ops::op(ops::OpIndex::slice_backward), {in[0]}, attributes,
                              {{DType::float32, {128, 28, 28}}});
        });
  t.add("transpose", "transformer-b32 heads of (32, 64, 4, 32)", uniform({32, 64, 4, 32}),
        [](graph::Value x) {
          return ops::transpose(x, {0, 2, 1, 3});
        });
  t.add("transpose", "unet-b16 channels first of (16, 64, 64, 32)", uniform({16, 64, 64, 32}),
        [](graph::Value x) {
          return ops::transpose(x, {0, 3, 1, 2});
        });
  t.add("pad", "unet-b16 borders of (16, 64, 64, 32)", uniform({16, 64, 64, 32}),
        [](graph::Value x) {
          return ops::pad(x, {0, 1, 1, 0}, {0, 1, 1, 0});
        });
  t.add("resize", "unet-b16 height of (16, 32, 64, 32)", uniform({16, 32, 64, 32}),
        [](graph::Value x) { return ops::resize(x, 1, 64, true); });
  t.add("resize_backward", "unet-b16 height of (16, 32, 64, 32)", {uniform({16, 64, 64, 32})},
        [](graph::Graph& graph, auto in) {
          auto attributes = std::make_shared<ops::ResizeAttributes>();
          attributes->axis = 1;
          attributes->extent = 64;
          attributes->is_linear = true;
          return graph.append(ops::op(ops::OpIndex::resize_backward), {in[0]}, attributes,
                              {{DType::float32, {16, 32, 64, 32}}});
        });
  const auto warping = [] {
    ops::WarpAttributes attributes;
    attributes.height = attributes.width = 32;
    attributes.fill = WarpFill::reflect;
    return attributes;
  };
  t.add("warp", "cifar-b128 images of (128, 32, 32, 3)",
        {uniform({128, 32, 32, 3}), uniform({128, 8}, 0.0, 0.5)},
        [=](graph::Graph&, auto in) { return std::vector{ops::warp(in[0], in[1], warping())}; });
  t.add("warp_backward", "cifar-b128 images of (128, 32, 32, 3)",
        {uniform({128, 32, 32, 3}), uniform({128, 8}, 0.0, 0.5)},
        [=](graph::Graph& graph, auto in) {
          return graph.append(ops::op(ops::OpIndex::warp_backward), {in[0], in[1]},
                              std::make_shared<ops::WarpAttributes>(warping()),
                              {{DType::float32, {128, 32, 32, 3}}});
        });
  t.add("constant", "mlp-b128 means of 784 pixels", {}, [](graph::Graph& graph, auto) {
    return std::vector{ops::constant(graph, {784}, std::vector<float>(784, 0.5f))};
  });
  t.add("lookup", "tabular-b128 ids of (128, 16) among 100",
        {whole({128, 16}, DType::int32, 0, 199), whole({4, 100}, DType::float32, 0, 99)},
        [](auto&, auto in) {
          const UnknownNumbers unknown{.first = 0, .buckets = 1};
          return std::vector{ops::lookup(in[0], in[1], unknown)};
        });
  t.add("cross_hash", "tabular-b128 pairs of (128, 2)", {whole({128, 2}, DType::int32, 0, 999)},
        [](auto&, auto in) { return std::vector{ops::cross_hash(in[0], 1000)}; });
  t.add("user_kernel", "mlp-b128 doubles of (128, 512)", {uniform({128, 512})}, [](auto&, auto in) {
    auto kernel = std::make_shared<ops::UserKernel>();
    kernel->name = "doubled";
    kernel->cpu = [](auto inputs, auto outputs, std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        outputs[0][i] = 2.0f * inputs[0][i];
      }
    };
    kernel->cuda =
        "__device__ void doubled(const float* const* in, float* const* out, long long i) {\n"
        "  out[0][i] = 2.0f * in[0][i];\n"
        "}\n";
    return ops::user_kernel(kernel, {in[0]}, {{128, 512}}, 128 * 512);
  });
  // What a node that does nothing costs.
  t.add("reshape", "cnn-b128 flatten", uniform({128, 5, 5, 64}), [](graph::Value x) {
    return ops::reshape(x, {128, 1600});
  });
  t.add("advance", "any", {uniform({})}, [](auto&, auto in) {
    ops::advance(in[0]);
    return std::vector<graph::Value>{};
  });
  return t.take();
}

}  // namespace stoker::cases
