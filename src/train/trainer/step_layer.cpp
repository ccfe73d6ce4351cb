#include "train/trainer/step_layer.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "layers/fields.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {

struct TrainingStep::Inside {
  train::StepLayer& layer;
  layers::BuildScope& scope;
  const std::vector<Value>& inputs;
  std::vector<Value> targets;
  // The loss of gradients() that have not been applied, for the check that it is finite.
  graph::Value pending_loss{};

  layers::BuildContext& context() { return scope.context("TrainingStep"); }
  // Null while shapes are checked.
  layers::OwnStep* own() { return context().own_step(); }
};

namespace train {

StepLayer::StepLayer(std::string name, TrainingFunction function,
                     std::shared_ptr<const Targets> targets)
    : UserLayer("TrainingStep", std::move(name)),
      function_(std::move(function)),
      targets_(std::move(targets)) {
  // The step's own layers cast what they get.
  casts_inputs = false;
  supports_masking = true;
}

void StepLayer::write_fields(Fields& fields) const {
  NameOptions options{.name = name(), .dtype = {}};
  layers::describe_common(fields, options);
}

void StepLayer::note(Phase phase) {
  if (!is_collected_) phases_.push_back(std::move(phase));
}

std::vector<Value> StepLayer::run(layers::BuildScope& scope, const std::vector<Value>& inputs) {
  TrainingStep::Inside inside{*this, scope, inputs, {}};
  for (std::size_t i = 0; i < targets_->size(); ++i) {
    const layers::InputLayer& target = *(*targets_)[i];
    if (layers::OwnStep* own = inside.own()) {
      inside.targets.push_back(layers::value_of(own->target(i)));
      continue;
    }
    // While shapes are checked the batch is unknown. A program that predicts has no targets, and
    // zeros stand in for them.
    const std::int64_t rows = inputs[0].shape()[0];
    const graph::ValueType type{target.dtype, target.shape.with_batch(rows)};
    const graph::Value stand_in =
        rows < 0 ? scope.graph().leaf(target.name(), type, {graph::Space::input, 0, 0})
                 : ops::cast(ops::fill(scope.graph(), type.shape, 0.0f), type.dtype);
    inside.targets.push_back(layers::value_of(stand_in));
  }
  TrainingStep step(inside);
  const Value result = function_(step);
  if (!is_collected_) is_collected_ = true;
  if (!result) {
    throw ValueError(format(label(), ": expected the step's function to return what predict() ",
                            "gives, received an empty Value"));
  }
  return {result};
}

namespace {

using Bases = std::vector<const layers::LayerBase*>;

Bases bases_of(const std::vector<Layer>& layers) {
  Bases bases;
  for (const Layer& layer : layers) bases.push_back(layer.base().get());
  return bases;
}

StepLayer::Phase phase_of(const std::vector<Layer>& trained, const Optimizer& optimizer) {
  StepLayer::Phase phase{{}, optimizer};
  for (const Layer& layer : trained) phase.trained.push_back(layer.base());
  return phase;
}

// Says where a call of the step went wrong.
std::string place(TrainingStep::Inside& inside, const char* what) {
  return format(inside.layer.label(), ": ", what);
}

graph::Value require_loss(TrainingStep::Inside& inside, const char* what, const Value& loss) {
  const graph::Value tensor =
      Fields::with_place(place(inside, what), [&] { return layers::tensor_of(loss); });
  if (tensor.shape().rank() == 0) return ops::to_float(tensor);
  throw ShapeError(format(place(inside, what), ": expected a loss of one number, as of ",
                          "ops::mean(x) or a Loss, received shape ", tensor.shape()));
}

void require_trained(TrainingStep::Inside& inside, const char* what,
                     const std::vector<Layer>& trained) {
  if (!trained.empty()) return;
  throw ValueError(
      format(place(inside, what), ": expected models or layers to train, received none"));
}

// What was trained by the loss, with what the trained layers have added to theirs.
graph::Value noted_loss(TrainingStep::Inside& inside, graph::Value loss, const Bases& trained,
                        const std::string& name) {
  if (!name.empty()) inside.context().add_metric(name, loss);
  layers::OwnStep* const own = inside.own();
  if (own == nullptr) {
    inside.context().add_loss(loss);
    return loss;
  }
  if (const graph::Value added = own->added_losses(trained)) loss = ops::add(loss, added);
  own->note_loss(loss);
  return loss;
}

// The shapes of trained weights while shapes are checked, as the layers have declared them.
std::vector<Shape> shapes_of(const Bases& layers) {
  std::vector<Shape> shapes;
  for (const layers::LayerBase* layer : layers) {
    for (const layers::WeightSpec& spec : layer->weights()) {
      if (spec.trainable && layer->trainable()) shapes.push_back(spec.shape);
    }
    Bases parts;
    for (const layers::Child& child : layer->children()) parts.push_back(child.layer.get());
    const std::vector<Shape> of_parts = shapes_of(parts);
    shapes.insert(shapes.end(), of_parts.begin(), of_parts.end());
  }
  return shapes;
}

}  // namespace
}  // namespace train

