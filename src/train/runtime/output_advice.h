// What compile() says of outputs that do not suit their losses, where nothing fails and people lose
// days.
#pragma once

#include <string>
#include <vector>

#include "train/network/network.h"
#include "train/runtime/compiled.h"

namespace stoker::train {

// Returns a sentence for each output whose cross-entropy expects probabilities and gets other
// values, or logits and gets probabilities, and for each softmax over a single value, which is
// always 1. Says nothing of an output whose range does not follow from the layers behind it.
std::vector<std::string> advice_on_outputs(const Compiled& compiled, const Network& network);

}  // namespace stoker::train
