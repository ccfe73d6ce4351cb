// Training steps of the user's own: what Keras's train_step() says, as one program. A function
// computes losses of one or several models and says which optimizer minimizes which of them for
// which weights, one after the other.
//
//   Model generator = ..., discriminator = ...;
//   const Loss bce = BinaryCrossentropy({.from_logits = true});
//   Trainer gan({Input({28, 28, 1}, {.name = "images"})}, {}, [&](TrainingStep& step) {
//     const Value images = step.x(), noise = ops::random::normal({images.shape()[0], 64});
//     const Value real = discriminator(images), fake = discriminator(generator(noise));
//     const Value one = ops::ones_like(real), zero = ops::zeros_like(fake);
//     step.minimize(bce(one, real) + bce(zero, fake), {discriminator}, Adam({.learning_rate = 2e-4}), "d_loss");
//     const Value made = generator(noise);
//     step.minimize(bce(one, discriminator(made)), {generator}, Adam({.learning_rate = 2e-4}), "g_loss");
//     return made;
//   });
//   gan.fit(source, {.epochs = 20});
//
// What the function appends runs on the device in its order, without the host in between. A model
// that is called after its weights were moved computes with the new ones.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "stoker/custom.h"
#include "stoker/detail/function.h"
#include "stoker/layers.h"
#include "stoker/losses.h"
#include "stoker/model.h"
#include "stoker/optimizers.h"

namespace stoker {

// What the function gets. It ends with the call, which is made anew for each program: once to check
// shapes, when the batch's extent is -1, and for training, evaluation and prediction.
class TrainingStep {
 public:
  struct Inside;
  explicit TrainingStep(Inside& inside) : inside_(inside) {}
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  // The batch's inputs and targets. Throws ValueError beyond their number. A program that predicts
  // has no targets: they are zeros there, and what does not lead to the result is left out.
  Value x(std::size_t number = 0) const;
  Value y(std::size_t number = 0) const;
  // Whether the program that is being made trains.
  bool training() const;

  // Computes the gradients of a loss of shape () and takes a step of the optimizer for the trained
  // weights of these models and layers, where the program trains. The loss is reported under the
  // name, and the sum of all as "loss". Throws ValueError, naming the weight, where another
  // optimizer has one of the weights already, where the loss depends on none of them, and where it
  // depends on what was computed with weights that have moved since.
  void minimize(const Value& loss, const std::vector<Layer>& trained, const Optimizer& optimizer,
                const std::string& name = {});

  // The two parts of minimize(), for gradients that are changed in between: a gradient for each
  // trained weight of these models and layers, in their order. One of a weight that the loss does
  // not depend on is zeros.
  std::vector<Value> gradients(const Value& loss, const std::vector<Layer>& trained,
                               const std::string& name = {});
  void apply_gradients(const std::vector<Value>& gradients, const std::vector<Layer>& trained,
                       const Optimizer& optimizer);

  // Reports the mean of a value over the batches of an epoch.
  void add_metric(const std::string& name, const Value& value);
  // Moves all weights of `target` towards those of `source`, which has the same, as they are at the
  // end of the step: w <- w + share * (w_source - w). For target networks and teachers.
  void move_towards(const Layer& target, const Layer& source, double share);

 private:
  Inside& inside_;
};

// Returns what predict() gives.
using TrainingFunction = detail::Function<Value(TrainingStep& step)>;

// A model whose step the function makes. The models that it calls keep their weights, which they
// share with it, and can be used by themselves: to predict, and to be saved. It is compiled as it
// is made; fit(), evaluate(), train_on_batch(), callbacks and checkpoints work as for other models.
class Trainer : public Model {
 public:
  // `inputs` and `targets` are made by Input() and give the batches' shapes. Throws what the
  // function throws, and ValueError where it minimizes nothing, for mixed_float16, whose loss is
  // scaled, and for optimizers that MultiOptimizer can't have where there are several.
  Trainer(const std::vector<Value>& inputs, const std::vector<Value>& targets,
          TrainingFunction step, ModelOptions options = {});

  // The step has its losses and optimizers.
  void compile(CompileOptions options) = delete;

 private:
  struct Parts;
  Trainer(const Parts& parts, ModelOptions options);
};

}  // namespace stoker
