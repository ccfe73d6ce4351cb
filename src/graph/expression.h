// An expression is pointwise arithmetic as data: a small program in static single assignment form
// that a backend evaluates for every element. Op `pointwise` carries one, and op `reduce` applies
// one before it sums. Fusing two ops splices two expressions, and the gradient of an expression is
// another expression.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "stoker/dtype.h"

namespace stoker::graph {

enum class ExprOp : std::uint8_t {
#define STOKER_EXPR_LEAF(name) name,
#define STOKER_EXPR_OP(name, operands) name,
#include "graph/expr_ops.def"
#undef STOKER_EXPR_LEAF
#undef STOKER_EXPR_OP
};

const char* name_of(ExprOp op);
int operand_count(ExprOp op);

// `uniform` takes word (element % 4) of the Philox block with counter (element / 4, 0, stream,
// step) under the key `seed`, as unit_float. An element thus gets the same number wherever it is
// computed, forwards and backwards, on every device. `element` is the linear index in the node's
// full output shape.

struct Instruction {
  ExprOp op = ExprOp::constant;
  // The operands are earlier instructions, or -1 where the op takes fewer.
  std::int32_t a = -1;
  std::int32_t b = -1;
  std::int32_t c = -1;
  std::int32_t index = 0;  // The number of the input, or the stream of uniform.
  float value = 0.0f;      // The constant.

  friend bool operator==(const Instruction&, const Instruction&) = default;
};

class Expression {
 public:
  // Appends an instruction and returns its number, or that of an equal one that exists. Folds
  // constants and the identities x + 0, x * 1, x * 0, x / 1, -(-x), and select on a constant.
  std::int32_t append(Instruction instruction);
  std::int32_t input(int index) { return append({.op = ExprOp::input, .index = index}); }
  std::int32_t constant(float value) { return append({.op = ExprOp::constant, .value = value}); }
  void add_output(std::int32_t instruction) { outputs_.push_back(instruction); }

  std::span<const Instruction> instructions() const { return instructions_; }
  std::span<const std::int32_t> outputs() const { return outputs_; }
  // Inputs are numbered from 0; an expression need not use all of them.
  int input_count() const;
  bool uses_random() const;

  // Copies `other` into this expression. `inputs[i]` is the instruction of this expression that
  // replaces input i of `other`. Returns this expression's instructions for the outputs of `other`.
  std::vector<std::int32_t> splice(const Expression& other, std::span<const std::int32_t> inputs);

  // Drops instructions that no output needs, and renumbers the inputs that are left; `kept[j]` is
  // the old number of the new input j.
  Expression compacted(std::vector<int>* kept) const;

  // Rounds the constants to the values that `dtype` can hold.
  void round_constants(DType dtype);

  // "relu(add(x0, x1))", outputs separated by "; ".
  std::string text() const;

  // Compares the instructions and their order. A NaN equals itself, and 0 is not -0.
  friend bool operator==(const Expression& a, const Expression& b);

 private:
  std::vector<Instruction> instructions_;
  std::vector<std::int32_t> outputs_;
};

// Reverse-mode derivative. With n inputs and m outputs of `forward`, the result has the inputs
//   0 .. n-1 of forward,  n .. n+m-1 forward's outputs,  n+m .. n+2m-1 their gradients
// and n outputs: the gradients of the inputs (before any sum over broadcast axes). Where forward's
// outputs make it cheaper (relu, tanh, exp, ...), the result uses those instead of the inputs.
Expression differentiate(const Expression& forward);

// Expr is a handle to an instruction, with the usual operators, for writing expressions by hand.
struct Expr {
  Expression* expression = nullptr;
  std::int32_t id = -1;
};

// The expression that `f` makes of this many inputs: expression_of<2>([](Expr a, Expr b) { return
// relu(a + b); }).
template <int inputs, class F>
Expression expression_of(const F& f) {
  Expression expression;
  std::array<Expr, inputs> x;
  for (int i = 0; i < inputs; ++i)
    x[static_cast<std::size_t>(i)] = {&expression, expression.input(i)};
  const Expr result = std::apply(f, x);
  expression.add_output(result.id);
  return expression;
}

// Returns its only input unchanged: a copy, or a conversion where the types differ.
inline Expression identity() {
  return expression_of<1>([](Expr x) { return x; });
}

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator-(Expr a);
Expr operator+(Expr a, float b);
Expr operator-(Expr a, float b);
Expr operator*(Expr a, float b);
Expr operator/(Expr a, float b);
Expr operator+(float a, Expr b);
Expr operator-(float a, Expr b);
Expr operator*(float a, Expr b);
Expr operator/(float a, Expr b);

Expr apply(ExprOp op, Expr a);
Expr apply(ExprOp op, Expr a, Expr b);
Expr apply(ExprOp op, Expr a, float b);
Expr select(Expr condition, Expr a, Expr b);
inline Expr abs(Expr x) { return apply(ExprOp::abs, x); }
inline Expr sign(Expr x) { return apply(ExprOp::sign, x); }
inline Expr floor(Expr x) { return apply(ExprOp::floor, x); }
inline Expr exp(Expr x) { return apply(ExprOp::exp, x); }
inline Expr expm1(Expr x) { return apply(ExprOp::expm1, x); }
inline Expr log(Expr x) { return apply(ExprOp::log, x); }
inline Expr log1p(Expr x) { return apply(ExprOp::log1p, x); }
inline Expr sqrt(Expr x) { return apply(ExprOp::sqrt, x); }
inline Expr rsqrt(Expr x) { return apply(ExprOp::rsqrt, x); }
inline Expr reciprocal(Expr x) { return apply(ExprOp::reciprocal, x); }
inline Expr tanh(Expr x) { return apply(ExprOp::tanh, x); }
inline Expr sigmoid(Expr x) { return apply(ExprOp::sigmoid, x); }
inline Expr relu(Expr x) { return apply(ExprOp::relu, x); }
inline Expr erf(Expr x) { return apply(ExprOp::erf, x); }
inline Expr is_finite(Expr x) { return apply(ExprOp::is_finite, x); }
// x rounded to the values that `dtype` can hold; x itself for a dtype that needs no rounding.
Expr rounded(Expr x, DType dtype);
inline Expr square(Expr x) { return x * x; }
inline Expr min(Expr a, Expr b) { return apply(ExprOp::minimum, a, b); }
inline Expr max(Expr a, Expr b) { return apply(ExprOp::maximum, a, b); }
inline Expr min(Expr a, float b) { return apply(ExprOp::minimum, a, b); }
inline Expr max(Expr a, float b) { return apply(ExprOp::maximum, a, b); }
inline Expr pow(Expr a, Expr b) { return apply(ExprOp::pow, a, b); }
inline Expr pow(Expr a, float b) { return apply(ExprOp::pow, a, b); }
inline Expr less(Expr a, Expr b) { return apply(ExprOp::less, a, b); }
inline Expr less(Expr a, float b) { return apply(ExprOp::less, a, b); }
inline Expr less(float a, Expr b) { return less(Expr{b.expression, b.expression->constant(a)}, b); }
inline Expr less_equal(Expr a, Expr b) { return apply(ExprOp::less_equal, a, b); }
inline Expr less_equal(Expr a, float b) { return apply(ExprOp::less_equal, a, b); }
inline Expr equal(Expr a, Expr b) { return apply(ExprOp::equal, a, b); }
inline Expr equal(Expr a, float b) { return apply(ExprOp::equal, a, b); }

}  // namespace stoker::graph
