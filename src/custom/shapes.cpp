// Functions that move elements, or give them another shape.
#include <algorithm>
#include <numeric>

#include "core/fields.h"
#include "custom/function.h"
#include "layers/fields.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::functions {
namespace {

std::size_t place(std::int64_t axis) { return static_cast<std::size_t>(axis); }

Shape without_axis(Shape shape, std::int64_t axis) {
  Shape result;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i != place(axis)) result.push_back(shape[i]);
  }
  return result;
}
Shape with_axis(const Shape& shape, std::int64_t axis, std::int64_t extent) {
  Shape result;
  for (std::size_t i = 0; i <= shape.rank(); ++i) {
    if (i == place(axis)) result.push_back(extent);
    if (i < shape.rank()) result.push_back(shape[i]);
  }
  return result;
}

// The place of a new axis: of rank + 1 axes.
std::int64_t new_axis(const FunctionCall& call, std::int64_t axis, const Shape& shape) {
  const auto rank = static_cast<std::int64_t>(shape.rank()) + 1;
  ops::require(axis >= -rank && axis < rank, call.graph, "expected an axis in [", -rank, ", ", rank,
               ") for a new axis of ", shape, ", received ", axis);
  return axis < 0 ? axis + rank : axis;
}
Tensor expanded(Tensor x, std::int64_t axis) { return reshaped(x, with_axis(x.shape(), axis, 1)); }

std::int64_t known_extent(const FunctionCall& call, std::int64_t axis) {
  const std::int64_t extent = call.x().shape()[place(axis)];
  ops::require(extent > 0, call.graph, "expected a known extent of axis ", axis, ", received ",
               call.x().shape());
  return extent;
}

// The product of the extents but for unknown ones, and how many of these there are.
struct Extents {
  std::int64_t known = 1;
  int unknown = 0;
};
Extents extents_of(const Shape& shape) {
  Extents extents;
  for (const std::int64_t extent : shape) {
    if (extent < 0) {
      ++extents.unknown;
    } else {
      extents.known *= extent;
    }
  }
  return extents;
}

}  // namespace

std::vector<Tensor> build_reshape(const FunctionCall& call) {
  const Tensor x = call.x();
  Shape shape;
  for (const std::int64_t extent : call.integers("newshape")) shape.push_back(extent);
  const Extents wanted = extents_of(shape);
  // While shapes are checked, a first extent of -1 is a batch that is not known yet, and may stand
  // beside another -1.
  const Extents own = extents_of(x.shape());
  const bool has_batch = wanted.unknown == 2 && shape[0] < 0 && own.unknown == 1;
  ops::require(wanted.unknown <= 1 || has_batch, call.graph,
               "expected at most one extent of -1, received ",
               call.arguments.at("newshape").to_json());
  const std::int64_t elements = has_batch ? own.known : x.shape().elements();
  if (has_batch || (wanted.unknown == 1 && x.shape().is_known())) {
    ops::require(wanted.known > 0 && elements % wanted.known == 0, call.graph, "cannot reshape ",
                 x.shape(), " to ", shape, ": the numbers of elements differ");
    for (std::size_t i = has_batch ? 1 : 0; i < shape.rank(); ++i) {
      if (shape[i] < 0) shape[i] = elements / wanted.known;
    }
  }
  return {reshaped(x, shape)};
}
stoker::Value reshape(const stoker::Value& x, const Shape& newshape) {
  return apply("reshape", {x}, Config::map({{"newshape", list_of(newshape.extents())}}));
}

std::vector<Tensor> build_expand_dims(const FunctionCall& call) {
  return {expanded(call.x(), new_axis(call, call.integer("axis", -1), call.x().shape()))};
}
stoker::Value expand_dims(const stoker::Value& x, std::int64_t axis) {
  return apply("expand_dims", {x}, Config::map({{"axis", axis}}));
}

std::vector<Tensor> build_squeeze(const FunctionCall& call) {
  const std::int64_t axis = call.axis(call.x());
  ops::require(call.x().shape()[place(axis)] == 1, call.graph, "expected extent 1 of axis ", axis,
               ", received ", call.x().shape());
  return {reshaped(call.x(), without_axis(call.x().shape(), axis))};
}
stoker::Value squeeze(const stoker::Value& x, std::int64_t axis) {
  return apply("squeeze", {x}, Config::map({{"axis", axis}}));
}

