// The cells of SimpleRNN, LSTM and GRU, which differ in their gates.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "layers/fields.h"
#include "layers/recurrent/cell.h"

namespace stoker::layers {

// The arguments of all three; each class describes those that it has.
struct GatedCellOptions {
  ops::RecurrentKind kind = ops::RecurrentKind::simple;  // a GRU's follows from reset_after
  std::int64_t units = 0;
  ActivationFunction activation = "tanh";
  ActivationFunction recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
  bool unit_forget_bias = true;
  Regularizer kernel_regularizer{};
  Regularizer recurrent_regularizer{};
  Regularizer bias_regularizer{};
  Constraint kernel_constraint{};
  Constraint recurrent_constraint{};
  Constraint bias_constraint{};
  double dropout = 0.0;
  double recurrent_dropout = 0.0;
  bool reset_after = true;
  std::optional<std::uint64_t> seed{};

  bool is_gru() const {
    return kind == ops::RecurrentKind::gru || kind == ops::RecurrentKind::gru_reset_before;
  }
};
void describe(Fields& fields, GatedCellOptions& options);

// Takes the arguments over from the options of a layer or of a cell.
template <class Options>
GatedCellOptions gated_cell(ops::RecurrentKind kind, std::int64_t units, const Options& o) {
  GatedCellOptions cell;
  cell.kind = kind;
  cell.units = units;
  cell.activation = o.activation;
  cell.use_bias = o.use_bias;
  cell.kernel_initializer = o.kernel_initializer;
  cell.recurrent_initializer = o.recurrent_initializer;
  cell.bias_initializer = o.bias_initializer;
  cell.kernel_regularizer = o.kernel_regularizer;
  cell.recurrent_regularizer = o.recurrent_regularizer;
  cell.bias_regularizer = o.bias_regularizer;
  cell.kernel_constraint = o.kernel_constraint;
  cell.recurrent_constraint = o.recurrent_constraint;
  cell.bias_constraint = o.bias_constraint;
  cell.dropout = o.dropout;
  cell.recurrent_dropout = o.recurrent_dropout;
  cell.seed = o.seed;
  if constexpr (requires { o.recurrent_activation; }) {
    cell.recurrent_activation = o.recurrent_activation;
  }
  if constexpr (requires { o.unit_forget_bias; }) cell.unit_forget_bias = o.unit_forget_bias;
  if constexpr (requires { o.reset_after; }) cell.reset_after = o.reset_after;
  return cell;
}

std::shared_ptr<CellLayer> make_gated_cell(GatedCellOptions options, std::string name,
                                           const std::string& dtype);

// Throws ValueError for options that can't be, naming the layer or cell.
void check_gated_cell(const std::string& label, const GatedCellOptions& options);

// A mask of dropout that is the same in all steps: 0 for a share of `rate`.
graph::Value shared_dropout(BuildContext& context, const std::optional<std::uint64_t>& seed,
                            const Shape& shape, double rate, std::uint32_t purpose);

}  // namespace stoker::layers
