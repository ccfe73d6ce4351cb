#include "train/runtime/own_step.h"

#include <algorithm>
#include <set>

#include "core/format.h"
#include "ops/ops.h"
#include "stoker/error.h"
#include "train/runtime/gradients.h"
#include "train/runtime/update.h"

namespace stoker::train {

using graph::Expr;
using graph::Home;
using graph::Space;
using graph::Value;
using layers::LayerBase;

namespace {

void add_with_parts(std::set<const LayerBase*>& all, const LayerBase* layer) {
  all.insert(layer);
  for (const layers::Child& child : layer->children()) add_with_parts(all, child.layer.get());
}

std::set<const LayerBase*> with_parts(std::span<const LayerBase* const> layers) {
  std::set<const LayerBase*> all;
  for (const LayerBase* layer : layers) add_with_parts(all, layer);
  return all;
}

}  // namespace

std::vector<std::size_t> OwnStepBuilder::weights_of(
    std::span<const LayerBase* const> layers) const {
  const std::set<const LayerBase*> all = with_parts(layers);
  std::vector<std::size_t> weights;
  for (std::size_t i = 0; i < network_.weights().size(); ++i) {
    const Weight& weight = network_.weights()[i];
    const bool is_trained = weight.spec.trainable && !compiled_->frozen.contains(weight.layer);
    if (is_trained && all.contains(weight.layer)) weights.push_back(i);
  }
  return weights;
}

void OwnStepBuilder::note_loss(Value loss) { loss_ = loss_ ? ops::add(loss_, loss) : loss; }

// A loss that a layer adds belongs to the loss by which that layer is trained next.
Value OwnStepBuilder::added_losses(std::span<const LayerBase* const> trained) {
  const std::set<const LayerBase*> all = with_parts(trained);
  Value total;
  for (; losses_taken_ < context_.losses().size(); ++losses_taken_) {
    const StepContext::AddedLoss& added = context_.losses()[losses_taken_];
    if (!all.contains(added.layer)) continue;
    total = total ? ops::add(total, added.value) : added.value;
  }
  return total;
}

std::vector<Value> OwnStepBuilder::gradients(Value loss,
                                             std::span<const LayerBase* const> trained) {
  const std::vector<std::size_t> wanted = weights_of(trained);
  const std::vector<std::size_t> asked = trained_weights(network_, context_, *compiled_);
  std::vector<std::size_t> weights;
  std::ranges::set_intersection(wanted, asked, std::back_inserter(weights));
  const std::vector<Value> found = gradients_of(graph_, network_, context_, weights, loss);
  std::vector<Value> gradients(wanted.size());
  bool any = false;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const auto place = std::ranges::find(wanted, weights[k]) - wanted.begin();
    gradients[static_cast<std::size_t>(place)] = found[k];
    any = any || found[k];
  }
  if (any) return gradients;
  if (wanted.empty()) {
    throw ValueError(format(graph_.origin().text(), ": expected models or layers with weights to ",
                            "train, received ones that have none, or are frozen"));
  }
  throw ValueError(format(graph_.origin().text(), ": the loss depends on no weight of ",
                          network_.label_of(*trained[0]),
                          ". It has to be computed by calls of what it trains, after the last "
                          "update of it"));
}

std::vector<Shape> OwnStepBuilder::shapes(std::span<const LayerBase* const> trained) const {
  std::vector<Shape> shapes;
  for (const std::size_t i : weights_of(trained)) {
    shapes.push_back(network_.weights()[i].spec.shape);
  }
  return shapes;
}

