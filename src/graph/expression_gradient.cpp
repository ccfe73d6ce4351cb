// Reverse-mode differentiation of an expression walks from the outputs back, with one rule per op.
#include <cstddef>
#include <optional>

#include "graph/expression.h"

namespace stoker::graph {
namespace {

constexpr float kTwoOverRootPi = 1.12837917f;

class Differentiator {
 public:
  explicit Differentiator(const Expression& forward)
      : forward_(forward),
        inputs_(forward.input_count()),
        values_(forward.instructions().size(), -1),
        gradients_(forward.instructions().size()),
        is_wanted_(forward.instructions().size()) {}

  Expression run() {
    // Only instructions that depend on an input get a gradient.
    for (std::size_t i = 0; i < is_wanted_.size(); ++i) {
      const Instruction& in = forward_.instructions()[i];
      is_wanted_[i] =
          in.op == ExprOp::input || is_wanted(in.a) || is_wanted(in.b) || is_wanted(in.c);
    }
    const auto outputs = static_cast<int>(forward_.outputs().size());
    for (int j = 0; j < outputs; ++j) {
      const std::int32_t id = forward_.outputs()[static_cast<std::size_t>(j)];
      // An input or a constant has its value at hand, so reading the output instead would be one
      // read more.
      if (operand_count(forward_.instructions()[at(id)].op) > 0 && values_[at(id)] < 0) {
        values_[at(id)] = result_.input(inputs_ + j);
      }
      accumulate(id, {&result_, result_.input(inputs_ + outputs + j)});
    }
    is_output_.assign(values_.size(), false);
    for (std::size_t i = 0; i < values_.size(); ++i) is_output_[i] = values_[i] >= 0;

    for (std::size_t i = gradients_.size(); i-- > 0;) {
      if (is_wanted_[i] && gradients_[i]) propagate(static_cast<std::int32_t>(i), *gradients_[i]);
    }
    for (int j = 0; j < inputs_; ++j) result_.add_output(gradient_of_input(j));
    return std::move(result_);
  }

 private:
  static std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }
  bool is_wanted(std::int32_t id) const { return id >= 0 && is_wanted_[at(id)]; }
  Expr constant(float value) { return {&result_, result_.constant(value)}; }

  void accumulate(std::int32_t id, Expr gradient) {
    if (!is_wanted(id)) return;
    std::optional<Expr>& sum = gradients_[at(id)];
    sum = sum ? *sum + gradient : gradient;
  }

  // The value of an instruction of `forward`, which is computed again where no output holds it.
  Expr value(std::int32_t id) {
    std::int32_t& known = values_[at(id)];
    if (known < 0) {
      Instruction in = forward_.instructions()[at(id)];
      for (std::int32_t* operand : {&in.a, &in.b, &in.c}) {
        if (*operand >= 0) *operand = value(*operand).id;
      }
      known = result_.append(in);
    }
    return {&result_, known};
  }

  std::int32_t gradient_of_input(int index) {
    for (std::size_t i = 0; i < gradients_.size(); ++i) {
      const Instruction& in = forward_.instructions()[i];
      if (in.op == ExprOp::input && in.index == index && gradients_[i]) return gradients_[i]->id;
    }
    return result_.constant(0.0f);
  }

  void propagate(std::int32_t id, Expr g) {
    switch (operand_count(forward_.instructions()[at(id)].op)) {
      case 1:
        return propagate_unary(id, g);
      case 2:
        return propagate_binary(id, g);
      case 3:
        return propagate_select(id, g);
      default:
        return;
    }
  }

  void propagate_unary(std::int32_t id, Expr g) {
    const Instruction& in = forward_.instructions()[at(id)];
    if (const auto gradient = unary_gradient(in, id, g)) accumulate(in.a, *gradient);
  }