std::vector<Tensor> build_transpose(const FunctionCall& call) {
  std::vector<std::int64_t> order = call.integers("axes");
  const std::size_t rank = call.x().shape().rank();
  if (order.empty()) {
    for (std::size_t i = rank; i > 0; --i) order.push_back(static_cast<std::int64_t>(i) - 1);
  }
  for (std::int64_t& axis : order) axis = ops::axis_from_front(axis, call.x().shape(), call.graph);
  std::vector<std::int64_t> sorted = order;
  std::ranges::sort(sorted);
  ops::require(order.size() == rank && std::ranges::adjacent_find(sorted) == sorted.end(),
               call.graph, "expected each axis of ", call.x().shape(), " once, received ",
               call.arguments.at("axes").to_json());
  return {ops::transpose(call.x(), order)};
}
stoker::Value transpose(const stoker::Value& x, const Axes& axes) {
  return apply("transpose", {x}, Config::map({{"axes", list_of(axes.numbers())}}));
}

std::vector<Tensor> build_swapaxes(const FunctionCall& call) {
  std::vector<std::int64_t> order(call.x().shape().rank());
  std::iota(order.begin(), order.end(), 0);
  const auto axis = [&](const char* key) {
    return place(ops::axis_from_front(call.integer(key, 0), call.x().shape(), call.graph));
  };
  std::swap(order[axis("axis1")], order[axis("axis2")]);
  return {ops::transpose(call.x(), order)};
}
stoker::Value swapaxes(const stoker::Value& x, std::int64_t axis1, std::int64_t axis2) {
  return apply("swapaxes", {x}, Config::map({{"axis1", axis1}, {"axis2", axis2}}));
}

std::vector<Tensor> build_broadcast_to(const FunctionCall& call) {
  const Shape& from = call.x().shape();
  const std::vector<std::int64_t> wanted = call.integers("shape");
  ops::require(wanted.size() >= from.rank(), call.graph, "cannot broadcast ", from,
               " to fewer axes");
  Shape shape;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::size_t added = wanted.size() - from.rank();
    ops::require(wanted[i] >= 0 || i >= added, call.graph, "expected the extent of a new axis");
    const std::int64_t own = i < added ? 1 : from[i - added];
    ops::require(wanted[i] < 0 || own < 0 || own == 1 || own == wanted[i], call.graph,
                 "cannot broadcast ", from, " to ", call.arguments.at("shape").to_json());
    shape.push_back(wanted[i] < 0 ? own : wanted[i]);
  }
  return {ops::broadcast_to(call.x(), shape)};
}
stoker::Value broadcast_to(const stoker::Value& x, const Shape& shape) {
  return apply("broadcast_to", {x}, Config::map({{"shape", list_of(shape.extents())}}));
}

std::vector<Tensor> build_concatenate(const FunctionCall& call) {
  const DType dtype = ops::common_dtype(call.inputs);
  const bool all_whole =
      std::ranges::all_of(call.inputs, [](const Tensor& x) { return x.dtype() == DType::int32; });
  std::vector<Tensor> parts;
  for (const Tensor& input : call.inputs) {
    parts.push_back(all_whole ? input : ops::cast(input, dtype));
  }
  return {ops::concatenate(parts, call.axis(call.x()))};
}
stoker::Value concatenate(const std::vector<stoker::Value>& xs, std::int64_t axis) {
  return apply("concatenate", xs, Config::map({{"axis", axis}}));
}

std::vector<Tensor> build_stack(const FunctionCall& call) {
  const std::int64_t axis = new_axis(call, call.integer("axis", 0), call.x().shape());
  std::vector<Tensor> parts;
  for (const Tensor& input : call.inputs) {
    ops::require(input.shape().rank() == call.x().shape().rank(), call.graph,
                 "expected values of one shape, received ", call.x().shape(), " and ",
                 input.shape());
    parts.push_back(expanded(input, axis));
  }
  const Config arguments = Config::map({{"axis", axis}});
  return build_concatenate({call.graph, parts, arguments});
}
stoker::Value stack(const std::vector<stoker::Value>& xs, std::int64_t axis) {
  return apply("stack", xs, Config::map({{"axis", axis}}));
}

