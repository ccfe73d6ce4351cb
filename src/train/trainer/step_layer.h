// The layer that a Trainer consists of: its call is the program's own training step.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "custom/custom_layer.h"
#include "layers/own_step.h"
#include "stoker/trainer.h"

namespace stoker::train {

class StepLayer final : public custom::UserLayer {
 public:
  using Targets = std::vector<std::shared_ptr<const layers::InputLayer>>;

  // One minimize() or apply_gradients() of the step.
  struct Phase {
    std::vector<std::shared_ptr<layers::LayerBase>> trained;
    Optimizer optimizer;
  };

  StepLayer(std::string name, TrainingFunction function, std::shared_ptr<const Targets> targets);

  void write_fields(Fields& fields) const override;
  const std::shared_ptr<const Targets>& targets() const { return targets_; }
  // The updates of the first call, in their order.
  const std::vector<Phase>& phases() const { return phases_; }
  // Takes note of an update; only those of the first call are kept.
  void note(Phase phase);

 protected:
  std::vector<Value> run(layers::BuildScope& scope, const std::vector<Value>& inputs) override;

 private:
  const TrainingFunction function_;
  const std::shared_ptr<const Targets> targets_;
  std::vector<Phase> phases_;
  bool is_collected_ = false;
};

}  // namespace stoker::train
