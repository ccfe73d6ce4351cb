#include "train/saving/onnx_ops.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>

#include "core/format.h"
#include "core/resize_tap.h"
#include "ops/ops.h"
#include "stoker/error.h"
#include "train/saving/onnx_expression.h"
#include "train/saving/onnx_recurrence.h"

namespace stoker::train {

namespace {

using graph::Graph;
using graph::Node;
using io::OnnxGraph;
using io::OnnxType;
using ops::attributes_of;
using ops::OpIndex;
using Names = std::vector<std::string>;
using Pair = std::array<std::int64_t, 2>;

std::vector<std::int64_t> all_of(const Pair& pair) { return {pair[0], pair[1]}; }

// One node of a graph, and what it needs to be said in ONNX.
class Translation {
 public:
  Translation(OnnxGraph& onnx, const Graph& graph, const Node& node, const Names& inputs)
      : onnx_(onnx), graph_(graph), node_(node), inputs_(inputs) {}

  std::string append() {
    switch (static_cast<OpIndex>(node_.op->index)) {
      case OpIndex::matmul:
        return matmul();
      case OpIndex::conv2d:
        return conv2d();
      case OpIndex::conv2d_backward_data:
        return transposed_conv2d();
      case OpIndex::pool2d:
        return pool2d();
      case OpIndex::pointwise:
        return pointwise();
      case OpIndex::reduce:
        return reduce();
      case OpIndex::reshape:
        return onnx_.node("Reshape", {inputs_[0], onnx_.constant(extents(output_shape()))});
      case OpIndex::slice:
        return slice();
      case OpIndex::transpose:
        return transposed(inputs_[0], attributes_of<ops::TransposeAttributes>(node_).order);
      case OpIndex::pad:
        return pad();
      case OpIndex::constant:
        return onnx_.constant(output_shape(), attributes_of<ops::ConstantAttributes>(node_).values);
      case OpIndex::resize:
        return resize();
      case OpIndex::concatenate:
        return onnx_.node("Concat", inputs_,
                          {{"axis", attributes_of<ops::ConcatenateAttributes>(node_).axis}});
      case OpIndex::embedding:
        return onnx_.node("Gather", {inputs_[0], onnx_cast(onnx_, inputs_[1], OnnxType::int64)});
      case OpIndex::softmax:
        return onnx_.node(
            attributes_of<ops::SoftmaxAttributes>(node_).log ? "LogSoftmax" : "Softmax", inputs_,
            {{"axis", std::int64_t{-1}}});
      case OpIndex::sparsemax:
        return sparsemax();
      case OpIndex::attention:
        return attention();
      default:
        throw ValueError(format("the op ", node_.op->name, " has no form in ONNX"));
    }
  }

  // Of a node that splits its input.
  std::vector<std::string> parts() {
    const std::int64_t axis = attributes_of<ops::SplitAttributes>(node_).axis;
    const std::int64_t extent = output_shape()[static_cast<std::size_t>(axis)];
    std::vector<std::string> names;
    for (std::size_t i = 0; i < node_.outputs.size(); ++i) {
      const std::int64_t first = static_cast<std::int64_t>(i) * extent;
      names.push_back(onnx_.node("Slice", {inputs_[0], onnx_.constant(std::vector{first}),
                                           onnx_.constant(std::vector{first + extent}),
                                           onnx_.constant(std::vector{axis})}));
    }
    return names;
  }

 private:
  const graph::ValueInfo& info(graph::ValueId id) const { return graph_.info(id); }
  const Shape& input_shape(std::size_t i) const { return info(node_.inputs[i]).type.shape; }
  const Shape& output_shape() const { return info(node_.outputs[0]).type.shape; }
  static std::vector<std::int64_t> extents(const Shape& shape) {
    return {shape.begin(), shape.end()};
  }
  std::string transposed(const std::string& x, std::vector<std::int64_t> order) {
    return onnx_.node("Transpose", {x}, {{"perm", std::move(order)}});
  }
  // Images have their channels last here, and before rows and columns there.
  std::string channels_first(const std::string& x) { return transposed(x, {0, 3, 1, 2}); }
  std::string channels_last(const std::string& x) { return transposed(x, {0, 2, 3, 1}); }

  // The inputs as float32, which arithmetic is done in.
  Names numbers() {
    Names names = inputs_;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!is_floating(info(node_.inputs[i]).type.dtype)) {
        names[i] = onnx_cast(onnx_, names[i], OnnxType::float32);
      }
    }
    return names;
  }

