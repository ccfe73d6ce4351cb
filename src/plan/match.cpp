#include "plan/match.h"

#include <vector>

namespace stoker::plan {

using graph::Expression;
using graph::ExprOp;
using graph::Instruction;

Expression without_early_rounding(const Expression& expression, DType stored) {
  const auto at = [&](std::int32_t id) -> const Instruction& {
    return expression.instructions()[static_cast<std::size_t>(id)];
  };
  const std::int32_t root = expression.outputs()[0];
  const auto rounded = [&](std::int32_t id) {
    return (at(id).op == ExprOp::to_bfloat16 && stored == DType::bfloat16) ||
           (at(id).op == ExprOp::to_float16 && stored == DType::float16);
  };
  const auto skip = [&](std::int32_t id) { return rounded(id) ? at(id).a : id; };
  const bool is_derivative = at(root).op == ExprOp::select &&
                             at(at(root).c).op == ExprOp::constant && at(at(root).c).value == 0.0f;

  Expression result;
  std::vector<std::int32_t> here;
  for (std::size_t i = 0; i < expression.instructions().size(); ++i) {
    Instruction in = expression.instructions()[i];
    if (static_cast<std::int32_t>(i) == root) {
      if (in.op == ExprOp::relu) in.a = skip(in.a);
      if (is_derivative) in.b = skip(in.b);
    }
    for (std::int32_t* operand : {&in.a, &in.b, &in.c}) {
      if (*operand >= 0) *operand = here[static_cast<std::size_t>(*operand)];
    }
    here.push_back(result.append(in));
  }
  result.add_output(here[static_cast<std::size_t>(root)]);
  return result;
}

}  // namespace stoker::plan
