// This header has, for each op, its attributes and the function that checks shapes and appends a
// node. The shape rule and the gradient of op x are in ops/x.cpp. Images are NHWC and kernels HWIO,
// as Keras stores them. A shape that does not fit throws ShapeError with the graph's origin.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/lookup_table.h"
#include "core/warp_tap.h"
#include "graph/expression.h"
#include "graph/graph.h"

namespace stoker::ops {

using graph::Expr;
using graph::Expression;
using graph::Graph;
using graph::Home;
using graph::NodeId;
using graph::Value;

enum class OpIndex : int {
#define STOKER_OP(name) name,
#include "ops/ops.def"
#undef STOKER_OP
  count
};

// The op with that index, and all ops in the order of ops.def.
const graph::Op& op(OpIndex index);
std::span<const graph::Op* const> all_ops();
// Only code that is about one op asks this. All other facts about ops are traits (graph/graph.h).
inline bool is_op(const graph::Node& node, OpIndex index) {
  return node.op != nullptr && node.op->index == static_cast<int>(index);
}

// The attributes of an op that applies an expression to its result before the result is written.
// Input 0 of the expression is the result, and the others are the node's last inputs. The tail has
// no outputs and does nothing until plan/fuse_tails.cpp has filled it; see ops/tail.h.
struct TailedAttributes : graph::Attributes {
  Expression tail;
};

// ---- matmul: y[.., M, N] = tail(op(a) op(b)) ----------------------------------------------------
// op(a) is [.., M, K]. It is stored as [.., K, M] when transpose_a is set. There is a product for
// each place of the leading axes, which broadcast by NumPy's rules.
struct MatMulAttributes : TailedAttributes {
  bool transpose_a = false;
  bool transpose_b = false;
  std::string text() const override;
};
Value matmul(Value a, Value b, bool transpose_a = false, bool transpose_b = false);
// The matrices of a product, and where they lie. The leading axes are joined where all of a, b and
// y allow it; a step along one moves by so many matrices, 0 where the matrix is the same.
struct ProductSizes {
  std::int64_t m = 0, n = 0, k = 0;
  Shape batch;    // the joined leading axes of y
  Shape steps_a;  // in matrices, for each of them
  Shape steps_b;
  std::int64_t products() const { return batch.elements(); }
};
ProductSizes product_sizes(const Graph& graph, const graph::Node& node);

// ---- conv2d ------------------------------------------------------------------------------------
// x [N, H, W, C], kernel [KH, KW, C / groups, O] -> y [N, P, Q, O]. The gradient of x has a tail
// too.
struct Conv2DAttributes : TailedAttributes {
  std::array<std::int64_t, 2> strides{1, 1};
  std::array<std::int64_t, 2> dilations{1, 1};
  std::array<std::int64_t, 2> padding_before{0, 0};  // top, left
  std::array<std::int64_t, 2> padding_after{0, 0};   // bottom, right
  std::int64_t groups = 1;
  bool bias_gradient = false;  // Whether a conv2d_backward_weights has a second output, dbias.
  std::string text() const override;
};
Value conv2d(Value x, Value kernel, const Conv2DAttributes& attributes);
// The first function maps (dy, kernel) to dx of shape `x_shape`. The second maps (x, dy) to dkernel
// of shape `kernel_shape`, and adds dbias [O] as a second output when attributes.bias_gradient is
// set.
Value conv2d_backward_data(Value dy, Value kernel, Shape x_shape,
                           const Conv2DAttributes& attributes);
std::vector<Value> conv2d_backward_weights(Value x, Value dy, Shape kernel_shape,
                                           const Conv2DAttributes& attributes);

// ---- pool2d ------------------------------------------------------------------------------------
// The average leaves padding out of its count.
enum class PoolKind : std::uint8_t { max, average };
struct Pool2DAttributes : graph::Attributes {
  PoolKind kind = PoolKind::max;
  std::array<std::int64_t, 2> window{2, 2};
  std::array<std::int64_t, 2> strides{2, 2};
  std::array<std::int64_t, 2> padding_before{0, 0};
  std::array<std::int64_t, 2> padding_after{0, 0};
  std::string text() const override;
};
// x [N, H, W, C] -> y [N, P, Q, C]. Max pooling has a second output, uint8 [N, P, Q, C]: the place
// of the maximum in its window (row * width + column), the first one where several are equal. It is
// int32 for a window of more than 255 elements.
Value pool2d(Value x, const Pool2DAttributes& attributes);
Value pool2d_backward(Value dy, Value argmax, Shape x_shape, const Pool2DAttributes& attributes);

// ---- batch_norm --------------------------------------------------------------------------------
// For training: x [.., C], gamma [C], beta [C] -> y, mean [C], biased variance [C], over all axes
// but the last. Inference is pointwise arithmetic instead.
struct BatchNormAttributes : TailedAttributes {
  float epsilon = 1e-3f;
  // The arithmetic that computes the dy of a batch_norm_backward from the inputs from number 4 on;
  // dy is then a fourth output. Until plan/fuse_batch_norm.cpp has filled the head, it has no
  // outputs, and dy is input 4 itself.
  Expression head;
  std::string text() const override;
};
struct BatchNormResult {
  Value y, mean, variance;
};
BatchNormResult batch_norm(Value x, Value gamma, Value beta, float epsilon);

// ---- layer_norm --------------------------------------------------------------------------------
// x [.., C], gamma [C], beta [C], float32 -> y, and the mean [..] and the reciprocal of the
// standard deviation [..] of each row. The op is for training; other passes are made of reductions
// and arithmetic, which ONNX knows.
struct LayerNormAttributes : graph::Attributes {
  float epsilon = 1e-3f;
  std::string text() const override;
};
Value layer_norm(Value x, Value gamma, Value beta, float epsilon);

// ---- pointwise ---------------------------------------------------------------------------------
// A part of a flat buffer, in elements, and a number for it (for example its weight decay).
struct Range {
  std::int64_t offset = 0;
  std::int64_t count = 0;
  float value = 0.0f;
};
// The cases in which a node does not write its outputs.
enum class Guard : std::uint8_t {
  none,
  error,   // The write is left out once the step has recorded an error in the scalars.
  update,  // The write is left out then, and when loss scaling skips the update.
};
struct PointwiseAttributes : graph::Attributes {
  Expression expression;
  // Without ranges the node works on the whole shape. With ranges shapes are flat, and the node
  // works on these parts only.
  std::vector<Range> ranges;
  Guard guard = Guard::none;
  // Whether an element is written only where all outputs are finite in their stored type. Elsewhere
  // the outputs keep their values, and the scalars note the first such element.
  bool keeps_finite = false;
  std::string text() const override;
};
// Appends a pointwise node. The outputs have the shape that the inputs broadcast to (NumPy's rules)
// and their common_dtype(). Arithmetic is float32 whatever the types, and a 16-bit result is
// rounded once, when it is stored. An output may be written over an input of the same shape.
std::vector<Value> pointwise(std::vector<Value> inputs, Expression expression);
// The outputs have `shape`, to which the inputs broadcast. The shape has to be given where there
// are no inputs.
std::vector<Value> pointwise(Graph& graph, Shape shape, std::vector<Value> inputs,
                             Expression expression);
// The outputs have this type, that is both its shape and its dtype.
std::vector<Value> pointwise(Graph& graph, graph::ValueType type, std::vector<Value> inputs,
                             Expression expression);
struct WriteOptions {
  std::vector<Range> ranges{};
  Guard guard = Guard::none;
  bool keeps_finite = false;
  std::vector<DType> dtypes{};  // The types of the outputs. Where it is empty, all are float32.
};
// Writes the results over existing values.
void pointwise_into(std::vector<Value> inputs, Expression expression, std::vector<Home> homes,
                    WriteOptions options = {});
// Does the same with one result, of one or two inputs.
void pointwise_into(Value x, const std::function<Expr(Expr)>& f, Home home,
                    WriteOptions options = {});
void pointwise_into(Value x, Value y, const std::function<Expr(Expr, Expr)>& f, Home home,
                    WriteOptions options = {});
// Appends a pointwise node: map(x, [](Expr x) { return relu(x) * 2.0f; }), and the same with two
// and three inputs.
Value map(Value x, const std::function<Expr(Expr)>& f);
Value map(Value x, Value y, const std::function<Expr(Expr, Expr)>& f);
Value map(Value x, Value y, Value z, const std::function<Expr(Expr, Expr, Expr)>& f);
Value add(Value a, Value b);
Value multiply(Value a, Value b);
// x converted to `dtype`; x itself when it has that type already.
Value cast(Value x, DType dtype);
inline Value to_float(Value x) { return cast(x, DType::float32); }
// The type of the result of arithmetic on these inputs: the 16-bit type that all floating ones
// have, otherwise float32.
DType common_dtype(std::span<const Value> inputs);
Value fill(Graph& graph, Shape shape, float value);
Value broadcast_to(Value x, Shape shape);
// The shape to which the inputs broadcast. Throws ShapeError when they do not.
Shape broadcast(const graph::Origin& origin, std::span<const Value> inputs);

// ---- reduce ------------------------------------------------------------------------------------
enum class ReduceKind : std::uint8_t { sum, max, min };
// The result is float32: scale * reduction of expression(inputs) over `axes`, which are sorted and
// belong to the shape that the inputs broadcast to. The order of summation is fixed, so that any
// number of threads gives the same bits.
struct ReduceAttributes : graph::Attributes {
  ReduceKind kind = ReduceKind::sum;
  Expression expression;  // The expression has one output.
  std::vector<std::int64_t> axes;
  bool keep_dims = false;
  float scale = 1.0f;
  std::string text() const override;
};
Value reduce(ReduceKind kind, Value x, std::vector<std::int64_t> axes, bool keep_dims = false,
             float scale = 1.0f);
Value reduce(ReduceKind kind, std::vector<Value> inputs, Expression expression,
             std::vector<std::int64_t> axes, bool keep_dims = false, float scale = 1.0f);
// Appends a reduction: reduce(ReduceKind::sum, x, y, [](Expr x, Expr y) { return x * y; }, {-1}),
// and the same with one and three inputs.
Value reduce(ReduceKind kind, Value x, const std::function<Expr(Expr)>& f,
             std::vector<std::int64_t> axes, bool keep_dims = false, float scale = 1.0f);
Value reduce(ReduceKind kind, Value x, Value y, const std::function<Expr(Expr, Expr)>& f,
             std::vector<std::int64_t> axes, bool keep_dims = false, float scale = 1.0f);
Value reduce(ReduceKind kind, Value x, Value y, Value z,
             const std::function<Expr(Expr, Expr, Expr)>& f, std::vector<std::int64_t> axes,
             bool keep_dims = false, float scale = 1.0f);
Value reduce_sum(Value x, std::vector<std::int64_t> axes, bool keep_dims = false);
Value reduce_mean(Value x, std::vector<std::int64_t> axes, bool keep_dims = false);
Value reduce_sum_all(Value x);  // The result has shape ().
// Sums x over the axes along which `shape` was broadcast to x's shape.
Value sum_to_shape(Value x, Shape shape);

// ---- views and slices --------------------------------------------------------------------------
// The same elements in another shape. The output is the input's memory, so the op does no work.
Value reshape(Value x, Shape shape);
// The same value, through which no gradient passes: a reshape with these attributes.
struct StopGradientAttributes : graph::Attributes {
  std::string text() const override;
};
Value stop_gradient(Value x);
// A slice is the elements [begin, begin + extent) of one axis. slice_backward puts them into zeros.
struct SliceAttributes : graph::Attributes {
  std::int64_t axis = 0;
  std::int64_t begin = 0;
  std::int64_t extent = 0;  // of the slice
  std::string text() const override;
};
Value slice(Value x, std::int64_t axis, std::int64_t begin, std::int64_t extent);

// Joins inputs of one dtype, which differ along `axis` alone, one behind the other along it.
struct ConcatenateAttributes : graph::Attributes {
  std::int64_t axis = 0;
  std::string text() const override;
};
Value concatenate(std::vector<Value> inputs, std::int64_t axis);

// Cuts x along `axis` into parts of one extent each, which are concatenated again to give x.
struct SplitAttributes : graph::Attributes {
  std::int64_t axis = 0;
  std::string text() const override;
};
std::vector<Value> split(Value x, std::int64_t axis, std::int64_t parts);

// Puts the axes in another order: axis i of the result is axis order[i] of x.
struct TransposeAttributes : graph::Attributes {
  std::vector<std::int64_t> order;
  std::string text() const override;
};
Value transpose(Value x, std::vector<std::int64_t> order);
// The same movement with as few axes as it takes: the extents of the result, and the distances in x
// of elements that follow each other along them.
struct MergedTranspose {
  Shape extents, strides;
};
MergedTranspose merged_transpose(const Shape& shape, const std::vector<std::int64_t>& order);

// Puts `value` around x: before[i] and after[i] of them along axis i.
struct PadAttributes : graph::Attributes {
  Shape before, after;
  float value = 0.0f;
  std::string text() const override;
};
Value pad(Value x, Shape before, Shape after, float value = 0.0f);
// The same with as few axes as it takes. The extents are x's.
struct MergedPad {
  Shape extents, before, after;
};
MergedPad merged_pad(const Shape& shape, const PadAttributes& attributes);
// The value as a tensor of that type stores it, repeated until there are 32 bits.
std::uint32_t stored_bits(float value, DType dtype);

// Numbers that are known when the graph is made, float32. Each step writes them into the arena.
struct ConstantAttributes : graph::Attributes {
  std::vector<float> values;
  std::string text() const override;
};
Value constant(Graph& graph, Shape shape, std::vector<float> values);

// Resizes one axis, by a point sampled in the middle of each element of the result. It gives the
// element that it falls on, or the mean of the nearest two, weighed by their distance.
struct ResizeAttributes : graph::Attributes {
  std::int64_t axis = 0;
  std::int64_t extent = 0;  // of the result
  bool is_linear = false;
  std::string text() const override;
};
Value resize(Value x, std::int64_t axis, std::int64_t extent, bool is_linear);

// Takes each pixel of images [n, height, width, channels] from another place of the image, by a
// transform of each image [n, 8] (core/warp_tap.h): from the nearest pixel, or from the four around
// that place. Transforms have no gradient.
struct WarpAttributes : graph::Attributes {
  std::int64_t height = 0, width = 0;  // of the result
  bool is_linear = true;
  WarpFill fill = WarpFill::constant;
  float fill_value = 0.0f;
  std::string text() const override;
};
Value warp(Value images, Value transforms, WarpAttributes attributes);

// ---- embedding ---------------------------------------------------------------------------------
// Picks rows of table [V, D] by number: ids [..], int32 or float32 (truncated), -> [.., D]. A
// number outside [0, V), or NaN, is recorded in the scalars, and its row of the result is zero.
Value embedding(Value table, Value ids);
// Sums dy [.., D] by id, in the order of the batch -> float32 [V, D].
Value embedding_backward(Value dy, Value ids, Shape table_shape);

// ---- softmax and its relatives: all along the last axis ----------------------------------------
struct SoftmaxAttributes : graph::Attributes {
  bool log = false;
  std::string text() const override;
};
Value softmax(Value x);
Value log_softmax(Value x);
Value sparsemax(Value x);  // Martins, Astudillo: "From softmax to sparsemax", 2016, algorithm 1

// ---- attention ---------------------------------------------------------------------------------
// What a query gives that sees no key: zeros, or the mean of all values. The scores of a mean may
// have gradients, which is so where a mask is subtracted from scores and does not replace them.
enum class BlindQuery : std::uint8_t { zeros, mean, mean_with_gradient };
struct AttentionAttributes : graph::Attributes {
  float scale = 1.0f;
  bool causal = false;      // A query sees no key behind its own place.
  std::int64_t window = 0;  // A query sees keys fewer than this many places away; 0: all.
  BlindQuery blind = BlindQuery::zeros;
  // The share of weights that is set to zero, by the numbers of a stream; the others are divided by
  // 1 - dropout.
  float dropout = 0.0f;
  std::uint32_t stream = 0;
  bool has_query_mask = false;
  bool has_key_mask = false;
  std::string text() const override;
};
// Scaled dot-product attention (Vaswani et al.: "Attention is all you need", 2017, equation 1):
// query [B, T, N, H], key [B, S, M, H] and value [B, S, M, V] -> [B, T, N, V]. M divides N, and
// N / M queries share a key. Masks are float32, [B, T] and [B, S], 0 where a query sees nothing or
// a key is not seen, and may be missing. The T x S weights of a head are never in memory as a
// whole. A second output [B, N, T] of the op, float32, is the logarithm of each query's sum of
// exponentials, infinite for a query that sees no key; from it the gradient computes the weights
// again (Dao et al.: "FlashAttention", 2022, appendix B.4).
Value attention(Value query, Value key, Value value, Value query_mask, Value key_mask,
                AttentionAttributes attributes);
struct AttentionSizes {
  std::int64_t batch = 0, queries = 0, keys = 0, heads = 0, key_heads = 0, key_dim = 0,
               value_dim = 0;
};
// Of a node of attention or attention_backward. The inputs of the latter are those of the former
// without masks, then dy, y, the logarithms, and the masks.
AttentionSizes attention_sizes(const Graph& graph, const graph::Node& node);

// logits [N, K] and labels -> loss [N], and d loss / d logits [N, K]. Labels are class numbers [N],
// int32 or float32 (truncated), or float32 rows [N, K]. A class number outside [0, K), or NaN, is
// recorded in the scalars, and its loss is 0.
struct SoftmaxCrossEntropyAttributes : graph::Attributes {
  std::string text() const override;
};
Value softmax_cross_entropy(Value logits, Value labels);

// ---- labels ------------------------------------------------------------------------------------
// int32 [..] -> float32 [.., classes]. A label outside [0, classes) is recorded in the scalars, and
// its row is zero.
struct OneHotAttributes : graph::Attributes {
  std::int64_t classes = 0;
  std::string text() const override;
};
Value one_hot(Value labels, std::int64_t classes);
// float32 [.., K] -> int32 [..]: the index of the largest element along the last axis, the first
// one where several are equal.
Value argmax(Value x);

// ---- advance -----------------------------------------------------------------------------------
// advance stands between the backward pass and the guarded writes of a training step. It records
// non_finite_loss when `loss` (shape ()) is NaN or infinite, and non_finite_gradient when
// `largest_gradient` (shape (), may be missing) is. Unless an error is recorded, it adds one to the
// step and iteration counters. Ops after it see the new counters.
//
// With `scale_growth_steps` (0: none) the loss is scaled dynamically, as by Keras's
// LossScaleOptimizer. A gradient that is not finite halves the scale, and the step's update is
// skipped and its iteration not counted. After that many finite steps the scale is doubled. Once
// the scale has fallen to kSmallestLossScale, a gradient that is not finite is an error after all.
//
// A step of several updates has an advance before each. The first counts the step; the others, for
// which `counts` is false, only look for errors.
struct AdvanceAttributes : graph::Attributes {
  std::int32_t scale_growth_steps = 0;
  bool counts = true;
  std::string text() const override;
};
void advance(Value loss, Value largest_gradient = {}, std::int32_t scale_growth_steps = 0,
             bool counts = true);

// ---- recurrence --------------------------------------------------------------------------------
// A recurrent network over all steps of a sequence, of what its input's product with the kernel
// (and bias) has made: x [batch, steps, gates * units]. As in Keras, gates stand in the order z r h
// of a GRU and i f c o of an LSTM.
enum class RecurrentKind : std::uint8_t { simple, gru, gru_reset_before, lstm };
// The functions that a derivative of can be computed from the result.
enum class GateFunction : std::uint8_t { linear, relu, sigmoid, hard_sigmoid, tanh };
struct RecurrenceAttributes : graph::Attributes {
  RecurrentKind kind = RecurrentKind::lstm;
  GateFunction activation = GateFunction::tanh;
  GateFunction recurrent_activation = GateFunction::sigmoid;
  // Whether the last step comes first. The states are in the order of the steps that were taken,
  // unless in_order_of_input is set.
  bool is_backwards = false;
  bool in_order_of_input = false;
  bool has_state = false;           // Whether states to begin with are given. Otherwise they are 0.
  bool has_recurrent_bias = false;  // only for RecurrentKind::gru
  bool has_mask = false;            // A step whose mask is 0 keeps the states as they are.
  bool has_sequence = false;        // Whether the states of all steps are wanted.
  // Whether the results that the gradient needs are kept, which the gradient's rule sets. They are
  // outputs behind those asked for.
  bool keeps = false;
  // Which gradients a recurrence_backward is given.
  bool has_dlast = false, has_dcell = false, has_dsequence = false;