  std::string matmul() {
    const auto& attributes = attributes_of<ops::MatMulAttributes>(node_);
    const auto factor = [&](std::size_t i, bool is_transposed) {
      if (!is_transposed) return inputs_[i];
      std::vector<std::int64_t> order(input_shape(i).rank());
      std::iota(order.begin(), order.end(), 0);
      std::swap(order[order.size() - 2], order.back());
      return transposed(inputs_[i], std::move(order));
    };
    return onnx_.node("MatMul",
                      {factor(0, attributes.transpose_a), factor(1, attributes.transpose_b)});
  }

  // Attention (opset 23) is younger than what this file is written for, so it is said by its parts.
  // Where heads share keys, they have an axis of their own within them.
  std::string attention() {
    const auto& attributes = attributes_of<ops::AttentionAttributes>(node_);
    const ops::AttentionSizes sizes = ops::attention_sizes(graph_, node_);
    const std::int64_t group = sizes.heads / sizes.key_heads;
    // An extent of 0 stands for that of the value, which is the batch.
    const auto shaped = [&](const std::string& x, std::vector<std::int64_t> shape) {
      return onnx_.node("Reshape", {x, onnx_.constant(shape)});
    };
    const auto of_group = [&](std::int64_t heads, std::int64_t rows, std::int64_t columns) {
      return std::vector<std::int64_t>{0, sizes.key_heads, heads, rows, columns};
    };
    const std::string query =
        shaped(transposed(inputs_[0], {0, 2, 1, 3}), of_group(group, sizes.queries, sizes.key_dim));
    const std::string key =
        shaped(transposed(inputs_[1], {0, 2, 3, 1}), of_group(1, sizes.key_dim, sizes.keys));
    const std::string value =
        shaped(transposed(inputs_[2], {0, 2, 1, 3}), of_group(1, sizes.keys, sizes.value_dim));
    std::string scores =
        onnx_.node("Mul", {onnx_.node("MatMul", {query, key}), onnx_.constant(attributes.scale)});
    const std::string mask = attention_mask(attributes, sizes);
    if (!mask.empty()) {
      const std::string hidden = onnx_.node("Sub", {mask, onnx_.constant(1.0f)});
      scores = onnx_.node("Add", {onnx_.node("Mul", {scores, mask}),
                                  onnx_.node("Mul", {hidden, onnx_.constant(1e9f)})});
    }
    std::string weights = onnx_.node("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
    if (!mask.empty() && attributes.blind == ops::BlindQuery::zeros) {
      weights = onnx_.node("Mul", {weights, mask});
    }
    const std::string y = shaped(onnx_.node("MatMul", {weights, value}),
                                 {0, sizes.heads, sizes.queries, sizes.value_dim});
    return transposed(y, {0, 2, 1, 3});
  }
  // 1 where a query sees a key, to broadcast to the scores; empty where all see all.
  std::string attention_mask(const ops::AttentionAttributes& attributes,
                             const ops::AttentionSizes& sizes) {
    std::string mask;
    const auto add = [&](const std::string& own) {
      mask = mask.empty() ? own : onnx_.node("Mul", {mask, own});
    };
    if (attributes.causal || attributes.window > 0) {
      std::vector<float> seen;
      for (std::int64_t t = 0; t < sizes.queries; ++t) {
        for (std::int64_t s = 0; s < sizes.keys; ++s) {
          const bool is_hidden = (attributes.causal && s > t) ||
                                 (attributes.window > 0 && std::abs(t - s) >= attributes.window);
          seen.push_back(is_hidden ? 0.0f : 1.0f);
        }
      }
      add(onnx_.constant(Shape{sizes.queries, sizes.keys}, seen));
    }
    std::size_t next = 3;
    const auto add_steps = [&](bool is_given, std::vector<std::int64_t> shape) {
      if (is_given) add(onnx_.node("Reshape", {inputs_[next++], onnx_.constant(shape)}));
    };
    add_steps(attributes.has_query_mask, {0, 1, 1, sizes.queries, 1});
    add_steps(attributes.has_key_mask, {0, 1, 1, 1, sizes.keys});
    return mask;
  }

  std::string conv2d() {
    const auto& attributes = attributes_of<ops::Conv2DAttributes>(node_);
    const Pair before = attributes.padding_before, after = attributes.padding_after;
    return channels_last(
        onnx_.node("Conv", {channels_first(inputs_[0]), transposed(inputs_[1], {3, 2, 0, 1})},
                   {{"strides", all_of(attributes.strides)},
                    {"dilations", all_of(attributes.dilations)},
                    {"pads", std::vector{before[0], before[1], after[0], after[1]}},
                    {"group", attributes.groups}}));
  }

  // ONNX knows the gradient of an image as a transposed convolution, from the O channels of the
  // kernel to the others.
  std::string transposed_conv2d() {
    const auto& attributes = attributes_of<ops::Conv2DAttributes>(node_);
    const Pair before = attributes.padding_before, after = attributes.padding_after;
    const Shape& kernel = input_shape(1);
    Pair behind{};  // The rows and columns that no window reaches.
    for (std::size_t d = 0; d < 2; ++d) {
      const std::int64_t spanned = (input_shape(0)[d + 1] - 1) * attributes.strides[d] +
                                   (kernel[d] - 1) * attributes.dilations[d] + 1;
      behind[d] = output_shape()[d + 1] + before[d] + after[d] - spanned;
    }
    return channels_last(onnx_.node(
        "ConvTranspose", {channels_first(inputs_[0]), transposed(inputs_[1], {3, 2, 0, 1})},
        {{"strides", all_of(attributes.strides)},
         {"dilations", all_of(attributes.dilations)},
         {"pads", std::vector{before[0], before[1], after[0], after[1]}},
         {"output_padding", all_of(behind)},
         {"group", attributes.groups}}));
  }

  std::string pool2d() {
    const auto& attributes = attributes_of<ops::Pool2DAttributes>(node_);
    const Pair before = attributes.padding_before, after = attributes.padding_after;
    const bool is_max = attributes.kind == ops::PoolKind::max;
    return channels_last(
        onnx_.node(is_max ? "MaxPool" : "AveragePool", {channels_first(inputs_[0])},
                   {{"kernel_shape", all_of(attributes.window)},
                    {"strides", all_of(attributes.strides)},
                    {"pads", std::vector{before[0], before[1], after[0], after[1]}}}));
  }

  // The shape that the inputs broadcast to may be smaller than the output's. An extent of 1 in the
  // shape that ONNX expands to leaves that of the value.
  std::string expanded(const std::string& value, const Shape& from) {
    const Shape& to = output_shape();
    if (from == to) return value;
    std::vector<std::int64_t> wanted = extents(to);
    for (std::size_t axis = 0; axis < to.rank(); ++axis) {
      if (to[axis] != Shape::kUnknown) continue;
      const std::size_t missing = to.rank() - from.rank();
      if (axis < missing || from[axis - missing] != Shape::kUnknown) {
        throw ValueError(
            "a value as large as the batch that depends on nothing in it has no form "
            "in ONNX");
      }
      wanted[axis] = 1;
    }
    return onnx_.node("Expand", {value, onnx_.constant(wanted)});
  }

  Shape broadcast_shape() const {
    Shape shape;
    for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
      const Shape& own = input_shape(i);
      Shape larger = own.rank() > shape.rank() ? own : shape;
      const Shape& smaller = own.rank() > shape.rank() ? shape : own;
      const std::size_t missing = larger.rank() - smaller.rank();
      for (std::size_t axis = 0; axis < smaller.rank(); ++axis) {
        if (larger[axis + missing] == 1) larger[axis + missing] = smaller[axis];
      }
      shape = larger;
    }
    return shape;
  }

