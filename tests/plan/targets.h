// The passes that ask a backend, with the answers of one that knows what ours know.
#pragma once

#include <span>

#include "graph/graph.h"
#include "ops/tail.h"
#include "plan/passes.h"
#include "plan/target.h"

namespace stoker::test {

using Values = std::span<const graph::ValueId>;

inline bool takes_on_products(const graph::Graph& graph, const graph::Node& node) {
  const bool is_product =
      ops::is_op(node, ops::OpIndex::matmul) || ops::is_op(node, ops::OpIndex::conv2d);
  return is_product && ops::has_bias_and_relu(graph, node);
}
inline bool takes_on_norms(const graph::Graph& graph, const graph::Node& node) {
  if (ops::is_op(node, ops::OpIndex::batch_norm)) return ops::has_sum_and_relu(graph, node);
  return ops::is_op(node, ops::OpIndex::batch_norm_backward) && ops::has_masked_sum(graph, node);
}
inline bool takes_on_gradients(const graph::Graph& graph, const graph::Node& node) {
  return ops::has_relu_gradient(graph, node);
}

inline void fuse_product_tails(graph::Graph& graph, Values keep) {
  plan::fuse_tails(graph, keep, takes_on_products);
}
inline void fuse_relu_gradients(graph::Graph& graph, Values keep) {
  plan::fuse_tails(graph, keep, takes_on_gradients);
}
inline void fuse_batch_norm_tails(graph::Graph& graph, Values keep) {
  plan::fuse_tails(graph, keep, takes_on_norms);
}
inline void fuse_batch_norm_gradients(graph::Graph& graph, Values keep) {
  plan::fuse_batch_norm_gradients(graph, keep, takes_on_norms);
}

// As the CPU's.
inline plan::Target target() {
  return {.runs_in_16_bits = [](const graph::Graph&, const graph::Node&) { return false; },
          .takes_tail = takes_on_products,
          .sums_bias_gradients = true};
}

}  // namespace stoker::test