void OwnStepBuilder::apply(Value loss, std::span<const Value> gradients,
                           std::span<const LayerBase* const> trained) {
  const std::vector<std::size_t> weights = weights_of(trained);
  std::vector<bool> has_gradient(network_.weights().size(), false);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    if (!gradients[k]) continue;
    const Weight& weight = network_.weights()[weights[k]];
    has_gradient[weights[k]] = true;
    write_gradient(graph_, weight, gradients[k]);
  }
  ops::advance(loss, largest_gradient(graph_, network_, has_gradient), 0, !has_advanced_);
  has_advanced_ = true;
  StepContext::Updates replaced;
  for (const auto& [home, value] : context_.replaced()) {
    const bool is_moved = std::ranges::any_of(
        weights, [&, &home = home](std::size_t i) { return network_.weights()[i].home == home; });
    if (is_moved) replaced.emplace_back(home, value);
  }
  write_replaced(network_, replaced);
  append_update(graph_, network_, *compiled_->options.optimizer.base(), has_gradient,
                compiled_->options.optimizer.excluded_from_weight_decay());
  for (const std::size_t i : weights) {
    if (!has_gradient[i]) continue;
    for (const Value& leaf : {context_.leaves()[i], context_.copies()[i]}) {
      if (leaf) moved_.push_back({leaf.id, graph_.nodes().size(), i});
    }
    context_.forget(i);
  }
}

void OwnStepBuilder::move_towards(const LayerBase& target, const LayerBase& source, float share) {
  const auto all_of = [&](const LayerBase& layer) {
    const LayerBase* const one = &layer;
    const std::set<const LayerBase*> layers = with_parts({&one, 1});
    std::vector<std::size_t> weights;
    for (std::size_t i = 0; i < network_.weights().size(); ++i) {
      if (layers.contains(network_.weights()[i].layer)) weights.push_back(i);
    }
    return weights;
  };
  const std::vector<std::size_t> to = all_of(target), from = all_of(source);
  const auto shape = [&](std::size_t i) { return network_.weights()[i].spec.shape; };
  const auto refuse = [&](const std::string& why) {
    throw ValueError(format(graph_.origin().text(), ": move_towards: expected ",
                            network_.label_of(target), " and ", network_.label_of(source),
                            " with the same weights, received ", why));
  };
  if (to.size() != from.size()) refuse(format(to.size(), " and ", from.size()));
  for (std::size_t k = 0; k < to.size(); ++k) {
    const Weight& a = network_.weights()[to[k]];
    const Weight& b = network_.weights()[from[k]];
    if (shape(to[k]) != shape(from[k]) || a.home.space != b.home.space) {
      refuse(format(a.path, " of ", shape(to[k]), " and ", b.path, " of ", shape(from[k])));
    }
    if (mode_ == Mode::train) pulls_.push_back({to[k], from[k], share});
  }
}

void OwnStepBuilder::finish() {
  for (const Pull& pull : pulls_) {
    const auto leaf = [&](std::size_t i) {
      const Weight& weight = network_.weights()[i];
      return graph_.leaf(weight.path, {DType::float32, weight.spec.shape}, weight.home);
    };
    const Weight& target = network_.weights()[pull.target];
    std::vector<Home> homes{target.home};
    std::vector<DType> dtypes{DType::float32};
    if (network_.copy_dtype() && target.spec.trainable) {
      homes.push_back(Network::copy_home(target));
      dtypes.push_back(*network_.copy_dtype());
    }
    graph::Expression expression;
    const Expr old{&expression, expression.input(0)}, towards{&expression, expression.input(1)};
    const Expr moved = graph::rounded(old + (towards - old) * pull.share, target.dtype);
    for (std::size_t i = 0; i < homes.size(); ++i) expression.add_output(moved.id);
    ops::pointwise_into({leaf(pull.target), leaf(pull.source)}, std::move(expression), homes,
                        {.guard = ops::Guard::error, .keeps_finite = true, .dtypes = dtypes});
  }
  for (const Moved& moved : moved_) {
    for (std::size_t id = moved.nodes; id < graph_.nodes().size(); ++id) {
      const graph::Node& node = graph_.nodes()[id];
      if (std::ranges::find(node.inputs, moved.leaf) == node.inputs.end()) continue;
      throw ValueError(format(
          node.origin.text(), ": computes with weight \"", network_.weights()[moved.weight].path,
          "\" as it was before the step moved it. A loss that is minimized after an update is ",
          "computed after it too: call the model again, or minimize this loss first"));
    }
  }
}

}  // namespace stoker::train
