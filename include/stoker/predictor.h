// Predictors let several threads predict at the same time.
#pragma once

#include <memory>
#include <vector>

#include "stoker/several.h"
#include "stoker/tensor.h"

namespace stoker {

class Model;

struct PredictorOptions {
  // The number of threads that compute, including the calling one. 0 means as many as the model
  // has. Several predictors that work at the same time need one thread each.
  int threads = 1;
};

// A handle that computes a model's outputs. It reads the model's weights in place, with their
// present values, and has an arena, plans and a stream of its own, so that any number of predictors
// may work at the same time. One predictor serves one thread at a time. The model may be destroyed
// before it. While somebody trains, sets the weights, or constructs a model that brings them
// together with others, calls throw ValueError, and so do those while a predictor is at work.
class Predictor {
 public:
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;
  ~Predictor();

  // Returns the output for one batch, of any number of rows. Plans for the last 32 numbers of rows
  // are kept. Throws ShapeError and DTypeError for a batch that does not fit the model, and
  // ValueError for a model of several outputs.
  Tensor predict(const Tensors& x);
  // Returns all outputs, in their order.
  std::vector<Tensor> predict_outputs(const Tensors& x);

 private:
  friend class Model;
  struct Impl;
  explicit Predictor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace stoker
