// A recurrent layer, whatever its cell: RNN, SimpleRNN, LSTM, GRU.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layers/fields.h"
#include "layers/recurrent/cell.h"
#include "layers/recurrent/gated_cell.h"

namespace stoker::layers {

// The arguments that all recurrent layers have.
struct RecurrentOptions {
  std::string name{};
  std::string dtype{};
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool zero_output_for_mask = false;
  Regularizer activity_regularizer{};
};
void describe(Fields& fields, RecurrentOptions& options);

template <class Options>
RecurrentOptions recurrent_options(const Options& o) {
  return {o.name,     o.dtype,  o.return_sequences,     o.return_state,        o.go_backwards,
          o.stateful, o.unroll, o.zero_output_for_mask, o.activity_regularizer};
}

class RecurrentLayer : public LayerBase {
 public:
  // `write_cell` describes the cell's arguments for a class that has them among its own. Without it
  // there is a field for the cell.
  using WriteCell = std::function<void(Fields& fields)>;
  RecurrentLayer(std::string class_name, RecurrentOptions options, std::shared_ptr<CellLayer> cell,
                 WriteCell write_cell = {});

  std::vector<MaskedValue> build(BuildContext& context,
                                 std::span<const MaskedValue> inputs) override {
    return take(context, inputs, false);
  }
  // The same, with outputs in the order of the input whichever step was taken first.
  std::vector<MaskedValue> take(BuildContext& context, std::span<const MaskedValue> inputs,
                                bool in_order_of_input);
  void write_fields(Fields& fields) const override;
  std::vector<Child> children() const override;

  const RecurrentOptions& options() const { return options_; }
  std::size_t state_count() const { return cell_->state_count(); }
  void set_zero_output_for_mask(bool zeroes) { options_.zero_output_for_mask = zeroes; }

 private:
  // The states that are kept from batch to batch.
  std::vector<WeightSpec> kept_states(graph::Value x) const;

  RecurrentOptions options_;
  std::shared_ptr<CellLayer> cell_;
  WriteCell write_cell_;
};

}  // namespace stoker::layers
