// The ops: for each its attributes and the function that checks shapes and appends a node. The
// shape rule and the gradient of op x stand in ops/x.cpp. Images are NHWC, kernels HWIO, as Keras
// stores them. A shape that does not fit throws ShapeError and names the graph's origin.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

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

// The op with that index; all of them in the order of ops.def.
const graph::Op& op(OpIndex index);
std::span<const graph::Op* const> all_ops();
// Code that is about one op alone asks this. A fact about ops is a trait (graph/graph.h).
inline bool is_op(const graph::Node& node, OpIndex index) {
  return node.op != nullptr && node.op->index == static_cast<int>(index);
}

// Attributes of an op that applies an expression to its result before it is written. Input 0 of the
// expression is the result, the others are the node's last inputs. Without outputs it does nothing,
// and so it is until plan/ has moved something in (plan/fuse_tails.cpp); see ops/tail.h.
struct TailedAttributes : graph::Attributes {
  Expression tail;
};

// ---- matmul: y[M, N] = tail(op(a) op(b)) --------------------------------------------------------
// op(a) is [M, K]; stored [K, M] when transpose_a.
struct MatMulAttributes : TailedAttributes {
  bool transpose_a = false;
  bool transpose_b = false;
  std::string text() const override;
};
Value matmul(Value a, Value b, bool transpose_a = false, bool transpose_b = false);

// ---- conv2d ------------------------------------------------------------------------------------
// x [N, H, W, C], kernel [KH, KW, C / groups, O] -> y [N, P, Q, O]. The gradient of x has a tail
// too.
struct Conv2DAttributes : TailedAttributes {
  std::array<std::int64_t, 2> strides{1, 1};
  std::array<std::int64_t, 2> dilations{1, 1};
  std::array<std::int64_t, 2> padding_before{0, 0};  // top, left
  std::array<std::int64_t, 2> padding_after{0, 0};   // bottom, right
  std::int64_t groups = 1;
  bool bias_gradient = false;  // of conv2d_backward_weights: it has a second output, dbias
  std::string text() const override;
};
Value conv2d(Value x, Value kernel, const Conv2DAttributes& attributes);
// (dy, kernel) -> dx of shape `x_shape`; (x, dy) -> dkernel of shape `kernel_shape`, and dbias [O]
// as a second output when attributes.bias_gradient.
Value conv2d_backward_data(Value dy, Value kernel, Shape x_shape,
                           const Conv2DAttributes& attributes);
std::vector<Value> conv2d_backward_weights(Value x, Value dy, Shape kernel_shape,
                                           const Conv2DAttributes& attributes);

// ---- pool2d ------------------------------------------------------------------------------------
enum class PoolKind : std::uint8_t { max, average };  // average leaves padding out of the count
struct Pool2DAttributes : graph::Attributes {
  PoolKind kind = PoolKind::max;
  std::array<std::int64_t, 2> window{2, 2};
  std::array<std::int64_t, 2> strides{2, 2};
  std::array<std::int64_t, 2> padding_before{0, 0};
  std::array<std::int64_t, 2> padding_after{0, 0};
  std::string text() const override;
};
// x [N, H, W, C] -> y [N, P, Q, C]. Max pooling has a second output, uint8 [N, P, Q, C]: where in
// its window the maximum stood (row * width + column); the first one when several are equal.
// A window has at most 255 elements when the gradient is wanted.
Value pool2d(Value x, const Pool2DAttributes& attributes);
Value pool2d_backward(Value dy, Value argmax, Shape x_shape, const Pool2DAttributes& attributes);

// ---- batch_norm --------------------------------------------------------------------------------
// Training: x [.., C], gamma [C], beta [C] -> y, mean [C], biased variance [C] over all axes but
// the last. (Inference is pointwise arithmetic.)
struct BatchNormAttributes : TailedAttributes {
  float epsilon = 1e-3f;
  // The dy of a batch_norm_backward is this expression of the inputs from number 4 on, and a fourth
  // output. While the expression has no outputs, as until plan/fuse_batch_norm.cpp, dy is input 4
  // itself.
  Expression head;
  std::string text() const override;
};
struct BatchNormResult {
  Value y, mean, variance;
};
BatchNormResult batch_norm(Value x, Value gamma, Value beta, float epsilon);

