#include "train/runtime/gradients.h"

#include <algorithm>

#include "ops/ops.h"
#include "plan/autodiff.h"

namespace stoker::train {

using graph::Graph;
using graph::Home;
using graph::Space;
using graph::Value;

std::vector<std::size_t> trained_weights(const Network& network, const StepContext& context,
                                         const Compiled& compiled) {
  std::vector<std::size_t> trained;
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    const Weight& weight = network.weights()[i];
    if (!context.leaves()[i] || !weight.spec.trainable) continue;
    if (!compiled.frozen.contains(weight.layer)) trained.push_back(i);
  }
  return trained;
}

std::vector<Value> gradients_of(Graph& graph, const Network& network, const StepContext& context,
                                std::span<const std::size_t> weights, Value loss, Value seed) {
  std::vector<Value> parameters;  // There are two values for each weight: the weight and its copy.
  for (const std::size_t i : weights) {
    Value leaf = context.leaves()[i];
    for (const auto& [home, value] : context.replaced()) {
      if (home == network.weights()[i].home) leaf = value;
    }
    parameters.push_back(leaf);
    parameters.push_back(context.copies()[i] ? context.copies()[i] : leaf);
  }
  const std::vector<Value> both = plan::differentiate(graph, loss, parameters, seed);
  std::vector<Value> gradients;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const bool has_copy = !(parameters[2 * k] == parameters[2 * k + 1]);
    Value gradient = both[2 * k];
    if (const Value of_copy = both[2 * k + 1]; has_copy && of_copy) {
      gradient = gradient ? ops::add(gradient, of_copy) : of_copy;
    }
    gradients.push_back(gradient);
  }
  return gradients;
}

void write_gradient(Graph& graph, const Weight& weight, Value gradient) {
  const Home home{Space::gradient, 0, weight.gradient_offset};
  const graph::ValueInfo& info = graph.info(gradient.id);
  // A gradient that is a leaf, or also the gradient of another weight, is copied; a 16-bit one is
  // converted.
  if (info.node < 0 || info.home.space != Space::arena || info.type.dtype != DType::float32) {
    ops::pointwise_into({gradient}, graph::identity(), {home});
  } else {
    graph.place(gradient, home);
  }
}

void write_replaced(const Network& network, const StepContext::Updates& replaced) {
  for (const auto& [home, value] : replaced) {
    std::vector<Home> homes{home};
    std::vector<DType> dtypes{DType::float32};
    if (network.copy_dtype()) {
      const auto is_it = [&home = home](const Weight& weight) { return weight.home == home; };
      homes.push_back(Network::copy_home(*std::ranges::find_if(network.weights(), is_it)));
      dtypes.push_back(*network.copy_dtype());
    }
    graph::Expression expression;
    const std::int32_t input = expression.input(0);
    for (std::size_t i = 0; i < homes.size(); ++i) expression.add_output(input);
    ops::pointwise_into(
        {value}, std::move(expression), std::move(homes),
        {.guard = ops::Guard::error, .keeps_finite = true, .dtypes = std::move(dtypes)});
  }
}

}  // namespace stoker::train
