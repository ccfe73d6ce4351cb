#include "losses/crossentropy.h"

#include "core/check.h"
#include "losses/axes.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::losses {
namespace {

const graph::Node* node_of(graph::Value value) {
  const graph::NodeId id = value.graph->info(value.id).node;
  return id < 0 ? nullptr : &value.graph->node(id);
}

bool is_op(const graph::Node* node, ops::OpIndex index) {
  return node != nullptr && ops::is_op(*node, index);
}

// Returns the value that a chain of reshapes begins with, since a Dense of rank above 2 ends in
// one.
graph::Value before_views(graph::Value value) {
  // A view with attributes passes no gradient on.
  for (const graph::Node* node = node_of(value);
       node != nullptr && node->op->traits.is_view && node->attributes == nullptr;
       node = node_of(value)) {
    value = value.graph->value(node->inputs[0]);
  }
  return value;
}

}  // namespace

graph::Value logits_behind_softmax(graph::Value probabilities) {
  const graph::Value made = before_views(probabilities);
  const graph::Node* node = node_of(made);
  if (!is_op(node, ops::OpIndex::softmax) || made.shape().back() != probabilities.shape().back() ||
      ops::attributes_of<ops::SoftmaxAttributes>(*node).log) {
    return {};
  }
  const graph::Value logits = made.graph->value(node->inputs[0]);
  return ops::reshape(logits, probabilities.shape());
}

graph::Value logits_behind_sigmoid(graph::Value probabilities) {
  const graph::Value made = before_views(probabilities);
  const graph::Node* node = node_of(made);
  if (!is_op(node, ops::OpIndex::pointwise) || node->inputs.size() != 1) return {};
  const graph::Value logits = made.graph->value(node->inputs[0]);
  const auto& expression = ops::attributes_of<ops::PointwiseAttributes>(*node).expression;
  const bool is_sigmoid = expression == graph::expression_of<1>(graph::sigmoid);
  if (!is_sigmoid || logits.shape() != made.shape()) return {};
  return ops::reshape(logits, probabilities.shape());
}

graph::Value softmax_along(graph::Value logits, std::int64_t axis) {
  if (axis_in(logits, axis) + 1 == static_cast<std::int64_t>(logits.shape().rank())) {
    return ops::softmax(logits);
  }
  const std::int64_t along = axis_in(logits, axis);
  const graph::Value largest = ops::reduce(ops::ReduceKind::max, logits, {along}, true);
  const graph::Value powers =
      ops::map(logits, largest, [](graph::Expr x, graph::Expr m) { return exp(x - m); });
  return ops::map(powers, ops::reduce_sum(powers, {along}, true),
                  [](graph::Expr power, graph::Expr sum) { return power / sum; });
}

graph::Value smoothed_labels(graph::Value labels, double label_smoothing) {
  if (label_smoothing == 0.0) return labels;
  const double share = label_smoothing / static_cast<double>(labels.shape().back());
  return ops::map(labels, [&](graph::Expr label) {
    return label * static_cast<float>(1.0 - label_smoothing) + static_cast<float>(share);
  });
}

void require_label_smoothing(const std::string& loss, double label_smoothing) {
  check::require(loss, "label_smoothing", label_smoothing, check::closed(0, 1));
}

}  // namespace stoker::losses
