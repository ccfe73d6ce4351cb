// EinsumDense: sums of products over axes that letters name.
#include "layers/core/einsum_dense.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {

namespace {

using graph::Value;

bool has(const std::string& letters, char letter) {
  return letters.find(letter) != std::string::npos;
}

// Puts letters that the equation does not use where the ellipsis stands.
std::string fill_in(std::string letters, const std::string& elided) {
  const std::size_t at = letters.find("...");
  if (at != std::string::npos) letters.replace(at, 3, elided);
  return letters;
}

void require_letters(const LayerBase& layer, const std::string& equation,
                     const std::string& letters) {
  std::string sorted = letters;
  std::ranges::sort(sorted);
  const bool are_letters =
      std::ranges::all_of(letters, [](unsigned char c) { return std::isalpha(c) != 0; });
  if (!letters.empty() && are_letters && std::ranges::adjacent_find(sorted) == sorted.end()) return;
  throw ValueError(format(layer.label(),
                          ": expected an equation such as \"ab,bc->ac\", in which a "
                          "letter stands once in each part, received \"",
                          equation, "\""));
}

// Returns x with its axes in the order of `to`.
Value in_order(Value x, const std::string& from, const std::string& to) {
  std::vector<std::int64_t> order;
  for (const char letter : to) order.push_back(static_cast<std::int64_t>(from.find(letter)));
  return ops::transpose(x, order);
}

// The product of extents, unknown where one is.
std::int64_t extent_of(const std::string& letters, const std::map<char, std::int64_t>& extents) {
  std::int64_t product = 1;
  for (const char letter : letters) {
    const std::int64_t extent = extents.at(letter);
    if (extent < 0) return Shape::kUnknown;
    product *= extent;
  }
  return product;
}
Shape shape_of(const std::string& letters, const std::map<char, std::int64_t>& extents) {
  Shape shape;
  for (const char letter : letters) shape.push_back(extents.at(letter));
  return shape;
}

// The letters of `letters` for which both are as asked for.
std::string select(const std::string& letters, const std::string& a, bool in_a,
                   const std::string& b, bool in_b) {
  std::string selected;
  for (const char letter : letters) {
    if (has(a, letter) == in_a && has(b, letter) == in_b) selected += letter;
  }
  return selected;
}

}  // namespace

Einsum parse_einsum(const LayerBase& layer, const std::string& equation, const Shape& input) {
  std::string text;
  std::ranges::copy_if(equation, std::back_inserter(text),
                       [](unsigned char c) { return std::isspace(c) == 0; });
  const std::size_t comma = text.find(','), arrow = text.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || arrow < comma) {
    throw ValueError(format(layer.label(),
                            ": expected an equation such as \"ab,bc->ac\", received ", "\"",
                            equation, "\""));
  }
  Einsum einsum{text.substr(0, comma), text.substr(comma + 1, arrow - comma - 1),
                text.substr(arrow + 2)};
  const auto places = [](const std::string& part) {
    return std::pair(part.starts_with("..."), part.ends_with("..."));
  };
  if (places(einsum.input) != places(einsum.output)) {
    throw ValueError(format(layer.label(),
                            ": expected \"...\" at the same end of input and output, ",
                            "received \"", equation, "\""));
  }
  const bool is_elided = einsum.input.find("...") != std::string::npos;
  const std::size_t named = einsum.input.size() - (is_elided ? 3 : 0);
  if (is_elided ? input.rank() < named : input.rank() != named) {
    throw ShapeError(format(layer.label(), ": expected an input of rank ", named,
                            is_elided ? " or more" : "", " for \"", equation, "\", received ",
                            input));
  }
  std::string elided;
  for (char letter = 'A'; elided.size() + named < input.rank(); ++letter) {
    if (!has(text, letter)) elided += letter;
  }
  einsum.input = fill_in(einsum.input, elided);
  einsum.output = fill_in(einsum.output, elided);
  for (const std::string* part : {&einsum.input, &einsum.kernel, &einsum.output}) {
    require_letters(layer, equation, *part);
  }
  for (const char letter : einsum.output) {
    if (has(einsum.input, letter) || has(einsum.kernel, letter)) continue;
    throw ValueError(format(layer.label(), ": the output's axis \"", letter,
                            "\" is neither in the ", "input nor in the kernel of \"", equation,
                            "\""));
  }
  for (const char letter : einsum.kernel) {
    if (has(einsum.input, letter) || has(einsum.output, letter)) continue;
    throw ValueError(format(layer.label(), ": the kernel's axis \"", letter,
                            "\" is neither in the ", "input nor in the output of \"", equation,
                            "\""));
  }
  return einsum;
}