// ---- pointwise ---------------------------------------------------------------------------------
// A part of a flat buffer, in elements, and a value for it (say, its weight decay).
struct Range {
  std::int64_t offset = 0;
  std::int64_t count = 0;
  float value = 0.0f;
};
// Outputs have the shape that the inputs broadcast to (NumPy's rules) and their common_dtype().
// Arithmetic is float32 whatever the types; a 16-bit result is rounded once, when it is stored. An
// output may be written over an input of the same shape.
// When a write is left out.
enum class Guard : std::uint8_t {
  none,
  error,   // once the step has recorded an error in the scalars
  update,  // then, and when loss scaling skips the update
};
struct PointwiseAttributes : graph::Attributes {
  Expression expression;
  // While there are none the node works on the whole shape. Otherwise shapes are flat and only
  // these parts are worked on.
  std::vector<Range> ranges;
  Guard guard = Guard::none;
  // An element is written only where all outputs are finite in the type that they are stored in;
  // elsewhere the outputs keep their values, and the scalars note the first such element.
  bool keeps_finite = false;
  std::string text() const override;
};
std::vector<Value> pointwise(std::vector<Value> inputs, Expression expression);
// The outputs have this shape, which the inputs broadcast to; it is needed when there are no
// inputs.
std::vector<Value> pointwise(Graph& graph, Shape shape, std::vector<Value> inputs,
                             Expression expression);
// The outputs have this type.
std::vector<Value> pointwise(Graph& graph, graph::ValueType type, std::vector<Value> inputs,
                             Expression expression);
struct WriteOptions {
  std::vector<Range> ranges{};
  Guard guard = Guard::none;
  bool keeps_finite = false;
  std::vector<DType> dtypes{};  // of the outputs; empty: all are float32
};
// Writes the results over existing values.
void pointwise_into(std::vector<Value> inputs, Expression expression, std::vector<Home> homes,
                    WriteOptions options = {});
// The same with one result, of one or two inputs.
void pointwise_into(Value x, const std::function<Expr(Expr)>& f, Home home,
                    WriteOptions options = {});
void pointwise_into(Value x, Value y, const std::function<Expr(Expr, Expr)>& f, Home home,
                    WriteOptions options = {});
// map(x, [](Expr x) { return relu(x) * 2.0f; }) and the same with two and three inputs.
Value map(Value x, const std::function<Expr(Expr)>& f);
Value map(Value x, Value y, const std::function<Expr(Expr, Expr)>& f);
Value map(Value x, Value y, Value z, const std::function<Expr(Expr, Expr, Expr)>& f);
Value add(Value a, Value b);
Value multiply(Value a, Value b);
// x converted; x itself when it is of that type already.
Value cast(Value x, DType dtype);
inline Value to_float(Value x) { return cast(x, DType::float32); }
// The type in which arithmetic on these gives its result: the 16-bit type that all floating inputs
// have, otherwise float32.
DType common_dtype(std::span<const Value> inputs);
Value fill(Graph& graph, Shape shape, float value);
Value broadcast_to(Value x, Shape shape);
// The shape that shapes broadcast to; ShapeError when they do not.
Shape broadcast(const graph::Origin& origin, std::span<const Value> inputs);

// ---- reduce ------------------------------------------------------------------------------------
enum class ReduceKind : std::uint8_t { sum, max, min };
// float32: scale * reduction of expression(inputs) over `axes` (sorted, of the shape that the
// inputs broadcast to). The order of summation is fixed: the same bits for any number of threads.
struct ReduceAttributes : graph::Attributes {
  ReduceKind kind = ReduceKind::sum;
  Expression expression;  // one output
  std::vector<std::int64_t> axes;
  bool keep_dims = false;
  float scale = 1.0f;
  std::string text() const override;
};
Value reduce(ReduceKind kind, Value x, std::vector<std::int64_t> axes, bool keep_dims = false,
             float scale = 1.0f);
Value reduce(ReduceKind kind, std::vector<Value> inputs, Expression expression,
             std::vector<std::int64_t> axes, bool keep_dims = false, float scale = 1.0f);
// reduce(ReduceKind::sum, x, y, [](Expr x, Expr y) { return x * y; }, {-1}), and the same with one
// and three inputs.
Value reduce(ReduceKind kind, Value x, const std::function<Expr(Expr)>& f,
             std::vector<std::int64_t> axes, bool keep_dims = false, float scale = 1.0f);
