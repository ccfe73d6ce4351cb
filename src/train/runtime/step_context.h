// The context that layers see while a step is built.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "layers/layer.h"
#include "train/network/network.h"
#include "train/runtime/compiled.h"

namespace stoker::train {

enum class Mode : std::uint8_t { train, evaluate, predict };

class StepContext final : public layers::BuildContext {
 public:
  using Updates = std::vector<std::pair<graph::Home, graph::Value>>;

  StepContext(graph::Graph& graph, const Network& network, const Compiled* compiled, Mode mode)
      : graph_(graph), network_(network), compiled_(compiled), mode_(mode) {}

  graph::Graph& graph() override { return graph_; }
  bool training() const override { return training_of_calls().value_or(mode_ == Mode::train); }
  layers::OwnStep* own_step() override { return own_step_; }
  void set_own_step(layers::OwnStep* own_step) { own_step_ = own_step; }
  DType compute_dtype() const override { return network_.compute_dtype(layer()); }
  bool trainable() const override {
    return compiled_ == nullptr || !compiled_->frozen.contains(&layer());
  }

  graph::Value weight(const layers::WeightSpec& spec) override;
  void update(const layers::WeightSpec& spec, graph::Value value) override;
  void keep(const layers::WeightSpec& spec, graph::Value value) override;
  void add_loss(graph::Value loss) override { losses_.push_back({&layer(), loss}); }
  void add_metric(const std::string& name, graph::Value value) override {
    reports_.push_back({&layer(), name, value});
  }
  std::uint32_t random_stream(std::uint32_t purpose) override;

  // The leaf of each weight, invalid where no layer asked for it. Copies are the same weights in 16
  // bits, so a weight gets the gradients of both.
  const std::vector<graph::Value>& leaves() const { return leaves_; }
  const std::vector<graph::Value>& copies() const { return copies_; }
  const Updates& updates() const { return updates_; }
  // The values that trained weights have from the beginning of the step on, in place of those that
  // they had.
  const Updates& replaced() const { return replaced_; }
  // What is written after steps of any mode.
  const Updates& kept() const { return kept_; }
  // Forgets the leaf of a weight that an update has written, and the value that replaced it, so
  // that layers which are called from here on get the new weight.
  void forget(std::size_t weight);

  struct AddedLoss {
    const layers::LayerBase* layer;
    graph::Value value;
  };
  const std::vector<AddedLoss>& losses() const { return losses_; }
  // The mean of what a layer has reported under a name, in all its calls.
  graph::Value report_of(const layers::LayerBase* layer, const std::string& name) const;

 private:
  struct Report {
    const layers::LayerBase* layer;
    std::string name;
    graph::Value value;
  };
  const graph::Value* pending_update(const graph::Home& home) const;
  graph::Value copy_of(const Weight& weight);
  graph::Origin origin_of(const layers::LayerBase& layer) const override {
    return {graph::Origin::Kind::layer, network_.label_of(layer)};
  }

  graph::Graph& graph_;
  const Network& network_;
  const Compiled* compiled_;
  Mode mode_;
  layers::OwnStep* own_step_ = nullptr;
  std::set<std::uint32_t> streams_;  // The streams that are taken.
  std::vector<graph::Value> leaves_ = std::vector<graph::Value>(network_.weights().size());
  std::vector<graph::Value> copies_ = leaves_;
  Updates updates_, replaced_, kept_;
  std::vector<AddedLoss> losses_;
  std::vector<Report> reports_;
  // Of weights, by their places in losses_.
  std::vector<std::pair<graph::Home, std::size_t>> penalties_;
};

// Returns a field of the batch, which lies `offset` bytes from the begin of its slot.
graph::Value field_leaf(graph::Graph& graph, const Field& field, std::size_t offset,
                        std::int64_t rows);
// The field in the shape that an Input declares: as in Keras, it may have a last axis of one
// channel where the model has none, or lack it where the model has one. Throws ShapeError and
// DTypeError.
graph::Value fit_input(graph::Value x, const layers::InputLayer& input);

}  // namespace stoker::train