Value einsum_dense(BuildContext& context, const LayerBase& layer, const Einsum& einsum, Value x,
                   const EinsumWeights& weights) {
  std::map<char, std::int64_t> extents;
  for (std::size_t i = 0; i < einsum.input.size(); ++i) extents[einsum.input[i]] = x.shape()[i];
  for (std::size_t i = 0; i < einsum.output.size(); ++i) {
    const std::int64_t given = weights.output[i];
    const auto [known, is_new] = extents.try_emplace(einsum.output[i], given);
    const bool fits = given < 0 || known->second < 0 || known->second == given;
    if (fits && known->second >= 0) continue;
    if (fits && !is_new) continue;
    throw ShapeError(format(layer.label(), ": expected an output_shape with ",
                            is_new ? "the extent of the new axis \"" : "the input's extent of \"",
                            einsum.output[i], "\", received ", given));
  }

  // The axes that both have and that the output keeps, those that are summed over, and the rest.
  const std::string shared = select(einsum.input, einsum.kernel, true, einsum.output, true);
  const std::string summed = select(einsum.input, einsum.kernel, true, einsum.output, false);
  const std::string alone = select(einsum.input, einsum.kernel, false, einsum.output, false);
  const std::string rows = select(einsum.input, einsum.kernel, false, einsum.output, true);
  const std::string columns = select(einsum.kernel, einsum.input, false, einsum.output, true);

  // As in Keras, what the output keeps counts as outputs.
  const Shape kernel_shape = shape_of(einsum.kernel, extents);
  initializers::Fans fans{1.0, 1.0};
  for (const char letter : einsum.kernel) {
    (has(einsum.output, letter) ? fans.out : fans.in) *= static_cast<double>(extents.at(letter));
  }
  WeightSpec spec{"kernel", kernel_shape, weights.kernel_initializer, weights.kernel_regularizer,
                  weights.kernel_constraint};
  spec.fans = fans;
  const Value kernel = context.weight(spec);

  // A bias of the kernel's own axes is one vector for all rows.
  const bool is_vector = !columns.empty() && weights.bias_axes == columns;
  Value bias, vector;
  if (!weights.bias_axes.empty()) {
    for (const char letter : weights.bias_axes) {
      if (has(einsum.output, letter)) continue;
      throw ValueError(format(layer.label(), ": expected bias_axes among the output's axes \"",
                              einsum.output, "\", received \"", weights.bias_axes, "\""));
    }
    std::size_t first = einsum.output.size();
    for (const char letter : weights.bias_axes) first = std::min(first, einsum.output.find(letter));
    Shape shape;
    for (const char letter : einsum.output.substr(first)) {
      shape.push_back(has(weights.bias_axes, letter) ? extents.at(letter) : 1);
    }
    bias = context.weight({"bias", shape, weights.bias_initializer, weights.bias_regularizer,
                           weights.bias_constraint});
    // It stands before the product, which may then add it.
    if (is_vector) vector = ops::reshape(bias, {shape.elements()});
  }
  x = context.to_compute(x);
  std::string order = einsum.input;
  if (!alone.empty()) {
    std::vector<std::int64_t> axes;
    for (const char letter : alone) axes.push_back(static_cast<std::int64_t>(order.find(letter)));
    x = ops::cast(ops::reduce_sum(x, axes), x.dtype());
    std::erase_if(order, [&](char letter) { return has(alone, letter); });
  }
  const auto matrices = [&](Value value, const std::string& from, const std::string& first,
                            const std::string& second) {
    Shape shape = shape_of(shared, extents);
    shape.push_back(extent_of(first, extents));
    shape.push_back(extent_of(second, extents));
    return ops::reshape(in_order(value, from, shared + first + second), shape);
  };
  Value y = ops::matmul(matrices(x, order, rows, summed),
                        matrices(kernel, einsum.kernel, summed, columns));
  if (vector) y = ops::add(y, vector);
  y = in_order(ops::reshape(y, shape_of(shared + rows + columns, extents)), shared + rows + columns,
               einsum.output);
  if (bias && !vector) y = ops::add(y, bias);
  return activate(y, weights.activation);
}

}  // namespace layers

