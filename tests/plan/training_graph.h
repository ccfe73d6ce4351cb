// The training step of a small CNN, as layers, a loss and SGD with momentum would append it: what
// the tests of plans work on.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/align.h"
#include "ops/ops.h"
#include "plan/autodiff.h"
#include "plan/program.h"

namespace stoker::test {

struct TrainingGraph {
  static constexpr std::int64_t kRows = 32;
  static constexpr std::int64_t kLabelOffset = 256 + kRows * 16 * 16 * 4;
  static constexpr std::int64_t kInputBytes = kLabelOffset + kRows * 4;

  std::unique_ptr<graph::Graph> graph = std::make_unique<graph::Graph>();
  graph::Value logits;  // read after the step
  std::int64_t parameter_bytes = 0;

  TrainingGraph() {
    using graph::Space;
    const graph::Value x =
        graph->leaf("x", {DType::float32, {kRows, 16, 16, 1}}, {Space::input, 0, 256});
    const graph::Value labels =
        graph->leaf("y", {DType::int32, {kRows}}, {Space::input, 0, kLabelOffset});
    graph::Value y = pool(convolution(x, 3, 8));
    y = pool(convolution(y, 3, 16));
    y = ops::reshape(y, {kRows, y.shape().elements() / kRows});
    y = relu(dense(y, 24));
    logits = dense(y, 10);
    const graph::Value loss = ops::reduce_mean(ops::softmax_cross_entropy(logits, labels), {0});
    update(loss);
  }

 private:
  using Value = graph::Value;

  Value weight(Shape shape) {
    const Value leaf = graph->leaf("weight", {DType::float32, shape},
                                   {graph::Space::parameter, 0, parameter_bytes});
    weights_.push_back(leaf);
    const std::int64_t bytes = shape.elements() * 4;
    parameter_bytes += aligned(bytes);
    return leaf;
  }
  static Value relu(Value x) {
    return ops::map(x, [](graph::Expr v) { return graph::relu(v); });
  }
  Value convolution(Value x, std::int64_t extent, std::int64_t filters) {
    const Value kernel = weight({extent, extent, x.shape()[3], filters});
    return relu(ops::add(ops::conv2d(x, kernel, {}), weight({filters})));
  }
  static Value pool(Value x) { return ops::pool2d(x, {}); }
  Value dense(Value x, std::int64_t units) {
    const Value kernel = weight({x.shape()[1], units});
    return ops::add(ops::matmul(x, kernel), weight({units}));
  }

  void update(Value loss) {
    using graph::Space;
    const auto gradients = plan::differentiate(*graph, loss, weights_);
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      graph->place(gradients[i], {Space::gradient, 0, graph->info(weights_[i].id).home.offset});
    }
    ops::advance(loss);
    const Shape flat{parameter_bytes / 4};
    const std::array<graph::Home, 3> homes{
        {{Space::parameter, 0, 0}, {Space::gradient, 0, 0}, {Space::slot, 0, 0}}};
    std::vector<Value> leaves;
    graph::Expression rule;
    for (const graph::Home& home : homes) {
      leaves.push_back(graph->leaf("flat", {DType::float32, flat}, home));
    }
    const graph::Expr parameter{&rule, rule.input(0)}, gradient{&rule, rule.input(1)};
    const graph::Expr velocity = graph::Expr{&rule, rule.input(2)} * 0.9f - gradient * 0.05f;
    rule.add_output((parameter + velocity).id);
    rule.add_output(velocity.id);
    ops::pointwise_into(leaves, rule, {homes[0], homes[2]}, {.guard = ops::Guard::error});
    total(loss);
  }
  void total(Value loss) {
    const graph::Home home{graph::Space::metric, 0, 0};
    graph::Expression sum;
    const graph::Expr before{&sum, sum.input(0)}, addition{&sum, sum.input(1)};
    sum.add_output((before + addition).id);
    ops::pointwise_into({graph->leaf("total", {DType::float32, {}}, home), loss}, sum, {home},
                        {.guard = ops::Guard::error});
  }

  std::vector<Value> weights_;
};

}  // namespace stoker::test
