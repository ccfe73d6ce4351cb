#include "backend/cuda/codegen/codegen_expression.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "backend/cuda/codegen/codegen_op.h"
#include "core/format.h"

namespace stoker::backend::cuda {

using graph::ExprOp;
using graph::Instruction;

namespace {

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

// Returns the axes of `from` as it broadcasts to `to`; neighbouring axes are joined where one
// stride steps through both.
std::vector<IndexAxis> broadcast_axes(const Shape& from, const Shape& to) {
  std::vector<IndexAxis> reversed;
  std::int64_t stride = 1;
  for (std::size_t back = 1; back <= to.rank(); ++back) {
    const std::int64_t extent = to[to.rank() - back];
    const std::int64_t own = back <= from.rank() ? from[from.rank() - back] : 1;
    if (extent == 1) continue;
    const std::int64_t own_stride = own == 1 ? 0 : stride;
    stride *= own;
    if (!reversed.empty()) {
      IndexAxis& inner = reversed.back();
      const bool continues = own_stride == inner.stride * inner.extent;
      if (continues && (own_stride == 0) == (inner.stride == 0)) {
        inner.extent *= extent;
        continue;
      }
    }
    reversed.push_back({extent, own_stride});
  }
  return {reversed.rbegin(), reversed.rend()};
}

}  // namespace

std::string type_name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float";
    case DType::int32:
      return "int";
    case DType::uint8:
      return "unsigned char";
    case DType::bfloat16:
      return "gen::Bfloat16";
    case DType::float16:
      return "gen::Float16";
  }
  return "float";
}

std::string float_literal(float value) {
  if (!std::isnormal(value) && value != 0.0f) {
    std::array<char, 8> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                   std::bit_cast<std::uint32_t>(value), 16)
                         .ptr;
    return "stoker::detail::float_of(0x" + std::string(digits.data(), end) + "u)";
  }
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  std::string text(digits.data(), end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  text += 'f';
  return text.front() == '-' ? "(" + text + ")" : text;
}

std::string index_literal(std::int64_t value) {
  const bool fits = value <= std::numeric_limits<std::uint32_t>::max();
  return std::to_string(value) + (fits ? "u" : "ull");
}

std::string index_type(std::int64_t elements) {
  // A loop's index may pass the end by as many elements as there are threads, and must not
  // overflow.
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  return elements <= kMost ? "gen::u32" : "gen::u64";
}

std::string index_text(const std::string& index, const std::vector<IndexAxis>& axes) {
  std::string text;
  std::int64_t below = 1;
  for (std::size_t k = axes.size(); k-- > 0;) {
    const IndexAxis& axis = axes[k];
    if (axis.stride != 0 && axis.extent > 1) {
      std::string term = index;
      if (below != 1) term += " / " + index_literal(below);
      if (k != 0) term += " % " + index_literal(axis.extent);
      if (axis.stride != 1) term += " * " + index_literal(axis.stride);
      if (!text.empty()) term.append(" + ").append(text);
      text = std::move(term);
    }
    // An empty shape has no element, but the division needs a divisor.
    below *= std::max<std::int64_t>(1, axis.extent);
  }
  return text.empty() ? "0u" : text;
}

bool is_aligned(const graph::ValueInfo& value, int pack) {
  const auto bytes = static_cast<std::int64_t>(size_of(value.type.dtype)) * pack;
  return value.home.space == graph::Space::arena ||
         value.home.offset % std::min<std::int64_t>(bytes, 16) == 0;
}

ExpressionCode::ExpressionCode(const graph::Graph& graph, const graph::Node& node,
                               const graph::Expression& expression, const Shape& shape,
                               Parameters& parameters, int pack)
    : pack_(pack), expression_(expression.compacted(&kept_)) {
  for (const int kept : kept_) {
    const graph::ValueId value = node.inputs[at(kept)];
    inputs_.push_back(classify(graph.info(value), shape));
    inputs_.back().pointer = parameters.pointer(Operand::of(value));
  }
  if (expression_.uses_random()) scalars_ = parameters.pointer(Operand::scalars());
  find_scalars();
}