  std::int64_t gates() const;  // times the units is the extent of x
  std::int64_t kept() const;   // the same for what is kept of a step beside the states
  bool has_cell() const { return kind == RecurrentKind::lstm; }
  std::string text() const override;
};
struct RecurrenceInputs {
  Value x;                 // [batch, steps, gates * units]
  Value recurrent_kernel;  // [units, gates * units]
  Value state{};           // [batch, units]
  Value cell{};            // [batch, units], for an LSTM that has a state
  Value recurrent_bias{};  // [gates * units]
  Value mask{};            // [batch, steps]
};
// Invalid where there is none. Each step's state is its output too.
struct RecurrenceResult {
  Value last;      // [batch, units]
  Value cell;      // [batch, units], for an LSTM
  Value sequence;  // [batch, steps, units]
};
// The attributes that follow from which inputs are valid are set here.
RecurrenceResult recurrence(const RecurrenceInputs& inputs, RecurrenceAttributes attributes);
// The places of a node's inputs and outputs; -1 where there is none.
struct RecurrencePlaces {
  explicit RecurrencePlaces(const RecurrenceAttributes& attributes);
  int x = 0, recurrent_kernel = 1, state = -1, cell = -1, recurrent_bias = -1, mask = -1;
  int last = 0, last_cell = -1, sequence = -1, cells = -1, kept = -1;
};
// The places of a recurrence_backward's. Its kernel is transposed. Gradients of x and of the
// product with the recurrent kernel (where they differ) are in the order of the input, as are
// the states before each step, and these times the reset gate (gru_reset_before).
struct RecurrenceBackwardPlaces {
  explicit RecurrenceBackwardPlaces(const RecurrenceAttributes& attributes);
  int recurrent_kernel = 0, sequence = 1, cells = -1, kept = -1, state = -1, cell = -1, mask = -1;
  int dlast = -1, dcell = -1, dsequence = -1;
  int dx = 0, before = 1, dproduct = -1, reset = -1, dstate = -1, dstate_cell = -1;
};

// ---- lookup ------------------------------------------------------------------------------------
// A value for each number: ids [..], int32 -> int32 [..]. The table (core/lookup_table.h), which
// may be missing, says which of them have one. A number that has none is recorded in the scalars,
// and gets 0, unless there are buckets for such numbers.
struct LookupAttributes : graph::Attributes {
  UnknownNumbers unknown;
  std::string text() const override;
};
Value lookup(Value ids, Value table, const UnknownNumbers& unknown);
// Appends the table of these keys, of which no two are equal, and their values.
struct LookupEntry {
  std::int32_t key, value;
};
Value lookup_table(Graph& graph, std::vector<LookupEntry> entries);

// One of so many buckets for the numbers along the last axis together, by TensorFlow's crossing of
// features: [.., n], int32 -> int32 [..].
struct CrossHashAttributes : graph::Attributes {
  std::int32_t buckets = 1;
  std::string text() const override;
};
Value cross_hash(Value numbers, std::int32_t buckets);

// ---- user_kernel -------------------------------------------------------------------------------
// Code of the program's own (stoker/kernel.h): float32 inputs and outputs of any shapes.
struct UserKernel {
  std::string name;
  // Computes the items [begin, end) from the elements of inputs and outputs.
  std::function<void(std::span<const std::span<const float>> inputs,
                     std::span<const std::span<float>> outputs, std::int64_t begin,
                     std::int64_t end)>
      cpu;
  std::string cuda;  // The source of a device function of that name, or empty.
  // Returns the gradients of the inputs. Null where there is none.
  std::function<std::vector<Value>(std::span<const Value> inputs, std::span<const Value> outputs,
                                   std::span<const Value> output_gradients)>
      gradient;
};
struct UserKernelAttributes : graph::Attributes {
  std::shared_ptr<const UserKernel> kernel;
  std::int64_t items = 0;
  std::string text() const override;
};
std::vector<Value> user_kernel(std::shared_ptr<const UserKernel> kernel, std::vector<Value> inputs,
                               const std::vector<Shape>& outputs, std::int64_t items);

// The attributes of a node. The caller names their type, which the node's op determines.
template <class A>
const A& attributes_of(const graph::Node& node) {
  return static_cast<const A&>(*node.attributes);
}

}  // namespace stoker::ops
