// What recurrent layers share. A cell is a step; a recurrent layer takes a sequence through it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "layers/layer.h"

namespace stoker::layers {

// How a sequence is taken.
struct SequenceOptions {
  bool returns_sequence = false;
  bool is_backwards = false;
  // Whether outputs are in the order of the input even if the last step was taken first.
  bool in_order_of_input = false;
};

struct SequenceResult {
  graph::Value last;      // the output of the last step
  graph::Value sequence;  // those of all steps [batch, steps, ...], where they are wanted
  std::vector<graph::Value> states;
};

class CellLayer : public LayerBase {
 public:
  using LayerBase::LayerBase;

  // A step: of what the cell takes of it, and of the states before it, the states after it. The
  // first state is the output. States are never invalid.
  using States = std::vector<graph::Value>;
  using Step = std::function<States(graph::Value x, const States& states)>;

  // How many states there are.
  virtual std::size_t state_count() const = 0;
  // Which of the states is the output.
  virtual std::size_t output_state() const { return 0; }

  // Appends what can be computed for all steps at once, and changes x [batch, steps, ...], or what
  // a step takes of it.
  virtual Step begin(BuildContext& context, graph::Value& x) = 0;
  // The shapes of the states for a sequence x.
  virtual std::vector<Shape> state_shapes(graph::Value x) const = 0;
  States zero_states(BuildContext& context, graph::Value x) const;
  // Takes a sequence through all steps. The cell is the layer that is being built. `states` is
  // empty where they are 0, and the mask [batch, steps] may be invalid. By default there are nodes
  // for each step.
  virtual SequenceResult run(BuildContext& context, graph::Value x, const States& states,
                             graph::Value mask, const SequenceOptions& options);

  // One step as a layer of its own: x and the states give the output and the states.
  std::vector<MaskedValue> build(BuildContext& context,
                                 std::span<const MaskedValue> inputs) override;
};

// Throws ValueError where the layer is no cell.
std::shared_ptr<CellLayer> cell_of(const Layer& layer, const char* what);

// Values of rank r as one of rank r + 1 with an axis of one step, and back.
graph::Value with_step(graph::Value x);
graph::Value without_step(graph::Value x);

}  // namespace stoker::layers