std::vector<Tensor> build_split(const FunctionCall& call) {
  const std::int64_t axis = call.axis(call.x(), 0), parts = call.integer("parts", 1);
  const std::int64_t extent = call.x().shape()[place(axis)];
  ops::require(parts > 0 && extent > 0 && extent % parts == 0, call.graph, "cannot split axis ",
               axis, " of ", call.x().shape(), " into ", parts, " equal parts");
  if (parts == 1) return {call.x()};
  return ops::split(call.x(), axis, parts);
}
std::vector<stoker::Value> split(const stoker::Value& x, std::int64_t parts, std::int64_t axis) {
  return apply_all("split", {x}, Config::map({{"parts", parts}, {"axis", axis}}));
}

std::vector<Tensor> build_slice(const FunctionCall& call) {
  const std::int64_t axis = call.axis(call.x(), 0);
  std::int64_t start = call.integer("start", 0);
  if (start < 0) start += known_extent(call, axis);
  return {ops::slice(call.x(), axis, start, call.integer("size", 1))};
}
stoker::Value slice(const stoker::Value& x, std::int64_t axis, std::int64_t start,
                    std::int64_t size) {
  return apply("slice", {x}, Config::map({{"axis", axis}, {"start", start}, {"size", size}}));
}

namespace {

// The elements along the axis, each `repeats` times if `each`, or all of them so many times. The
// new axis of repetitions stands behind or before the axis and is joined with it.
Tensor repeated(const FunctionCall& call, bool each) {
  const Tensor x = call.x();
  const std::int64_t axis = call.axis(x), repeats = call.integer("repeats", 1);
  ops::require(repeats > 0, call.graph, "expected repeats of 1 or more, received ", repeats);
  const std::int64_t extent = known_extent(call, axis);
  const std::int64_t at = each ? axis + 1 : axis;
  const Tensor wide = ops::broadcast_to(expanded(x, at), with_axis(x.shape(), at, repeats));
  Shape shape = x.shape();
  shape[place(axis)] = extent * repeats;
  return reshaped(wide, shape);
}

// Adjacent parts of an axis in another order.
Tensor joined(Tensor x, std::int64_t axis, std::int64_t first) {
  const std::int64_t extent = x.shape()[place(axis)];
  if (first == 0) return x;
  return ops::concatenate(
      {ops::slice(x, axis, first, extent - first), ops::slice(x, axis, 0, first)}, axis);
}

}  // namespace

std::vector<Tensor> build_repeat(const FunctionCall& call) { return {repeated(call, true)}; }
stoker::Value repeat(const stoker::Value& x, std::int64_t repeats, std::int64_t axis) {
  return apply("repeat", {x}, Config::map({{"repeats", repeats}, {"axis", axis}}));
}
std::vector<Tensor> build_tile(const FunctionCall& call) { return {repeated(call, false)}; }
stoker::Value tile(const stoker::Value& x, std::int64_t repeats, std::int64_t axis) {
  return apply("tile", {x}, Config::map({{"repeats", repeats}, {"axis", axis}}));
}

std::vector<Tensor> build_roll(const FunctionCall& call) {
  const std::int64_t axis = call.axis(call.x()), extent = known_extent(call, axis);
  const std::int64_t shift = (call.integer("shift", 0) % extent + extent) % extent;
  return {joined(call.x(), axis, (extent - shift) % extent)};
}
stoker::Value roll(const stoker::Value& x, std::int64_t shift, std::int64_t axis) {
  return apply("roll", {x}, Config::map({{"shift", shift}, {"axis", axis}}));
}

// A product with the matrix that has ones on its other diagonal would compute, so the parts are
// taken one by one.
std::vector<Tensor> build_flip(const FunctionCall& call) {
  const std::int64_t axis = call.axis(call.x()), extent = known_extent(call, axis);
  if (extent == 1) return {call.x()};
  std::vector<Tensor> parts = ops::split(call.x(), axis, extent);
  std::ranges::reverse(parts);
  return {ops::concatenate(parts, axis)};
}
stoker::Value flip(const stoker::Value& x, std::int64_t axis) {
  return apply("flip", {x}, Config::map({{"axis", axis}}));
}