ExpressionCode::Input ExpressionCode::classify(const graph::ValueInfo& value,
                                               const Shape& shape) const {
  Input input;
  input.dtype = value.type.dtype;
  input.is_aligned = is_aligned(value, pack_);
  const std::int64_t own = value.type.shape.elements();
  // A scalar of a scalar shape counts as whole: it may be overwritten, so only the thread that
  // writes it reads it.
  if (own == shape.elements()) return input;
  if (own == 1) {
    input.access = Access::scalar;
    return input;
  }
  input.axes = broadcast_axes(value.type.shape, shape);
  bool fits = input.axes.back().extent % pack_ == 0;
  if (input.axes.back().stride == 0) {
    input.access = fits ? Access::same : Access::gather;
    return input;
  }
  for (std::size_t k = 0; k + 1 < input.axes.size(); ++k) {
    fits = fits && input.axes[k].stride % pack_ == 0;
  }
  input.access = fits && input.is_aligned ? Access::pack : Access::gather;
  return input;
}

void ExpressionCode::find_scalars() {
  for (const Instruction& in : expression_.instructions()) {
    bool is_scalar = in.op != ExprOp::uniform && in.op != ExprOp::range_value;
    if (in.op == ExprOp::input) is_scalar = inputs_[at(in.index)].access == Access::scalar;
    for (const std::int32_t operand : {in.a, in.b, in.c}) {
      if (operand >= 0) is_scalar = is_scalar && is_scalar_[at(operand)];
    }
    is_scalar_.push_back(is_scalar);
  }
}

bool ExpressionCode::is_leaf_of_element(std::int32_t id) const {
  return !is_scalar_[at(id)] && operand_count(instruction(id).op) == 0;
}

bool ExpressionCode::is_heavy() const {
  std::size_t weight = 0;
  for (std::size_t id = 0; id < is_scalar_.size(); ++id) {
    if (is_scalar_[id]) continue;
    const ExprOp op = expression_.instructions()[id].op;
    const bool is_costly = is_call(op) || op == ExprOp::uniform;
    weight += is_costly ? 6 : 1;
  }
  return weight > 12;
}

std::string ExpressionCode::operand(std::int32_t id) const {
  const Instruction& in = instruction(id);
  return in.op == ExprOp::constant ? float_literal(in.value) : "v" + std::to_string(id);
}

// Returns the right-hand side of instruction `id`, which is no leaf.
std::string ExpressionCode::value_text(std::int32_t id) const {
  const Instruction& in = instruction(id);
  const auto text = [&](std::int32_t other) { return other < 0 ? std::string() : operand(other); };
  return op_text(in.op, {text(in.a), text(in.b), text(in.c)});
}

std::string ExpressionCode::members() const {
  std::string text;
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    text += format("  const ", type_name(inputs_[k].dtype), "* x", k, ";\n");
  }
  if (!scalars_.empty()) text += "  const gen::Scalars* scalars;\n";
  for (std::size_t id = 0; id < is_scalar_.size(); ++id) {
    const bool is_constant = expression_.instructions()[id].op == ExprOp::constant;
    if (is_scalar_[id] && !is_constant) text += format("  float v", id, ";\n");
  }
  return text;
}

// Values that are the same for all elements are computed in the constructor, once in each thread.
std::string ExpressionCode::constructor() const {
  std::string text;
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    text += format("    x", k, " = static_cast<const ", type_name(inputs_[k].dtype), "*>(p.",
                   inputs_[k].pointer, ");\n");
  }
  if (!scalars_.empty()) {
    text += format("    scalars = static_cast<const gen::Scalars*>(p.", scalars_, ");\n");
  }
  for (std::size_t i = 0; i < is_scalar_.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    const Instruction& in = instruction(id);
    if (!is_scalar_[i] || in.op == ExprOp::constant) continue;
    const std::string value =
        in.op == ExprOp::input ? format("gen::to_float(x", in.index, "[0])") : value_text(id);
    text += format("    v", id, " = ", value, ";\n");
  }
  return text;
}

std::string ExpressionCode::functions() const {
  return apply_function() + one_function() + pack_function();
}

