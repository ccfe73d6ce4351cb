// Functions of values, with the names and the meaning of keras.ops: what layers, losses, metrics
// and training steps of the user's own are made of (stoker/custom.h). Each has a gradient, unless
// it says that it has none, and runs on every device as part of the one program that a step is.
//
//   Value distance(const Value& a, const Value& b) {
//     return ops::sqrt(ops::sum(ops::square(a - b), -1));
//   }
//
// They take tensors of a step that is being made, and values of the functional API too: there a
// function is a layer of the model, as in Keras, which is saved with it and loaded again.
//
//   Value x = Input({28, 28, 1});
//   Value y = ops::relu(Conv2D(32, 3)(x)) * 0.5f;
//
// Arithmetic is float32 and its result has the type that all its floating inputs have; comparisons
// and logic give 1 or 0 in that type. Shapes broadcast by NumPy's rules. Axes count from 0, which
// is the batch, or from -1, the last. Shapes that do not fit throw ShapeError, and wrong options
// ValueError, both naming the layer. The functions may be called by several threads.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "stoker/axes.h"
#include "stoker/dtype.h"
#include "stoker/layers/layer.h"
#include "stoker/shape.h"

namespace stoker {

Value operator+(const Value& a, const Value& b);
Value operator+(const Value& a, double b);
Value operator+(double a, const Value& b);
Value operator-(const Value& a, const Value& b);
Value operator-(const Value& a, double b);
Value operator-(double a, const Value& b);
Value operator*(const Value& a, const Value& b);
Value operator*(const Value& a, double b);
Value operator*(double a, const Value& b);
Value operator/(const Value& a, const Value& b);
Value operator/(const Value& a, double b);
Value operator/(double a, const Value& b);
Value operator-(const Value& x);

// The functions are in namespace stoker::ops. They are declared in one of their own because the
// library's sources have ops of its graph there.
namespace functions {

// ---- Of single elements ------------------------------------------------------------------------
Value abs(const Value& x);
Value sign(const Value& x);  // Its gradient is 0, as is that of floor, ceil and round.
Value floor(const Value& x);
Value ceil(const Value& x);
Value round(const Value& x);  // halves to the even number
Value square(const Value& x);
Value sqrt(const Value& x);
Value rsqrt(const Value& x);
Value reciprocal(const Value& x);
Value exp(const Value& x);
Value expm1(const Value& x);
Value log(const Value& x);
Value log1p(const Value& x);
Value log2(const Value& x);
Value log10(const Value& x);
Value sin(const Value& x);
Value cos(const Value& x);
Value tan(const Value& x);
Value sinh(const Value& x);
Value cosh(const Value& x);
Value tanh(const Value& x);
Value erf(const Value& x);
Value sigmoid(const Value& x);
Value relu(const Value& x);
Value relu6(const Value& x);
Value softplus(const Value& x);
Value softsign(const Value& x);
Value silu(const Value& x);
Value selu(const Value& x);
Value mish(const Value& x);
Value hard_sigmoid(const Value& x);
Value log_sigmoid(const Value& x);
Value gelu(const Value& x, bool approximate = true);
Value elu(const Value& x, double alpha = 1.0);
Value leaky_relu(const Value& x, double negative_slope = 0.2);
Value isfinite(const Value& x);
Value isnan(const Value& x);
Value isinf(const Value& x);
Value logical_not(const Value& x);  // 1 for 0, and 0 for all others
Value clip(const Value& x, double x_min, double x_max);
// Any activation by its name.
Value activation(const Value& x, const ActivationFunction& function);

// ---- Of two values or three --------------------------------------------------------------------
// Operators do the first four; all take a number in one of the places.
Value add(const Value& x1, const Value& x2);
Value subtract(const Value& x1, const Value& x2);
Value multiply(const Value& x1, const Value& x2);
Value divide(const Value& x1, const Value& x2);
Value maximum(const Value& x1, const Value& x2);
Value maximum(const Value& x1, double x2);
Value minimum(const Value& x1, const Value& x2);
Value minimum(const Value& x1, double x2);
Value power(const Value& x1, const Value& x2);
Value power(const Value& x1, double x2);
// Comparisons and logic have no gradient.
Value equal(const Value& x1, const Value& x2);
Value equal(const Value& x1, double x2);
Value not_equal(const Value& x1, const Value& x2);
Value not_equal(const Value& x1, double x2);
Value less(const Value& x1, const Value& x2);
Value less(const Value& x1, double x2);
Value less_equal(const Value& x1, const Value& x2);
Value less_equal(const Value& x1, double x2);
Value greater(const Value& x1, const Value& x2);
Value greater(const Value& x1, double x2);
Value greater_equal(const Value& x1, const Value& x2);
Value greater_equal(const Value& x1, double x2);
Value logical_and(const Value& x1, const Value& x2);
Value logical_or(const Value& x1, const Value& x2);
// x1 where the condition is not 0, and x2 elsewhere. The value that is not chosen gets no gradient.
Value where(const Value& condition, const Value& x1, const Value& x2);
Value where(const Value& condition, const Value& x1, double x2);
Value where(const Value& condition, double x1, const Value& x2);

// ---- Over axes ---------------------------------------------------------------------------------
// Without axes, over all of them. Results are float32, and the order of summation is fixed.
Value sum(const Value& x, const Axes& axis = {}, bool keepdims = false);
Value mean(const Value& x, const Axes& axis = {}, bool keepdims = false);
Value max(const Value& x, const Axes& axis = {}, bool keepdims = false);
Value min(const Value& x, const Axes& axis = {}, bool keepdims = false);
Value var(const Value& x, const Axes& axis = {}, bool keepdims = false);  // biased
Value std(const Value& x, const Axes& axis = {}, bool keepdims = false);
Value logsumexp(const Value& x, const Axes& axis = {}, bool keepdims = false);
Value norm(const Value& x, const Axes& axis = {}, bool keepdims = false);  // Euclidean
Value all(const Value& x, const Axes& axis = {}, bool keepdims = false);
Value any(const Value& x, const Axes& axis = {}, bool keepdims = false);
Value count_nonzero(const Value& x, const Axes& axis = {}, bool keepdims = false);
// int32: the place of the largest element, the first where several are equal.
Value argmax(const Value& x, std::int64_t axis = -1);
Value argmin(const Value& x, std::int64_t axis = -1);
Value softmax(const Value& x, std::int64_t axis = -1);
Value log_softmax(const Value& x, std::int64_t axis = -1);
// x divided by its Euclidean norm along the axis, which counts as epsilon at least.
Value normalize(const Value& x, std::int64_t axis = -1, double epsilon = 1e-12);
// Running sums along the axis, made as a product with a triangular matrix of its extent squared.
Value cumsum(const Value& x, std::int64_t axis = -1);

// ---- Shapes ------------------------------------------------------------------------------------
// One extent may be -1, which follows from the others. The batch is given as -1.
Value reshape(const Value& x, const Shape& newshape);
Value expand_dims(const Value& x, std::int64_t axis);
Value squeeze(const Value& x, std::int64_t axis);
// The axes stand in this order afterwards; without one, in the reverse order.
Value transpose(const Value& x, const Axes& axes = {});
Value swapaxes(const Value& x, std::int64_t axis1, std::int64_t axis2);
// Extents of -1 stay as they are.
Value broadcast_to(const Value& x, const Shape& shape);
Value concatenate(const std::vector<Value>& xs, std::int64_t axis = -1);
Value stack(const std::vector<Value>& xs, std::int64_t axis = 0);
// Equal parts along the axis.
std::vector<Value> split(const Value& x, std::int64_t parts, std::int64_t axis = 0);
// The elements [start, start + size) along one axis. A start below 0 counts from the end.
Value slice(const Value& x, std::int64_t axis, std::int64_t start, std::int64_t size);
Value repeat(const Value& x, std::int64_t repeats, std::int64_t axis);
Value tile(const Value& x, std::int64_t repeats, std::int64_t axis);
Value roll(const Value& x, std::int64_t shift, std::int64_t axis);
Value flip(const Value& x, std::int64_t axis);
// `pad_width` has for each axis how many of `constant` stand before and behind it.
Value pad(const Value& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& pad_width,
          double constant = 0.0);
// The rows of x that int32 `indices` number, along axis 0: (rows, ...) and (i, ...) give (i, ...).
// An index that x does not have ends the step with DataError.
Value take(const Value& x, const Value& indices);
// Numbers from 0 to num_classes - 1 give rows with one 1. Others end the step with DataError.
Value one_hot(const Value& x, std::int64_t num_classes);
Value zeros_like(const Value& x);
Value ones_like(const Value& x);
Value full_like(const Value& x, double fill_value);
// Converts to float32, int32 (towards 0), bfloat16 or float16.
Value cast(const Value& x, DType dtype);
// The same value, which counts as a constant in gradients.
Value stop_gradient(const Value& x);

// ---- Products ----------------------------------------------------------------------------------
// Of matrices in the last two axes; the axes before them broadcast. One of rank 1 counts as a row
// in x1 and as a column in x2.
Value matmul(const Value& x1, const Value& x2);
// Sums of products over axes that letters name: einsum("bij,bjk->bik", a, b). A letter stands once
// in each operand.
Value einsum(const std::string& subscripts, const Value& x1, const Value& x2);
struct ConvOptions {
  std::int64_t strides = 1;
  std::string padding = "valid";  // or "same"
  std::int64_t dilation_rate = 1;
};
// Images (batch, height, width, channels) and a kernel (height, width, channels, filters).
Value conv(const Value& inputs, const Value& kernel, const ConvOptions& options = {});
Value max_pool(const Value& inputs, std::int64_t pool_size, std::int64_t strides,
               const std::string& padding = "valid");
Value average_pool(const Value& inputs, std::int64_t pool_size, std::int64_t strides,
                   const std::string& padding = "valid");

// ---- Losses of each sample ---------------------------------------------------------------------
// (batch, ...) without the last axis.
Value sparse_categorical_crossentropy(const Value& target, const Value& output,
                                      bool from_logits = false);
Value categorical_crossentropy(const Value& target, const Value& output, bool from_logits = false);
// Of each element, in the output's shape.
Value binary_crossentropy(const Value& target, const Value& output, bool from_logits = false);

// ---- Numbers without inputs --------------------------------------------------------------------
// These are for tensors of a step alone, and need a layer or a step of the user's own around them.
Value full(const Shape& shape, double fill_value);
Value arange(std::int64_t stop);  // float32, (stop,)
// Numbers that are known when the program is written, of float32.
Value constant(const Shape& shape, const std::vector<float>& values);

}  // namespace functions

// Random numbers, new in every step. They are functions of the model's seed, the step, the layer
// and the place of the call in it, so the same seed gives the same numbers on any device and with
// any number of threads. They have no gradient.
namespace functions::random {

Value normal(const Shape& shape, double mean = 0.0, double stddev = 1.0);
Value uniform(const Shape& shape, double minval = 0.0, double maxval = 1.0);
// In the shape of x: these are for the functional API too.
Value normal_like(const Value& x, double mean = 0.0, double stddev = 1.0);
Value uniform_like(const Value& x, double minval = 0.0, double maxval = 1.0);
// Sets this share of the elements to 0 and divides the others by 1 - rate, whether training or not.
Value dropout(const Value& x, double rate);

}  // namespace functions::random

namespace ops {
using namespace functions;
}

}  // namespace stoker