namespace {

struct EinsumDenseArguments {
  std::string equation;
  Shape output_shape;
  EinsumDenseOptions options{};
};

void describe(Fields& fields, EinsumDenseArguments& einsum) {
  EinsumDenseOptions& options = einsum.options;
  layers::describe_common(fields, options);
  fields.required("equation", einsum.equation);
  fields.required("output_shape", einsum.output_shape);
  fields("activation", options.activation);
  std::optional<std::string> bias_axes;
  if (!options.bias_axes.empty()) bias_axes = options.bias_axes;
  fields("bias_axes", bias_axes);
  options.bias_axes = bias_axes.value_or("");
  fields("kernel_initializer", options.kernel_initializer);
  fields("bias_initializer", options.bias_initializer);
  fields("kernel_regularizer", options.kernel_regularizer);
  fields("bias_regularizer", options.bias_regularizer);
  fields("activity_regularizer", options.activity_regularizer);
  fields("kernel_constraint", options.kernel_constraint);
  fields("bias_constraint", options.bias_constraint);
  fields.never({"lora_rank", "lora_alpha", "gptq_unpacked_column_size", "quantization_config"});
}

class EinsumDenseLayer final : public layers::DescribedLayer<EinsumDenseArguments> {
 public:
  explicit EinsumDenseLayer(EinsumDenseArguments arguments)
      : DescribedLayer("EinsumDense", std::move(arguments)) {}

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    const Shape& given = arguments_.output_shape;
    const layers::Einsum einsum = layers::parse_einsum(*this, arguments_.equation, x.shape());
    // The given extents are those of the last letters, or of the first behind the batch where the
    // ellipsis stands at the end.
    const bool is_at_end = arguments_.equation.ends_with("...");
    const std::size_t rank = einsum.output.size();
    ops::require(given.rank() <= rank, *x.graph, "expected an output_shape of at most ", rank,
                 " extents, received ", given);
    Shape output;
    for (std::size_t axis = 0; axis < rank; ++axis) {
      const std::size_t first = is_at_end ? 1 : rank - given.rank();
      const bool is_given = axis >= first && axis - first < given.rank();
      output.push_back(is_given ? given[axis - first] : Shape::kUnknown);
    }
    const graph::Value y = layers::einsum_dense(context, *this, einsum, x,
                                                {.output = output,
                                                 .bias_axes = options_.bias_axes,
                                                 .kernel_initializer = options_.kernel_initializer,
                                                 .bias_initializer = options_.bias_initializer,
                                                 .kernel_regularizer = options_.kernel_regularizer,
                                                 .bias_regularizer = options_.bias_regularizer,
                                                 .kernel_constraint = options_.kernel_constraint,
                                                 .bias_constraint = options_.bias_constraint,
                                                 .activation = options_.activation});
    layers::add_activity_loss(context, options_.activity_regularizer, y);
    return y;
  }

 private:
  const EinsumDenseOptions& options_ = arguments_.options;
};

}  // namespace

Layer EinsumDense(std::string equation, Shape output_shape, EinsumDenseOptions options) {
  return Layer(std::make_shared<EinsumDenseLayer>(
      EinsumDenseArguments{std::move(equation), output_shape, std::move(options)}));
}

Layer layers::make_EinsumDense(Fields& fields) {
  return Layer(std::make_shared<EinsumDenseLayer>(fields.all<EinsumDenseArguments>()));
}

}  // namespace stoker
