// Recurrent layers, cells that they are made of, and layers around other layers.
//
// A recurrent layer takes a sequence (batch, steps, features), from its first step to its last. It
// gives its state after the last step, (batch, units), or with return_sequences those after all
// steps, (batch, steps, units). With return_state the states after the last step follow: call()
// returns them all.
//   const std::vector<Value> encoded = LSTM(64, {.return_state = true}).call({x});
//   const Value y = LSTM(64)({decoder_x, encoded[1], encoded[2]});
// Inputs behind the sequence are the states to begin with (Keras's initial_state); without them
// states are 0. Where the sequence has a mask, a step that does not count repeats the output and
// the states before it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/constraints.h"
#include "stoker/initializers.h"
#include "stoker/layers/layer.h"
#include "stoker/layers/size2d.h"
#include "stoker/layers/size3d.h"

namespace stoker {

// y = activation(x kernel + y before recurrent_kernel + bias).
// `dropout` drops inputs and `recurrent_dropout` states while training, the same ones in all steps.
// With `go_backwards` the last step is taken first, and outputs are in the order in which steps are
// taken. With `zero_output_for_mask` outputs of steps that don't count are 0.
// `unroll` is Keras's way to compute, and changes nothing here.
// With `stateful` the states after a batch are those that the next one begins with, in training,
// evaluation and prediction, sample by sample: the Input needs a batch_size. They are 0 at first
// and after Model::reset_states(), and are in checkpoints, but not among the weights.
struct SimpleRNNOptions {
  ActivationFunction activation = "tanh";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer recurrent_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint recurrent_constraint{};
  Constraint bias_constraint{};
  double dropout = 0.0;
  double recurrent_dropout = 0.0;
  std::optional<std::uint64_t> seed{};
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool zero_output_for_mask = false;
  std::string name{};
  std::string dtype{};
};
Layer SimpleRNN(std::int64_t units, SimpleRNNOptions options = {});

// Gates are in the order i f c o: kernel (features, 4 units), recurrent_kernel (units, 4 units) and
// bias (4 units). With unit_forget_bias the forget gate's bias begins with 1. The states are two,
// the output and the cell.
struct LSTMOptions {
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
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint recurrent_constraint{};
  Constraint bias_constraint{};
  double dropout = 0.0;
  double recurrent_dropout = 0.0;
  std::optional<std::uint64_t> seed{};
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool zero_output_for_mask = false;
  std::string name{};
  std::string dtype{};
};
Layer LSTM(std::int64_t units, LSTMOptions options = {});

// Gates are in the order z r h: kernel (features, 3 units), recurrent_kernel (units, 3 units). With
// reset_after the reset gate comes behind the product with the recurrent kernel, and the bias is
// (2, 3 units): that of the inputs, and that of the states. Otherwise it is (3 units).
struct GRUOptions {
  ActivationFunction activation = "tanh";
  ActivationFunction recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer recurrent_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint recurrent_constraint{};
  Constraint bias_constraint{};
  double dropout = 0.0;
  double recurrent_dropout = 0.0;
  std::optional<std::uint64_t> seed{};
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool reset_after = true;
  bool zero_output_for_mask = false;
  std::string name{};
  std::string dtype{};
};
Layer GRU(std::int64_t units, GRUOptions options = {});

// ---- Cells --------------------------------------------------------------------------------------
// A cell is one step: call({x, states...}) of x (batch, features) returns the output and the states
// after it.
struct SimpleRNNCellOptions {
  ActivationFunction activation = "tanh";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer recurrent_regularizer{};
  Regularizer bias_regularizer{};
  Constraint kernel_constraint{};
  Constraint recurrent_constraint{};
  Constraint bias_constraint{};
  double dropout = 0.0;
  double recurrent_dropout = 0.0;
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer SimpleRNNCell(std::int64_t units, SimpleRNNCellOptions options = {});

struct LSTMCellOptions {
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
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer LSTMCell(std::int64_t units, LSTMCellOptions options = {});

struct GRUCellOptions {
  ActivationFunction activation = "tanh";
  ActivationFunction recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer recurrent_initializer = "orthogonal";
  Initializer bias_initializer = "zeros";
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
  std::string name{};
  std::string dtype{};
};
Layer GRUCell(std::int64_t units, GRUCellOptions options = {});

// Cells one behind the other: each takes the output of the one before it. Their states follow each
// other too. Throws ValueError for a layer that is no cell.
Layer StackedRNNCells(std::vector<Layer> cells, NameOptions options = {});

// The recurrent layer of a cell, or of cells that are stacked.
struct RNNOptions {
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool zero_output_for_mask = false;
  Regularizer activity_regularizer{};
  std::string name{};
  std::string dtype{};
};
Layer RNN(Layer cell, RNNOptions options = {});
Layer RNN(std::vector<Layer> cells, RNNOptions options = {});

// ---- Rows, images and volumes -------------------------------------------------------------------
// An LSTM whose products are convolutions: it takes (batch, steps, width, channels), (batch, steps,
// height, width, channels) or (batch, steps, depth, height, width, channels), and its states are
// rows, images or volumes of `filters` channels. The state's convolution keeps their size.
template <class Size>
struct ConvLSTMOptions {
  Size strides = 1;
  std::string padding = "valid";  // or "same"
  Size dilation_rate = 1;
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
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint recurrent_constraint{};
  Constraint bias_constraint{};
  double dropout = 0.0;
  double recurrent_dropout = 0.0;
  std::optional<std::uint64_t> seed{};
  bool return_sequences = false;
  bool return_state = false;
  bool go_backwards = false;
  bool stateful = false;
  bool unroll = false;
  bool zero_output_for_mask = false;
  std::string name{};
  std::string dtype{};
};
using ConvLSTM1DOptions = ConvLSTMOptions<std::int64_t>;
using ConvLSTM2DOptions = ConvLSTMOptions<Size2D>;
using ConvLSTM3DOptions = ConvLSTMOptions<Size3D>;
Layer ConvLSTM1D(std::int64_t filters, std::int64_t kernel_size, ConvLSTM1DOptions options = {});
Layer ConvLSTM2D(std::int64_t filters, Size2D kernel_size, ConvLSTM2DOptions options = {});
Layer ConvLSTM3D(std::int64_t filters, Size3D kernel_size, ConvLSTM3DOptions options = {});

// ---- Layers around layers -----------------------------------------------------------------------
// Takes a sequence forwards by a recurrent layer made like `layer`, and backwards by another one,
// and merges their outputs: "concat", "sum", "mul", "ave", or nothing, which gives both. Outputs
// and states of `layer` follow as it returns them, those of the backward layer last. Outputs of
// steps that a mask leaves out are 0.
struct BidirectionalOptions {
  std::optional<std::string> merge_mode = "concat";
  std::optional<Layer> backward_layer{};  // Instead of one made like `layer`.
  std::string name{};
  std::string dtype{};
};
Layer Bidirectional(Layer layer, BidirectionalOptions options = {});

// Applies `layer`, which takes (batch, ...), to each step of (batch, steps, ...).
Layer TimeDistributed(Layer layer, NameOptions options = {});

}  // namespace stoker