Value reduce(ReduceKind kind, Value x, Value y, const std::function<Expr(Expr, Expr)>& f,
             std::vector<std::int64_t> axes, bool keep_dims = false, float scale = 1.0f);
Value reduce(ReduceKind kind, Value x, Value y, Value z,
             const std::function<Expr(Expr, Expr, Expr)>& f, std::vector<std::int64_t> axes,
             bool keep_dims = false, float scale = 1.0f);
Value reduce_sum(Value x, std::vector<std::int64_t> axes, bool keep_dims = false);
Value reduce_mean(Value x, std::vector<std::int64_t> axes, bool keep_dims = false);
Value reduce_sum_all(Value x);  // shape ()
// Sums the axes along which `shape` was broadcast to x's shape.
Value sum_to_shape(Value x, Shape shape);

// ---- views and slices --------------------------------------------------------------------------
// The same elements in another shape: no work, the output is the input's memory.
Value reshape(Value x, Shape shape);
// Elements [begin, begin + extent) of one axis; slice_backward puts them into zeros.
struct SliceAttributes : graph::Attributes {
  std::int64_t axis = 0;
  std::int64_t begin = 0;
  std::int64_t extent = 0;  // of the slice
  std::string text() const override;
};
Value slice(Value x, std::int64_t axis, std::int64_t begin, std::int64_t extent);

// Inputs of one dtype that differ along `axis` alone, one behind the other along it.
struct ConcatenateAttributes : graph::Attributes {
  std::int64_t axis = 0;
  std::string text() const override;
};
Value concatenate(std::vector<Value> inputs, std::int64_t axis);

// ---- embedding ---------------------------------------------------------------------------------
// Rows of table [V, D] by their numbers: ids [..], int32 or float32 (truncated), -> [.., D]. A
// number outside [0, V), or NaN, is recorded in the scalars; its row is zero.
Value embedding(Value table, Value ids);
// dy [.., D] summed by id, in the order of the batch -> float32 [V, D].
Value embedding_backward(Value dy, Value ids, Shape table_shape);

// ---- softmax and its relatives: all along the last axis ----------------------------------------
struct SoftmaxAttributes : graph::Attributes {
  bool log = false;
  std::string text() const override;
};
Value softmax(Value x);
Value log_softmax(Value x);
Value sparsemax(Value x);  // Martins, Astudillo: "From softmax to sparsemax", 2016, algorithm 1

// logits [N, K] and labels -> loss [N], and d loss / d logits [N, K]. Labels are class numbers [N],
// int32 or float32 (truncated), or float32 rows [N, K]. A class number outside [0, K), or NaN, is
// recorded in the scalars; its loss is 0.
struct SoftmaxCrossEntropyAttributes : graph::Attributes {
  std::string text() const override;
};
Value softmax_cross_entropy(Value logits, Value labels);

// ---- labels ------------------------------------------------------------------------------------
// int32 [..] -> float32 [.., classes]. A label outside [0, classes) is recorded in the scalars; its
// row is zero.
struct OneHotAttributes : graph::Attributes {
  std::int64_t classes = 0;
  std::string text() const override;
};
Value one_hot(Value labels, std::int64_t classes);
// float32 [.., K] -> int32 [..]: the first largest along the last axis.
Value argmax(Value x);

// ---- advance -----------------------------------------------------------------------------------
// Stands between the backward pass and the guarded writes of a training step: records
// non_finite_loss when `loss` (shape ()) is NaN or infinite, non_finite_gradient when
// `largest_gradient` (shape (), may be missing) is; unless an error is recorded, adds one to the
// step and iteration counters. Ops after it see the new counters.
//
// With `scale_growth_steps` (0: none) the loss is scaled dynamically, as Keras's LossScaleOptimizer
// does it: a gradient that is not finite halves the scale, and the step's update is skipped, its
// iteration not counted; after that many finite steps the scale is doubled. Once the scale has
// fallen to kSmallestLossScale such a gradient is an error after all.
struct AdvanceAttributes : graph::Attributes {
  std::int32_t scale_growth_steps = 0;
  std::string text() const override;
};
void advance(Value loss, Value largest_gradient = {}, std::int32_t scale_growth_steps = 0);

// Attributes of a node, whose op says their type.
template <class A>
const A& attributes_of(const graph::Node& node) {
  return static_cast<const A&>(*node.attributes);
}

}  // namespace stoker::ops
