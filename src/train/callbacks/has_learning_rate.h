#pragma once

namespace stoker {

class Model;

namespace train {

// Whether the model has a learning rate for all its weights, which one with a MultiOptimizer has
// not.
bool has_learning_rate(const Model& model);

}  // namespace train
}  // namespace stoker
