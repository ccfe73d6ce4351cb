#include "train/saving/onnx_expression.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {

namespace {

using graph::ExprOp;
using graph::Instruction;
using io::OnnxGraph;
using io::OnnxType;

class Translation {
 public:
  Translation(OnnxGraph& onnx, const std::vector<std::string>& inputs)
      : onnx_(onnx), inputs_(inputs) {}

  void append(const Instruction& instruction) { names_.push_back(name_of(instruction)); }
  const std::string& name(std::int32_t id) const { return names_[static_cast<std::size_t>(id)]; }

 private:
  std::string unary(const char* op, const std::string& x) { return onnx_.node(op, {x}); }
  std::string binary(const char* op, const Instruction& of) {
    return onnx_.node(op, {name(of.a), name(of.b)});
  }
  // Comparisons give truth values there, and 1 or 0 here.
  std::string as_number(const std::string& truth) {
    return onnx_cast(onnx_, truth, OnnxType::float32);
  }
  std::string rounded(const std::string& x, OnnxType type) {
    return onnx_cast(onnx_, onnx_cast(onnx_, x, type), OnnxType::float32);
  }

  std::string name_of(const Instruction& of) {
    switch (of.op) {
      case ExprOp::input:
        return inputs_.at(static_cast<std::size_t>(of.index));
      case ExprOp::constant:
        return onnx_.constant(of.value);
      case ExprOp::uniform:
      case ExprOp::range_value:
        throw ValueError(format("there is no \"", graph::name_of(of.op), "\" in ONNX"));
      case ExprOp::neg:
        return unary("Neg", name(of.a));
      case ExprOp::abs:
        return unary("Abs", name(of.a));
      case ExprOp::sign:
        return unary("Sign", name(of.a));
      case ExprOp::floor:
        return unary("Floor", name(of.a));
      case ExprOp::exp:
        return unary("Exp", name(of.a));
      case ExprOp::expm1:
        return onnx_.node("Sub", {unary("Exp", name(of.a)), onnx_.constant(1.0f)});
      case ExprOp::log:
        return unary("Log", name(of.a));
      case ExprOp::log1p:
        return unary("Log", onnx_.node("Add", {name(of.a), onnx_.constant(1.0f)}));
      case ExprOp::sqrt:
        return unary("Sqrt", name(of.a));
      case ExprOp::rsqrt:
        return unary("Reciprocal", unary("Sqrt", name(of.a)));
      case ExprOp::reciprocal:
        return unary("Reciprocal", name(of.a));
      case ExprOp::tanh:
        return unary("Tanh", name(of.a));
      case ExprOp::sigmoid:
        return unary("Sigmoid", name(of.a));
      case ExprOp::relu:
        return unary("Relu", name(of.a));
      case ExprOp::erf:
        return unary("Erf", name(of.a));
      case ExprOp::sin:
        return unary("Sin", name(of.a));
      case ExprOp::cos:
        return unary("Cos", name(of.a));
      case ExprOp::is_finite:
        return as_number(unary(
            "Not", onnx_.node("Or", {unary("IsNaN", name(of.a)), unary("IsInf", name(of.a))})));
      case ExprOp::to_bfloat16:
        return rounded(name(of.a), OnnxType::bfloat16);
      case ExprOp::to_float16:
        return rounded(name(of.a), OnnxType::float16);
      case ExprOp::add:
        return binary("Add", of);
      case ExprOp::sub:
        return binary("Sub", of);
      case ExprOp::mul:
        return binary("Mul", of);
      case ExprOp::div:
        return binary("Div", of);
      case ExprOp::minimum:
        return binary("Min", of);
      case ExprOp::maximum:
        return binary("Max", of);
      case ExprOp::pow:
        return binary("Pow", of);
      case ExprOp::less:
        return as_number(binary("Less", of));
      case ExprOp::less_equal:
        return as_number(binary("LessOrEqual", of));
      case ExprOp::equal:
        return as_number(binary("Equal", of));
      case ExprOp::select:
        return onnx_.node(
            "Where", {onnx_cast(onnx_, name(of.a), OnnxType::boolean), name(of.b), name(of.c)});
    }
    throw ValueError(format("there is no \"", graph::name_of(of.op), "\" in ONNX"));
  }

  OnnxGraph& onnx_;
  const std::vector<std::string>& inputs_;
  std::vector<std::string> names_;
};

}  // namespace

std::string onnx_cast(OnnxGraph& onnx, const std::string& value, OnnxType type) {
  return onnx.node("Cast", {value}, {{"to", static_cast<std::int64_t>(type)}});
}

std::string append_onnx(OnnxGraph& onnx, const graph::Expression& expression,
                        const std::vector<std::string>& inputs) {
  Translation translation(onnx, inputs);
  for (const Instruction& instruction : expression.instructions()) translation.append(instruction);
  return translation.name(expression.outputs()[0]);
}

}  // namespace stoker::train
