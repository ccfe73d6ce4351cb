// Trainer: a model whose step is a function of the program's own.
#include "stoker/trainer.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/fields.h"
#include "optimizers/optimizer.h"
#include "stoker/error.h"
#include "train/model_access.h"
#include "train/trainer/step_layer.h"

namespace stoker {

struct Trainer::Parts {
  std::vector<Value> inputs;
  Value output;
  std::shared_ptr<train::StepLayer> step;
};

namespace {

using train::StepLayer;

std::shared_ptr<const layers::InputLayer> input_of(const Value& value, const char* what) {
  const auto& node = value.node();
  auto input = node != nullptr
                   ? std::dynamic_pointer_cast<const layers::InputLayer>(node->call->layer)
                   : nullptr;
  if (input != nullptr) return input;
  throw ValueError(format("Trainer: expected ", what, " made by Input(), received another value"));
}

std::shared_ptr<const StepLayer::Targets> targets_of(const std::vector<Value>& targets) {
  auto inputs = std::make_shared<StepLayer::Targets>();
  for (const Value& target : targets) inputs->push_back(input_of(target, "targets"));
  return inputs;
}

void add_with_parts(std::set<const layers::LayerBase*>& all, const layers::LayerBase& layer) {
  all.insert(&layer);
  for (const layers::Child& child : layer.children()) add_with_parts(all, *child.layer);
}

// The optimizer of the whole step: the only one, or one that has a member for each weight.
Optimizer optimizer_of(const StepLayer& step, const train::Network& network) {
  const std::vector<StepLayer::Phase>& phases = step.phases();
  if (phases.empty()) {
    throw ValueError(format(step.label(), ": expected the step to minimize a loss (",
                            "TrainingStep::minimize), received one that minimizes none"));
  }
  std::vector<std::pair<std::string, Optimizer>> members;
  std::map<std::string, std::size_t> phase_of;
  for (std::size_t i = 0; i < phases.size(); ++i) {
    std::set<const layers::LayerBase*> layers;
    for (const auto& layer : phases[i].trained) add_with_parts(layers, *layer);
    for (const train::Weight& weight : network.weights()) {
      if (!weight.spec.trainable || !layers.contains(weight.layer)) continue;
      const auto [known, is_new] = phase_of.try_emplace(weight.path, i);
      if (is_new) {
        members.emplace_back(weight.path, phases[i].optimizer);
        continue;
      }
      throw ValueError(format(
          step.label(), ": weight \"", weight.path, "\" is updated twice in a step, by ",
          phases[known->second].optimizer.base()->class_name(), " and by ",
          phases[i].optimizer.base()->class_name(), "; expected one update for each weight"));
    }
  }
  if (phases.size() == 1) return phases[0].optimizer;
  return MultiOptimizer(phases[0].optimizer, std::move(members));
}

}  // namespace

Trainer::Trainer(const std::vector<Value>& inputs, const std::vector<Value>& targets,
                 TrainingFunction step, ModelOptions options)
    : Trainer(
          [&] {
            if (!step) throw ValueError("Trainer: expected a function, received none");
            for (const Value& input : inputs) input_of(input, "inputs");
            Parts parts{inputs, {}, nullptr};
            parts.step = std::make_shared<StepLayer>(
                options.name.empty() ? "training_step" : options.name + "_step", std::move(step),
                targets_of(targets));
            parts.output = Layer(parts.step)(inputs);
            return parts;
          }(),
          options) {}

Trainer::Trainer(const Parts& parts, ModelOptions options)
    : Model(parts.inputs, parts.output, std::move(options)) {
  Impl& impl = detail::ModelAccess::impl(*this, "Trainer");
  if (impl.network.policy() == layers::policy_of("mixed_float16", "Trainer")) {
    throw ValueError(
        "Trainer: a step of the program's own can't scale its losses, which mixed_float16 needs; "
        "use mixed_bfloat16 or float32");
  }
  Model::compile({.optimizer = optimizer_of(*parts.step, impl.network)});
  impl.compiled->own_targets = parts.step->targets();
}

}  // namespace stoker
