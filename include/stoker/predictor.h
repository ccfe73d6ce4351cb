// Predictions by several threads at a time.
#pragma once

#include <memory>
#include <vector>

#include "stoker/several.h"
#include "stoker/tensor.h"

namespace stoker {

class Model;

struct PredictorOptions {
  // Threads that compute, the calling one included; 0: as many as the model has. Several predictors
  // at work need one each.
  int threads = 1;
};

// A handle that computes a model's outputs. It reads the model's weights where they are, as they
// are by then, and has an arena, plans and a stream of its own, so that any number of predictors
// may be at work. One predictor serves one thread at a time. The model may be destroyed before it.
// While somebody trains or sets the weights, calls throw ValueError, and so does fit() while a
// predictor is at work.
class Predictor {
 public:
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;
  ~Predictor();

  // The output for one batch, of any number of rows. Plans for the last 32 numbers of rows are
  // kept. Throws ShapeError and DTypeError for what the model does not take, and ValueError for a
  // model of several outputs.
  Tensor predict(const Tensors& x);
  // All outputs, in their order.
  std::vector<Tensor> predict_outputs(const Tensors& x);

 private:
  friend class Model;
  struct Impl;
  explicit Predictor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stoker
