// Products, convolution and pooling.
#include <algorithm>
#include <map>

#include "core/fields.h"
#include "custom/function.h"
#include "layers/padding.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::functions {
namespace {

// Operands of one floating type, which the kernels of products want.
std::vector<Tensor> of_one_type(const FunctionCall& call, std::size_t count) {
  if (call.inputs.size() != count) throw ValueError(format("expected ", count, " values"));
  const DType dtype = ops::common_dtype(call.inputs);
  std::vector<Tensor> operands;
  for (const Tensor& input : call.inputs) operands.push_back(ops::cast(input, dtype));
  return operands;
}

bool has(const std::string& letters, char letter) {
  return letters.find(letter) != std::string::npos;
}

}  // namespace

std::vector<Tensor> build_matmul(const FunctionCall& call) {
  const std::vector<Tensor> operands = of_one_type(call, 2);
  Tensor a = operands[0], b = operands[1];
  ops::require(a.shape().rank() >= 1 && b.shape().rank() >= 1, call.graph,
               "expected at least one axis, received ", a.shape(), " and ", b.shape());
  const bool is_row = a.shape().rank() == 1, is_column = b.shape().rank() == 1;
  if (is_row) a = reshaped(a, {1, a.shape()[0]});
  if (is_column) b = reshaped(b, {b.shape()[0], 1});
  Tensor y = ops::matmul(a, b);
  if (!is_row && !is_column) return {y};
  Shape shape;
  const std::size_t rank = y.shape().rank();
  for (std::size_t i = 0; i < rank; ++i) {
    const bool is_dropped = (i + 1 == rank && is_column) || (i + 2 == rank && is_row);
    if (!is_dropped) shape.push_back(y.shape()[i]);
  }
  return {reshaped(y, shape)};
}
stoker::Value matmul(const stoker::Value& x1, const stoker::Value& x2) {
  return apply("matmul", {x1, x2});
}

namespace {

// Sums of products as one product of matrices for each place of the axes that all three have.
class Einsum {
 public:
  Einsum(const FunctionCall& call, const std::string& subscripts) : graph_(call.graph) {
    std::string text;
    std::ranges::copy_if(subscripts, std::back_inserter(text), [](char c) { return c != ' '; });
    const std::size_t comma = text.find(','), arrow = text.find("->");
    if (comma == std::string::npos || arrow == std::string::npos || arrow < comma) {
      refuse(subscripts);
    }
    first_ = text.substr(0, comma);
    second_ = text.substr(comma + 1, arrow - comma - 1);
    result_ = text.substr(arrow + 2);
    for (const std::string* part : {&first_, &second_, &result_}) {
      std::string sorted = *part;
      std::ranges::sort(sorted);
      const bool are_letters =
          std::ranges::all_of(sorted, [](unsigned char c) { return std::isalpha(c) != 0; });
      if (!are_letters || std::ranges::adjacent_find(sorted) != sorted.end()) refuse(subscripts);
    }
    for (const char letter : result_) {
      if (!has(first_, letter) && !has(second_, letter)) refuse(subscripts);
    }
  }

  Tensor build(Tensor a, Tensor b) {
    note(first_, a);
    note(second_, b);
    a = without_sums(a, first_, second_);
    b = without_sums(b, second_, first_);
    const std::string shared = select([&](char c) { return has(second_, c) && has(result_, c); });
    const std::string summed = select([&](char c) { return has(second_, c) && !has(result_, c); });
    const std::string rows = select([&](char c) { return !has(second_, c); });
    std::string columns;
    for (const char letter : second_) {
      if (!has(first_, letter)) columns += letter;
    }
    const Tensor product = ops::matmul(matrices(a, first_, shared, rows, summed),
                                       matrices(b, second_, shared, summed, columns));
    const std::string order = shared + rows + columns;
    return in_order(reshaped(product, shape_of(order)), order, result_);
  }

 private:
  [[noreturn]] static void refuse(const std::string& subscripts) {
    throw ValueError(
        format("expected subscripts such as \"bij,bjk->bik\", in which a letter stands ",
               "once in each part, received \"", subscripts, "\""));
  }
  void note(const std::string& letters, Tensor x) {
    ops::require(letters.size() == x.shape().rank(), graph_, "expected a value of rank ",
                 letters.size(), " for \"", letters, "\", received ", x.shape());
    for (std::size_t i = 0; i < letters.size(); ++i) {
      const auto [known, is_new] = extents_.try_emplace(letters[i], x.shape()[i]);
      ops::require(is_new || known->second == x.shape()[i] || known->second < 0 || x.shape()[i] < 0,
                   graph_, "expected one extent of axis \"", letters[i], "\", received ",
                   known->second, " and ", x.shape()[i]);
      // A known extent says more than one that is not known yet.
      known->second = std::max(known->second, x.shape()[i]);
    }
  }
  // Sums over the axes that only this operand has.
  Tensor without_sums(Tensor x, std::string& letters, const std::string& others) const {
    std::vector<std::int64_t> axes;
    std::string left;
    for (std::size_t i = 0; i < letters.size(); ++i) {
      if (has(others, letters[i]) || has(result_, letters[i])) {
        left += letters[i];
      } else {
        axes.push_back(static_cast<std::int64_t>(i));
      }
    }
    letters = left;
    return axes.empty() ? x : ops::cast(ops::reduce_sum(x, axes), x.dtype());
  }
  template <class F>
  std::string select(const F& f) const {
    std::string selected;
    std::ranges::copy_if(first_, std::back_inserter(selected), f);
    return selected;
  }
  static Tensor in_order(Tensor x, const std::string& from, const std::string& to) {
    std::vector<std::int64_t> order;
    for (const char letter : to) order.push_back(static_cast<std::int64_t>(from.find(letter)));
    return from == to ? x : ops::transpose(x, order);
  }
  Shape shape_of(const std::string& letters) const {
    Shape shape;
    for (const char letter : letters) shape.push_back(extents_.at(letter));
    return shape;
  }
  std::int64_t extent_of(const std::string& letters) const {
    std::int64_t product = 1;
    for (const char letter : letters) {
      const std::int64_t extent = extents_.at(letter);
      if (extent < 0) return Shape::kUnknown;
      product *= extent;
    }
    return product;
  }
  Tensor matrices(Tensor x, const std::string& from, const std::string& shared,
                  const std::string& rows, const std::string& columns) const {
    Shape shape = shape_of(shared);
    shape.push_back(extent_of(rows));
    shape.push_back(extent_of(columns));
    return reshaped(in_order(x, from, shared + rows + columns), shape);
  }

