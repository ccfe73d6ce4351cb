// What the cross-entropies share.
#pragma once

#include "losses/loss.h"

namespace stoker::losses {

// Probabilities are kept this far from 0 and 1, in float32, with no slope outside (Keras).
inline constexpr float kLowestProbability = 1e-7f;
inline constexpr float kHighestProbability = 1.0f - 1e-7f;

inline graph::Expr clip_probability(graph::Expr p) {
  return min(max(p, kLowestProbability), kHighestProbability);
}

// The logits, when `probabilities` is what softmax or sigmoid has just made of them; else invalid.
// From logits the loss is exact where the probability has rounded to 0 or 1 and its slope is gone.
// Keras on TensorFlow does the same.
graph::Value logits_behind_softmax(graph::Value probabilities);
graph::Value logits_behind_sigmoid(graph::Value probabilities);

// ValueError unless it lies in [0, 1].
void require_label_smoothing(const std::string& loss, double label_smoothing);

}  // namespace stoker::losses
