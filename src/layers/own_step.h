// How the program's own training step (stoker/trainer.h) reaches the step that is being made.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "graph/graph.h"

namespace stoker::layers {

class LayerBase;

class OwnStep {
 public:
  virtual ~OwnStep() = default;

  // A target of the batch, of the type that the step declares.
  virtual graph::Value target(std::size_t number) = 0;
  // Notes a loss that is minimized, in training and evaluation.
  virtual void note_loss(graph::Value loss) = 0;
  // The losses that these layers and their parts have added since they were last asked; invalid
  // where there are none.
  virtual graph::Value added_losses(std::span<const LayerBase* const> trained) = 0;
  // A gradient for each trained weight of these layers and their parts, invalid for one that the
  // loss does not depend on. Throws ValueError where it depends on none.
  virtual std::vector<graph::Value> gradients(graph::Value loss,
                                              std::span<const LayerBase* const> trained) = 0;
  // The shapes of these weights.
  virtual std::vector<Shape> shapes(std::span<const LayerBase* const> trained) const = 0;
  // Takes a step of the compiled optimizer for these weights.
  virtual void apply(graph::Value loss, std::span<const graph::Value> gradients,
                     std::span<const LayerBase* const> trained) = 0;
  virtual void move_towards(const LayerBase& target, const LayerBase& source, float share) = 0;
};

}  // namespace stoker::layers