  graph::Graph& graph_;
  std::string first_, second_, result_;
  std::map<char, std::int64_t> extents_;
};

}  // namespace

std::vector<Tensor> build_einsum(const FunctionCall& call) {
  const std::vector<Tensor> operands = of_one_type(call, 2);
  return {Einsum(call, call.arguments.at("subscripts").string()).build(operands[0], operands[1])};
}
stoker::Value einsum(const std::string& subscripts, const stoker::Value& x1,
                     const stoker::Value& x2) {
  return apply("einsum", {x1, x2}, Config::map({{"subscripts", subscripts}}));
}

namespace {

struct Window {
  std::array<std::int64_t, 2> before{0, 0}, after{0, 0};
};
// The padding of windows that reach so far along height and width.
Window window_of(const FunctionCall& call, Tensor x, std::array<std::int64_t, 2> reach,
                 std::int64_t stride) {
  ops::require(x.shape().rank() == 4, call.graph,
               "expected images (batch, height, width, channels), received ", x.shape());
  const Config* padding = call.arguments.find("padding");
  const std::string name = padding != nullptr ? padding->string() : "valid";
  if (name != "valid" && name != "same") {
    throw ValueError(format("expected the padding \"valid\" or \"same\", received \"", name, "\""));
  }
  Window window;
  for (std::size_t i = 0; name == "same" && i < 2; ++i) {
    const auto [before, after] = layers::same_padding(x.shape()[1 + i], reach[i], stride);
    window.before[i] = before;
    window.after[i] = after;
  }
  return window;
}
std::int64_t positive(const FunctionCall& call, const char* key, std::int64_t otherwise) {
  const std::int64_t value = call.integer(key, otherwise);
  if (value >= 1 && value < (std::int64_t{1} << 31)) return value;
  throw ValueError(format("expected ", key, " of 1 or more, received ", value));
}

std::vector<Tensor> pool(const FunctionCall& call, ops::PoolKind kind) {
  const std::int64_t size = positive(call, "pool_size", 2), stride = positive(call, "strides", 2);
  const Window window = window_of(call, call.x(), {size, size}, stride);
  ops::Pool2DAttributes attributes;
  attributes.kind = kind;
  attributes.window = {size, size};
  attributes.strides = {stride, stride};
  attributes.padding_before = window.before;
  attributes.padding_after = window.after;
  const bool is_whole = !is_floating(call.x().dtype());
  return {ops::pool2d(is_whole ? ops::to_float(call.x()) : call.x(), attributes)};
}
Config pool_arguments(std::int64_t pool_size, std::int64_t strides, const std::string& padding) {
  return Config::map({{"pool_size", pool_size}, {"strides", strides}, {"padding", padding}});
}

}  // namespace

std::vector<Tensor> build_conv(const FunctionCall& call) {
  const std::vector<Tensor> operands = of_one_type(call, 2);
  const std::int64_t stride = positive(call, "strides", 1);
  const std::int64_t dilation = positive(call, "dilation_rate", 1);
  const Shape& kernel = operands[1].shape();
  ops::require(kernel.rank() == 4, call.graph,
               "expected a kernel (height, width, channels, filters), received ", kernel);
  const Window window = window_of(
      call, operands[0], {(kernel[0] - 1) * dilation + 1, (kernel[1] - 1) * dilation + 1}, stride);
  ops::Conv2DAttributes attributes;
  attributes.strides = {stride, stride};
  attributes.dilations = {dilation, dilation};
  attributes.padding_before = window.before;
  attributes.padding_after = window.after;
  return {ops::conv2d(operands[0], operands[1], attributes)};
}
stoker::Value conv(const stoker::Value& inputs, const stoker::Value& kernel,
                   const ConvOptions& options) {
  return apply("conv", {inputs, kernel},
               Config::map({{"strides", options.strides},
                            {"padding", options.padding},
                            {"dilation_rate", options.dilation_rate}}));
}

std::vector<Tensor> build_max_pool(const FunctionCall& call) {
  return pool(call, ops::PoolKind::max);
}
stoker::Value max_pool(const stoker::Value& inputs, std::int64_t pool_size, std::int64_t strides,
                       const std::string& padding) {
  return apply("max_pool", {inputs}, pool_arguments(pool_size, strides, padding));
}
std::vector<Tensor> build_average_pool(const FunctionCall& call) {
  return pool(call, ops::PoolKind::average);
}
stoker::Value average_pool(const stoker::Value& inputs, std::int64_t pool_size,
                           std::int64_t strides, const std::string& padding) {
  return apply("average_pool", {inputs}, pool_arguments(pool_size, strides, padding));
}

}  // namespace stoker::functions