  std::string pointwise() {
    const auto& attributes = attributes_of<ops::PointwiseAttributes>(node_);
    std::string result = append_onnx(onnx_, attributes.expression, numbers());
    const DType dtype = info(node_.outputs[0]).type.dtype;
    if (!is_floating(dtype)) result = onnx_cast(onnx_, result, io::onnx_type(dtype));
    return expanded(result, broadcast_shape());
  }

  std::string reduce() {
    const auto& attributes = attributes_of<ops::ReduceAttributes>(node_);
    std::string value = append_onnx(onnx_, attributes.expression, numbers());
    const std::int64_t keeps = attributes.keep_dims ? 1 : 0;
    switch (attributes.kind) {
      case ops::ReduceKind::sum:
        value = onnx_.node("ReduceSum", {value, onnx_.constant(attributes.axes)},
                           {{"keepdims", keeps}});
        break;
      case ops::ReduceKind::max:
      case ops::ReduceKind::min:
        value = onnx_.node(attributes.kind == ops::ReduceKind::max ? "ReduceMax" : "ReduceMin",
                           {value}, {{"axes", attributes.axes}, {"keepdims", keeps}});
        break;
    }
    if (attributes.scale == 1.0f) return value;
    return onnx_.node("Mul", {value, onnx_.constant(attributes.scale)});
  }

  std::string slice() {
    const auto& attributes = attributes_of<ops::SliceAttributes>(node_);
    return onnx_.node("Slice", {inputs_[0], onnx_.constant(std::vector{attributes.begin}),
                                onnx_.constant(std::vector{attributes.begin + attributes.extent}),
                                onnx_.constant(std::vector{attributes.axis})});
  }