// The generated function apply(range, leaves, outputs) does the arithmetic of one element.
std::string ExpressionCode::apply_function() const {
  std::string text = "  __device__ __forceinline__ void apply(float range";
  std::string body;
  for (std::size_t i = 0; i < is_scalar_.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    if (is_scalar_[i]) continue;
    if (instruction(id).op == ExprOp::range_value) {
      body += format("    const float v", id, " = range;\n");
    } else if (is_leaf_of_element(id)) {
      text += format(", float v", id);
    } else {
      body += format("    const float v", id, " = ", value_text(id), ";\n");
    }
  }
  for (std::size_t j = 0; j < expression_.outputs().size(); ++j) {
    text += format(", float& y", j);
    body += format("    y", j, " = ", operand(expression_.outputs()[j]), ";\n");
  }
  return text + ") const {\n" + body + "  }\n";
}

std::string ExpressionCode::one_function() const {
  std::string text =
      format("  __device__ __forceinline__ void one(Index i, float range, float (&y)[",
             expression_.outputs().size(), "]) const {\n");
  std::string call = "    apply(range";
  for (std::size_t k = 0; k < is_scalar_.size(); ++k) {
    const auto id = static_cast<std::int32_t>(k);
    const Instruction& in = instruction(id);
    if (!is_leaf_of_element(id) || in.op == ExprOp::range_value) continue;
    call += format(", v", id);
    text += format("    const float v", id, " = ");
    if (in.op == ExprOp::uniform) {
      text += format("gen::uniform(i, ", static_cast<std::uint32_t>(in.index), "u, scalars);\n");
      continue;
    }
    const Input& input = inputs_[at(in.index)];
    const std::string index = input.access == Access::whole ? "i" : index_text("i", input.axes);
    text += format("gen::to_float(x", in.index, "[", index, "]);\n");
  }
  for (std::size_t j = 0; j < expression_.outputs().size(); ++j) call += format(", y[", j, "]");
  return text + call + ");\n  }\n";
}

std::string ExpressionCode::load_pack(std::int32_t id) const {
  const Instruction& in = instruction(id);
  if (in.op == ExprOp::uniform) {
    return format("    float v", id, "[", pack_, "];\n    gen::uniform_pack(i, ",
                  static_cast<std::uint32_t>(in.index), "u, scalars, v", id, ");\n");
  }
  const Input& input = inputs_[at(in.index)];
  const bool is_whole = input.access == Access::whole;
  const std::string index = is_whole ? "i" : index_text("i", input.axes);
  if (input.access == Access::pack || (is_whole && input.is_aligned)) {
    return format("    float v", id, "[", pack_, "];\n    gen::load_pack(x", in.index, " + (",
                  index, "), v", id, ");\n");
  }
  if (input.access == Access::same) {
    return format("    const float v", id, " = gen::to_float(x", in.index, "[", index, "]);\n");
  }
  std::string text = format("    const float v", id, "[", pack_, "] = {");
  for (int k = 0; k < pack_; ++k) {
    const std::string i = k == 0 ? "i" : format("(i + ", k, ")");
    text += format(k == 0 ? "" : ", ", "gen::to_float(x", in.index, "[",
                   is_whole ? i : index_text(i, input.axes), "])");
  }
  return text + "};\n";
}

std::string ExpressionCode::pack_function() const {
  std::string text =
      format("  __device__ __forceinline__ void pack(Index i, float range, float (&y)[",
             expression_.outputs().size(), "][", pack_, "]) const {\n");
  std::string call = "apply(range";
  for (std::size_t k = 0; k < is_scalar_.size(); ++k) {
    const auto id = static_cast<std::int32_t>(k);
    const Instruction& in = instruction(id);
    if (!is_leaf_of_element(id) || in.op == ExprOp::range_value) continue;
    text += load_pack(id);
    const bool is_same = in.op == ExprOp::input && inputs_[at(in.index)].access == Access::same;
    call += format(", v", id, is_same ? "" : "[k]");
  }
  for (std::size_t j = 0; j < expression_.outputs().size(); ++j) call += format(", y[", j, "][k]");
  return text + format("#pragma unroll\n    for (int k = 0; k < ", pack_, "; ++k) ") + call +
         ");\n  }\n";
}

}  // namespace stoker::backend::cuda