std::vector<Tensor> build_pad(const FunctionCall& call) {
  const std::vector<std::int64_t> before = call.integers("before"), after = call.integers("after");
  ops::require(before.size() == call.x().shape().rank(), call.graph,
               "expected a pair for each axis of ", call.x().shape(), ", received ", before.size());
  ops::require(std::ranges::all_of(before, [](std::int64_t n) { return n >= 0; }) &&
                   std::ranges::all_of(after, [](std::int64_t n) { return n >= 0; }),
               call.graph, "expected a pad_width of 0 or more");
  return {ops::pad(call.x(), Shape(before), Shape(after),
                   static_cast<float>(call.number("constant", 0.0)))};
}
stoker::Value pad(const stoker::Value& x,
                  const std::vector<std::pair<std::int64_t, std::int64_t>>& pad_width,
                  double constant) {
  Config before = Config::list(), after = Config::list();
  for (const auto& [first, second] : pad_width) {
    before.append(first);
    after.append(second);
  }
  return apply("pad", {x},
               Config::map({{"before", before}, {"after", after}, {"constant", constant}}));
}

std::vector<Tensor> build_take(const FunctionCall& call) {
  if (call.inputs.size() != 2) throw ValueError("expected a value and its indices");
  const Tensor x = call.x();
  ops::require(x.shape().rank() >= 1, call.graph, "expected at least one axis, received ",
               x.shape());
  const std::int64_t rows = x.shape()[0];
  const std::int64_t columns = x.shape().without_batch().elements();
  const Tensor table = reshaped(x, {rows, columns});
  Shape shape = call.inputs[1].shape();
  for (const std::int64_t extent : x.shape().without_batch()) shape.push_back(extent);
  return {reshaped(ops::embedding(table, call.inputs[1]), shape)};
}
stoker::Value take(const stoker::Value& x, const stoker::Value& indices) {
  return apply("take", {x, indices});
}

std::vector<Tensor> build_one_hot(const FunctionCall& call) {
  const std::int64_t classes = call.integer("num_classes", 0);
  ops::require(classes > 0, call.graph, "expected num_classes of 1 or more, received ", classes);
  return {ops::one_hot(ops::cast(call.x(), DType::int32), classes)};
}
stoker::Value one_hot(const stoker::Value& x, std::int64_t num_classes) {
  return apply("one_hot", {x}, Config::map({{"num_classes", num_classes}}));
}

std::vector<Tensor> build_full_like(const FunctionCall& call) {
  const Tensor x = call.x();
  const Tensor full =
      ops::fill(call.graph, x.shape(), static_cast<float>(call.number("fill_value", 0.0)));
  return {ops::cast(full, x.dtype())};
}
std::vector<Tensor> build_zeros_like(const FunctionCall& call) { return build_full_like(call); }
std::vector<Tensor> build_ones_like(const FunctionCall& call) {
  const Config one = Config::map({{"fill_value", 1.0}});
  return build_full_like({call.graph, call.inputs, one});
}
stoker::Value full_like(const stoker::Value& x, double fill_value) {
  return apply("full_like", {x}, Config::map({{"fill_value", fill_value}}));
}
stoker::Value zeros_like(const stoker::Value& x) { return apply("zeros_like", {x}); }
stoker::Value ones_like(const stoker::Value& x) { return apply("ones_like", {x}); }

std::vector<Tensor> build_cast(const FunctionCall& call) {
  const std::string& name = call.arguments.at("dtype").string();
  for (const DType dtype : {DType::float32, DType::int32, DType::bfloat16, DType::float16}) {
    if (name == name_of(dtype)) return {ops::cast(call.x(), dtype)};
  }
  throw ValueError(format("expected float32, int32, bfloat16 or float16, received ", name));
}
stoker::Value cast(const stoker::Value& x, DType dtype) {
  return apply("cast", {x}, Config::map({{"dtype", std::string(name_of(dtype))}}));
}

std::vector<Tensor> build_stop_gradient(const FunctionCall& call) {
  return {ops::stop_gradient(call.x())};
}
stoker::Value stop_gradient(const stoker::Value& x) { return apply("stop_gradient", {x}); }

}  // namespace stoker::functions