  // Values are lambdas so that only the rules that need them ask for them: each call may append
  // instructions.
  std::optional<Expr> unary_gradient(const Instruction& in, std::int32_t id, Expr g) {
    const auto x = [&] { return value(in.a); };
    const auto y = [&] { return value(id); };
    switch (in.op) {
      case ExprOp::neg:
        return -g;
      case ExprOp::abs:
        return g * sign(x());
      case ExprOp::exp:
        return g * y();
      case ExprOp::expm1:
        return g * (y() + 1.0f);
      case ExprOp::log:
        return g / x();
      case ExprOp::log1p:
        return g / (x() + 1.0f);
      case ExprOp::sqrt:
        return g * 0.5f / y();
      case ExprOp::rsqrt:
        return g * -0.5f * (y() * square(y()));
      case ExprOp::reciprocal:
        return -(g * square(y()));
      case ExprOp::tanh:
        return g * (1.0f - square(y()));
      case ExprOp::sigmoid:
        return g * (y() * (1.0f - y()));
      // A relu output is zero exactly where its input was not positive, so the output will do for
      // the test.
      case ExprOp::relu:
        return select(is_output_[at(id)] ? y() : less(0.0f, x()), g, constant(0.0f));
      case ExprOp::erf:
        return g * (exp(-square(x())) * kTwoOverRootPi);
      case ExprOp::sin:
        return g * apply(ExprOp::cos, x());
      case ExprOp::cos:
        return -(g * apply(ExprOp::sin, x()));
      // Rounding counts as the identity, because what it changes is below the precision of the
      // gradient.
      case ExprOp::to_bfloat16:
      case ExprOp::to_float16:
        return g;
      default:
        // The functions sign, floor and is_finite are constant almost everywhere.
        return std::nullopt;
    }
  }

  void propagate_binary(std::int32_t id, Expr g) {
    const Instruction& in = forward_.instructions()[at(id)];
    const Expr zero = constant(0.0f);
    switch (in.op) {
      case ExprOp::add:
        accumulate(in.a, g);
        accumulate(in.b, g);
        return;
      case ExprOp::sub:
        accumulate(in.a, g);
        if (is_wanted(in.b)) accumulate(in.b, -g);
        return;
      case ExprOp::mul:
        if (is_wanted(in.a)) accumulate(in.a, g * value(in.b));
        if (is_wanted(in.b)) accumulate(in.b, g * value(in.a));
        return;
      case ExprOp::div: {
        const Expr quotient = g / value(in.b);
        accumulate(in.a, quotient);
        if (is_wanted(in.b)) accumulate(in.b, -(quotient * value(id)));
        return;
      }
      case ExprOp::minimum:
      case ExprOp::maximum: {
        // The first operand gets all of the gradient at a tie.
        const Expr a = value(in.a), b = value(in.b);
        const Expr is_first = apply(ExprOp::less_equal, in.op == ExprOp::minimum ? a : b,
                                    in.op == ExprOp::minimum ? b : a);
        if (is_wanted(in.a)) accumulate(in.a, select(is_first, g, zero));
        if (is_wanted(in.b)) accumulate(in.b, select(is_first, zero, g));
        return;
      }
      case ExprOp::pow:
        if (is_wanted(in.a)) accumulate(in.a, g * power_slope(in));
        if (is_wanted(in.b)) {
          // 0^b has slope 0 in b, and log(0) must not make it 0 * inf; below 0 there is no slope.
          const Expr a = value(in.a);
          const Expr positive = select(less(0.0f, a), a, constant(1.0f));
          accumulate(in.b, g * (value(id) * log(positive)));
        }
        return;
      default:
        return;  // Comparisons have no gradient.
    }
  }

  // d/da a^b = b a^(b - 1). Where b = 0 the slope is 0 even for a = 0.
  Expr power_slope(const Instruction& in) {
    const Expr b = value(in.b);
    const Expr slope = b * pow(value(in.a), b - 1.0f);
    return select(b, slope, constant(0.0f));
  }

  void propagate_select(std::int32_t id, Expr g) {
    const Instruction& in = forward_.instructions()[at(id)];
    const Expr zero = constant(0.0f);
    if (is_wanted(in.b)) accumulate(in.b, select(value(in.a), g, zero));
    if (is_wanted(in.c)) accumulate(in.c, select(value(in.a), zero, g));
  }

  const Expression& forward_;
  int inputs_;
  Expression result_;
  // For each instruction of `forward`, the instruction of the result that has its value; -1 while
  // there is none.
  std::vector<std::int32_t> values_;
  std::vector<std::optional<Expr>> gradients_;
  std::vector<bool> is_wanted_;
  std::vector<bool> is_output_;
};

}  // namespace

Expression differentiate(const Expression& forward) { return Differentiator(forward).run(); }

}  // namespace stoker::graph
