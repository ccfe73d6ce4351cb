// Helpers that the cross-entropies share.
#pragma once

#include "losses/loss.h"

namespace stoker::losses {

// Probabilities are clipped to stay this far from 0 and 1, in float32; the slope is 0 where they
// are clipped (as in Keras).
inline constexpr float kLowestProbability = 1e-7f;
inline constexpr float kHighestProbability = 1.0f - 1e-7f;

inline graph::Expr clip_probability(graph::Expr p) {
  return min(max(p, kLowestProbability), kHighestProbability);
}

// -(z log p + (1 - z) log(1 - p)) of a label z and a probability p.
inline graph::Expr binary_crossentropy(graph::Expr label, graph::Expr probability) {
  const graph::Expr p = clip_probability(probability);
  return -(label * log(p) + (1.0f - label) * log(1.0f - p));
}

// Returns the softmax of logits along an axis.
graph::Value softmax_along(graph::Value logits, std::int64_t axis);
// Returns labels that are drawn towards all classes alike; for 0 the labels themselves. As in Keras
// there are as many classes as the last axis is long, whatever axis the loss is told.
graph::Value smoothed_labels(graph::Value labels, double label_smoothing);

// Returns the logits if `probabilities` is the result of softmax or sigmoid on them, otherwise an
// invalid value. A loss computed from logits is exact even where the probability has rounded to 0
// or 1 and has no slope any more. Keras on TensorFlow does the same.
graph::Value logits_behind_softmax(graph::Value probabilities);
graph::Value logits_behind_sigmoid(graph::Value probabilities);

// Throws ValueError unless label_smoothing lies in [0, 1].
void require_label_smoothing(const std::string& loss, double label_smoothing);

}  // namespace stoker::losses
