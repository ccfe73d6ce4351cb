#include "backend/cuda/codegen/codegen_op.h"

#include <cstddef>
#include <string_view>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::backend::cuda {

using graph::ExprOp;

namespace {

// A function's name, or operators among which {a}, {b} and {c} stand for the operands.
struct Spelling {
  // There is no default, so that an op of expr_ops.def without an entry below does not compile.
  constexpr Spelling(std::string_view text, bool is_call) : text(text), is_call(is_call) {}

  std::string_view text;
  bool is_call;
};

constexpr Spelling call(std::string_view function) { return {function, true}; }
constexpr Spelling operators(std::string_view text) { return {text, false}; }

struct Spellings {
#define STOKER_EXPR_LEAF(name)
#define STOKER_EXPR_OP(name, operands) Spelling name;
#include "graph/expr_ops.def"
#undef STOKER_EXPR_LEAF
#undef STOKER_EXPR_OP
};

// Functions are those of kernels/numbers.cuh, or of CUDA's library where that is accurate.
constexpr Spellings kSpellings{
    .neg = operators("-{a}"),
    .abs = call("fabsf"),
    .sign = call("gen::sign"),
    .floor = call("floorf"),
    .exp = call("expf"),
    .expm1 = call("expm1f"),
    .log = call("logf"),
    .log1p = call("log1pf"),
    .sqrt = call("sqrtf"),
    .rsqrt = operators("1.0f / sqrtf({a})"),
    .reciprocal = operators("1.0f / {a}"),
    .tanh = call("tanhf"),
    .sigmoid = call("gen::sigmoid"),
    .relu = call("gen::relu"),
    .erf = call("erff"),
    .sin = call("sinf"),
    .cos = call("cosf"),
    .is_finite = call("gen::is_finite"),
    .to_bfloat16 = call("gen::rounded<gen::Bfloat16>"),
    .to_float16 = call("gen::rounded<gen::Float16>"),
    .add = operators("{a} + {b}"),
    .sub = operators("{a} - {b}"),
    .mul = operators("{a} * {b}"),
    .div = operators("{a} / {b}"),
    .minimum = call("gen::minimum"),
    .maximum = call("gen::maximum"),
    .pow = call("powf"),
    .less = operators("{a} < {b} ? 1.0f : 0.0f"),
    .less_equal = operators("{a} <= {b} ? 1.0f : 0.0f"),
    .equal = operators("{a} == {b} ? 1.0f : 0.0f"),
    .select = operators("{a} != 0.0f ? {b} : {c}"),
};

// Returns null for leaves, which are loaded, not computed.
const Spelling* spelling_of(ExprOp op) {
  switch (op) {
#define STOKER_EXPR_LEAF(name) \
  case ExprOp::name:           \
    return nullptr;
#define STOKER_EXPR_OP(name, operands) \
  case ExprOp::name:                   \
    return &kSpellings.name;
#include "graph/expr_ops.def"
#undef STOKER_EXPR_LEAF
#undef STOKER_EXPR_OP
  }
  return nullptr;
}

}  // namespace

bool is_call(ExprOp op) {
  const Spelling* spelling = spelling_of(op);
  return spelling != nullptr && spelling->is_call;
}

std::string op_text(ExprOp op, const std::array<std::string, 3>& operands) {
  const Spelling* spelling = spelling_of(op);
  if (spelling == nullptr) throw ValueError(format("codegen: no text for ", name_of(op)));
  std::string text;
  if (spelling->is_call) {
    text += spelling->text;
    for (int i = 0; i < graph::operand_count(op); ++i) {
      text.append(i == 0 ? "(" : ", ").append(operands[static_cast<std::size_t>(i)]);
    }
    return text + ")";
  }
  for (std::size_t i = 0; i < spelling->text.size(); ++i) {
    if (spelling->text[i] == '{') {
      text += operands[static_cast<std::size_t>(spelling->text[i + 1] - 'a')];
      i += 2;
    } else {
      text += spelling->text[i];
    }
  }
  return text;
}

}  // namespace stoker::backend::cuda
