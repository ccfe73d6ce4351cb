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

// Returns the logits if `probabilities` is the result of softmax or sigmoid on them, otherwise an
// invalid value. A loss computed from logits is exact even where the probability has rounded to 0
// or 1 and has no slope any more. Keras on TensorFlow does the same.
graph::Value logits_behind_softmax(graph::Value probabilities);
graph::Value logits_behind_sigmoid(graph::Value probabilities);

// Throws ValueError unless label_smoothing lies in [0, 1].
void require_label_smoothing(const std::string& loss, double label_smoothing);

}  // namespace stoker::losses
