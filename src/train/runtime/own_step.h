// The step of a program's own (stoker/trainer.h) while it is built: its updates stand within the
// forward pass, one after the other.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "layers/own_step.h"
#include "train/runtime/step_context.h"

namespace stoker::train {

class OwnStepBuilder final : public layers::OwnStep {
 public:
  // `targets` are the batch's, of the types that the trainer declares. They are null for a program
  // that predicts.
  OwnStepBuilder(graph::Graph& graph, const Network& network, const Compiled* compiled,
                 StepContext& context, Mode mode, std::vector<graph::Value> targets)
      : graph_(graph),
        network_(network),
        compiled_(compiled),
        context_(context),
        mode_(mode),
        targets_(std::move(targets)) {}

  graph::Value target(std::size_t number) override { return targets_[number]; }
  void note_loss(graph::Value loss) override;
  graph::Value added_losses(std::span<const layers::LayerBase* const> trained) override;
  std::vector<graph::Value> gradients(graph::Value loss,
                                      std::span<const layers::LayerBase* const> trained) override;
  std::vector<Shape> shapes(std::span<const layers::LayerBase* const> trained) const override;
  void apply(graph::Value loss, std::span<const graph::Value> gradients,
             std::span<const layers::LayerBase* const> trained) override;
  void move_towards(const layers::LayerBase& target, const layers::LayerBase& source,
                    float share) override;

  // The sum of the losses, invalid where there is none.
  graph::Value loss() const { return loss_; }
  // Appends what comes after all updates. Throws ValueError where something has been computed with
  // a weight as it was before an update.
  void finish();

 private:
  std::vector<std::size_t> weights_of(std::span<const layers::LayerBase* const> layers) const;

  graph::Graph& graph_;
  const Network& network_;
  const Compiled* compiled_;
  StepContext& context_;
  Mode mode_;
  std::vector<graph::Value> targets_;
  graph::Value loss_;
  std::size_t losses_taken_ = 0;  // The first of the layers' losses that no loss includes.
  bool has_advanced_ = false;
  // A leaf that has been written after this many nodes.
  struct Moved {
    graph::ValueId leaf;
    std::size_t nodes;
    std::size_t weight;
  };
  std::vector<Moved> moved_;
  struct Pull {
    std::size_t target, source;  // weights
    float share;
  };
  std::vector<Pull> pulls_;
};

}  // namespace stoker::train