  // ONNX's Resize wants a size for every axis, also for that of the batch, or factors that it
  // rounds. So the elements are taken by number, and weighed.
  std::string resize() {
    const auto& attributes = attributes_of<ops::ResizeAttributes>(node_);
    const auto axis = static_cast<std::size_t>(attributes.axis);
    const auto from = static_cast<std::int32_t>(input_shape(0)[axis]);
    const auto to = static_cast<std::int32_t>(attributes.extent);
    std::vector<std::int64_t> first, second;
    std::vector<float> weights;
    for (std::int32_t i = 0; i < to; ++i) {
      const ResizeTap tap = resize_tap(i, from, to, attributes.is_linear);
      first.push_back(tap.first);
      second.push_back(tap.second);
      weights.push_back(tap.weight);
    }
    const auto taken = [&](const std::vector<std::int64_t>& numbers) {
      return onnx_.node("Gather", {inputs_[0], onnx_.constant(numbers)},
                        {{"axis", attributes.axis}});
    };
    const std::string near = taken(first);
    if (!attributes.is_linear) return near;
    Shape along{to};
    while (along.rank() + axis < input_shape(0).rank()) along.push_back(1);
    const std::string difference = onnx_.node("Sub", {taken(second), near});
    return onnx_.node("Add",
                      {near, onnx_.node("Mul", {difference, onnx_.constant(along, weights)})});
  }

  // ONNX pads floating values alone everywhere, so others become floats and return.
  std::string pad() {
    const auto& attributes = attributes_of<ops::PadAttributes>(node_);
    std::vector<std::int64_t> pads = extents(attributes.before);
    pads.insert(pads.end(), attributes.after.begin(), attributes.after.end());
    const std::string padded =
        onnx_.node("Pad", {numbers()[0], onnx_.constant(pads), onnx_.constant(attributes.value)});
    const DType dtype = info(node_.outputs[0]).type.dtype;
    return is_floating(dtype) ? padded : onnx_cast(onnx_, padded, io::onnx_type(dtype));
  }

  // Algorithm 1 of Martins, Astudillo: "From softmax to sparsemax", 2016. The threshold tau is
  // (sum of the k largest - 1) / k, for the largest k with 1 + k z_k > sum of the k largest.
  std::string sparsemax() {
    const std::string& z = inputs_[0];
    const std::int64_t classes = input_shape(0).back();
    const std::int64_t last = static_cast<std::int64_t>(input_shape(0).rank()) - 1;
    const std::string axis = onnx_.constant(std::vector{last});
    const std::string sorted =
        onnx_.node("TopK", {z, onnx_.constant(std::vector{classes})}, {{"axis", last}}, {}, 1);
    std::vector<std::int64_t> counts(static_cast<std::size_t>(classes));
    std::iota(counts.begin(), counts.end(), 1);
    const std::string k = onnx_cast(onnx_, onnx_.constant(counts), OnnxType::float32);
    const std::string one = onnx_.constant(1.0f);
    const std::string sums = onnx_.node("CumSum", {sorted, axis});
    const std::string belongs = onnx_cast(
        onnx_, onnx_.node("Less", {sums, onnx_.node("Add", {one, onnx_.node("Mul", {k, sorted})})}),
        OnnxType::float32);
    const auto total = [&](const std::string& x) {
      return onnx_.node("ReduceSum", {x, axis}, {{"keepdims", std::int64_t{1}}});
    };
    const std::string taken = total(onnx_.node("Mul", {belongs, sorted}));
    const std::string tau = onnx_.node("Div", {onnx_.node("Sub", {taken, one}), total(belongs)});
    return onnx_.node("Relu", {onnx_.node("Sub", {z, tau})});
  }

  OnnxGraph& onnx_;
  const Graph& graph_;
  const Node& node_;
  const Names& inputs_;
};

}  // namespace

std::vector<std::string> append_onnx(OnnxGraph& onnx, const Graph& graph, const Node& node,
                                     const Names& inputs) {
  try {
    if (ops::is_op(node, OpIndex::recurrence)) {
      return append_onnx_recurrence(onnx, graph, node, inputs);
    }
    Translation translation(onnx, graph, node, inputs);
    if (ops::is_op(node, OpIndex::split)) return translation.parts();
    return {translation.append()};
  } catch (const ValueError& error) {
    throw ValueError(format("export_onnx: ", node.origin.text(), ": ", error.what()));
  }
}

}  // namespace stoker::train