Value TrainingStep::x(std::size_t number) const {
  if (number < inside_.inputs.size()) return inside_.inputs[number];
  throw ValueError(format(train::place(inside_, "x"), ": expected a number below ",
                          inside_.inputs.size(), ", received ", number));
}

Value TrainingStep::y(std::size_t number) const {
  if (number < inside_.targets.size()) return inside_.targets[number];
  throw ValueError(format(train::place(inside_, "y"), ": expected a number below ",
                          inside_.targets.size(), ", the targets that were declared, received ",
                          number));
}

bool TrainingStep::training() const { return inside_.context().training(); }

void TrainingStep::minimize(const Value& loss, const std::vector<Layer>& trained,
                            const Optimizer& optimizer, const std::string& name) {
  train::require_trained(inside_, "minimize", trained);
  const train::Bases bases = train::bases_of(trained);
  inside_.layer.note(train::phase_of(trained, optimizer));
  const graph::Value tensor =
      train::noted_loss(inside_, train::require_loss(inside_, "minimize", loss), bases, name);
  layers::OwnStep* const own = inside_.own();
  if (own == nullptr || !training()) return;
  own->apply(tensor, own->gradients(tensor, bases), bases);
}

std::vector<Value> TrainingStep::gradients(const Value& loss, const std::vector<Layer>& trained,
                                           const std::string& name) {
  train::require_trained(inside_, "gradients", trained);
  const train::Bases bases = train::bases_of(trained);
  const graph::Value tensor =
      train::noted_loss(inside_, train::require_loss(inside_, "gradients", loss), bases, name);
  inside_.pending_loss = tensor;
  // Where nothing is trained, zeros of the right shapes stand in for gradients that nobody needs.
  layers::OwnStep* const own = inside_.own();
  const std::vector<Shape> shapes = own != nullptr ? own->shapes(bases) : train::shapes_of(bases);
  std::vector<graph::Value> found(shapes.size());
  if (own != nullptr && training()) found = own->gradients(tensor, bases);
  std::vector<Value> gradients;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    gradients.push_back(layers::value_of(
        found[i] ? ops::to_float(found[i]) : ops::fill(inside_.scope.graph(), shapes[i], 0.0f)));
  }
  return gradients;
}

void TrainingStep::apply_gradients(const std::vector<Value>& gradients,
                                   const std::vector<Layer>& trained, const Optimizer& optimizer) {
  train::require_trained(inside_, "apply_gradients", trained);
  inside_.layer.note(train::phase_of(trained, optimizer));
  std::vector<graph::Value> tensors;
  for (const Value& gradient : gradients) tensors.push_back(layers::tensor_of(gradient));
  if (!inside_.pending_loss) {
    throw ValueError(format(train::place(inside_, "apply_gradients"),
                            ": expected gradients that gradients() has computed before"));
  }
  layers::OwnStep* const own = inside_.own();
  if (own == nullptr || !training()) return;
  const std::vector<Shape> shapes = own->shapes(train::bases_of(trained));
  if (shapes.size() != tensors.size()) {
    throw ValueError(format(train::place(inside_, "apply_gradients"), ": expected ", shapes.size(),
                            " gradients, one for each trained weight, received ", tensors.size()));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].shape() != shapes[i]) {
      throw ShapeError(format(train::place(inside_, "apply_gradients"),
                              ": expected a gradient of shape ", shapes[i], " at place ", i,
                              ", received ", tensors[i].shape()));
    }
    // The copy is fused into what changes the gradient, and leaves the value itself as it is.
    tensors[i] = ops::map(tensors[i], [](graph::Expr x) { return x; });
  }
  own->apply(inside_.pending_loss, tensors, train::bases_of(trained));
}

void TrainingStep::add_metric(const std::string& name, const Value& value) {
  if (name.empty())
    throw ValueError(format(train::place(inside_, "add_metric"), ": expected a name"));
  inside_.context().add_metric(name, ops::to_float(layers::tensor_of(value)));
}

void TrainingStep::move_towards(const Layer& target, const Layer& source, double share) {
  check::require(train::place(inside_, "move_towards"), "a share", share, check::closed(0.0, 1.0));
  if (layers::OwnStep* const own = inside_.own()) {
    own->move_towards(*target.base(), *source.base(), static_cast<float>(share));
  }
}

}  // namespace stoker
