// While instructions are appended, common subexpressions are found and constants folded, so that
// splicing many small expressions gives a program without repetition.
#include "graph/expression.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>

namespace stoker::graph {
namespace {

struct OpInfo {
  const char* name;
  int operands;
};

constexpr OpInfo kOps[] = {
#define STOKER_EXPR_LEAF(name) {#name, 0},
#define STOKER_EXPR_OP(name, operands) {#name, operands},
#include "graph/expr_ops.def"
#undef STOKER_EXPR_LEAF
#undef STOKER_EXPR_OP
};

const OpInfo& info(ExprOp op) { return kOps[static_cast<std::size_t>(op)]; }

// Unlike ==, this tells 0 from -0 and finds a NaN equal to itself.
bool is_same(const Instruction& x, const Instruction& y) {
  return x.op == y.op && x.a == y.a && x.b == y.b && x.c == y.c && x.index == y.index &&
         std::bit_cast<std::uint32_t>(x.value) == std::bit_cast<std::uint32_t>(y.value);
}

// Minimum and maximum are left out because their gradient at a tie depends on the order.
bool commutes(ExprOp op) { return op == ExprOp::add || op == ExprOp::mul || op == ExprOp::equal; }

// Evaluates an operation on constants. Sums, products, quotients and roots of float32 are exact
// enough in double that rounding once more gives float32's own result.
double fold(ExprOp op, double a, double b, double c) {
  switch (op) {
    case ExprOp::neg:
      return -a;
    case ExprOp::abs:
      return std::abs(a);
    case ExprOp::sign:
      return a > 0 ? 1.0 : a < 0 ? -1.0 : a;
    case ExprOp::floor:
      return std::floor(a);
    case ExprOp::exp:
      return std::exp(a);
    case ExprOp::expm1:
      return std::expm1(a);
    case ExprOp::log:
      return std::log(a);
    case ExprOp::log1p:
      return std::log1p(a);
    case ExprOp::sqrt:
      return std::sqrt(a);
    case ExprOp::rsqrt:
      return 1.0 / std::sqrt(a);
    case ExprOp::reciprocal:
      return 1.0 / a;
    case ExprOp::tanh:
      return std::tanh(a);
    case ExprOp::sigmoid:
      return 1.0 / (1.0 + std::exp(-a));
    case ExprOp::relu:
      return a < 0 ? 0.0 : a;
    case ExprOp::erf:
      return std::erf(a);
    case ExprOp::sin:
      return std::sin(a);
    case ExprOp::cos:
      return std::cos(a);
    case ExprOp::is_finite:
      return std::isfinite(a) ? 1.0 : 0.0;
    case ExprOp::to_bfloat16:
      return static_cast<float>(bfloat16(static_cast<float>(a)));
    case ExprOp::to_float16:
      return static_cast<float>(float16(static_cast<float>(a)));
    case ExprOp::add:
      return a + b;
    case ExprOp::sub:
      return a - b;
    case ExprOp::mul:
      return a * b;
    case ExprOp::div:
      return a / b;
    case ExprOp::minimum:
      return a < b || std::isnan(a) ? a : b;
    case ExprOp::maximum:
      return a > b || std::isnan(a) ? a : b;
    case ExprOp::pow:
      return std::pow(a, b);
    case ExprOp::less:
      return a < b ? 1.0 : 0.0;
    case ExprOp::less_equal:
      return a <= b ? 1.0 : 0.0;
    case ExprOp::equal:
      return a == b ? 1.0 : 0.0;
    case ExprOp::select:
      return a != 0 ? b : c;
    case ExprOp::input:
    case ExprOp::constant:
    case ExprOp::uniform:
    case ExprOp::range_value:
      break;
  }
  return 0.0;
}

std::string text_of(float value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return {digits.data(), end};
}

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

// Simplifies one instruction that is about to be appended.
class Simplifier {
 public:
  Simplifier(Expression& expression, Instruction instruction)
      : expression_(expression), in_(instruction) {}

  // The number of a simpler instruction with the same value, if there is one.
  std::optional<std::int32_t> simpler() {
    if (const auto folded = fold_constants()) return folded;
    switch (in_.op) {
      case ExprOp::neg:
        if (instruction(in_.a).op == ExprOp::neg) return instruction(in_.a).a;
        break;
      case ExprOp::add:
        if (is(in_.a, 0.0f)) return in_.b;
        if (is(in_.b, 0.0f)) return in_.a;
        break;
      case ExprOp::sub:
        if (is(in_.b, 0.0f)) return in_.a;
        if (is(in_.a, 0.0f)) return append(ExprOp::neg, in_.b);
        break;
      case ExprOp::mul:
        if (is(in_.a, 0.0f) || is(in_.b, 1.0f)) return in_.a;
        if (is(in_.b, 0.0f) || is(in_.a, 1.0f)) return in_.b;
        break;
      case ExprOp::div:
        if (is(in_.b, 1.0f)) return in_.a;
        break;
      case ExprOp::pow:
        if (is(in_.b, 1.0f)) return in_.a;
        if (is(in_.b, 0.0f)) return expression_.constant(1.0f);
        if (is(in_.b, 2.0f)) return append(ExprOp::mul, in_.a, in_.a);
        if (is(in_.b, -1.0f)) return append(ExprOp::reciprocal, in_.a);
        break;
      case ExprOp::to_bfloat16:
      case ExprOp::to_float16:
        if (instruction(in_.a).op == in_.op) return in_.a;
        break;
      case ExprOp::select:
        if (constant(in_.a)) return *constant(in_.a) != 0.0f ? in_.b : in_.c;
        if (in_.b == in_.c) return in_.b;
        break;
      default:
        break;
    }
    return std::nullopt;
  }

 private:
  const Instruction& instruction(std::int32_t id) const {
    return expression_.instructions()[at(id)];
  }
  std::optional<float> constant(std::int32_t id) const {
    if (id < 0 || instruction(id).op != ExprOp::constant) return std::nullopt;
    return instruction(id).value;
  }
  bool is(std::int32_t id, float value) const { return constant(id) == value; }
  std::int32_t append(ExprOp op, std::int32_t a, std::int32_t b = -1) {
    return expression_.append({.op = op, .a = a, .b = b});
  }

  std::optional<std::int32_t> fold_constants() {
    const int operands = operand_count(in_.op);
    if (operands == 0) return std::nullopt;
    const std::array<std::int32_t, 3> ids{in_.a, in_.b, in_.c};
    std::array<double, 3> values{};
    for (std::size_t i = 0; i < static_cast<std::size_t>(operands); ++i) {
      const auto value = constant(ids[i]);
      if (!value) return std::nullopt;
      values[i] = *value;
    }
    return expression_.constant(static_cast<float>(fold(in_.op, values[0], values[1], values[2])));
  }

  Expression& expression_;
  Instruction in_;
};

// Prints an expression as a tree. An instruction that is used again is named where it first occurs:
// "%3=exp(x0)".
class Printer {
 public:
  explicit Printer(const Expression& expression)
      : expression_(expression),
        uses_(expression.instructions().size()),
        printed_(expression.instructions().size()) {
    for (const Instruction& in : expression.instructions()) {
      for (const std::int32_t operand : {in.a, in.b, in.c}) {
        if (operand >= 0) ++uses_[at(operand)];
      }
    }
    for (const std::int32_t output : expression.outputs()) ++uses_[at(output)];
  }

  std::string print(std::int32_t id) {
    const Instruction& in = expression_.instructions()[at(id)];
    switch (in.op) {
      case ExprOp::input:
        return "x" + std::to_string(in.index);
      case ExprOp::constant:
        return text_of(in.value);
      case ExprOp::uniform:
        return "uniform(" + std::to_string(in.index) + ")";
      case ExprOp::range_value:
        return "range_value";
      default:
        break;
    }
    const bool is_shared = uses_[at(id)] > 1;
    if (printed_[at(id)]) return "%" + std::to_string(id);
    printed_[at(id)] = is_shared;
    std::string text = is_shared ? "%" + std::to_string(id) + "=" : "";
    text += name_of(in.op);
    char separator = '(';
    for (const std::int32_t operand : {in.a, in.b, in.c}) {
      if (operand < 0) break;
      text += separator;
      if (separator == ',') text += ' ';
      text += print(operand);
      separator = ',';
    }
    return text + ")";
  }

 private:
  const Expression& expression_;
  std::vector<int> uses_;
  std::vector<bool> printed_;
};

Expr constant_beside(Expr x, float value) { return {x.expression, x.expression->constant(value)}; }

}  // namespace

const char* name_of(ExprOp op) { return info(op).name; }
int operand_count(ExprOp op) { return info(op).operands; }

std::int32_t Expression::append(Instruction instruction) {
  if (commutes(instruction.op)) {
    // Constants come second and other operands in the order of appending, so that equal terms are
    // written alike.
    const bool a_is_constant = instructions_[at(instruction.a)].op == ExprOp::constant;
    const bool b_is_constant = instructions_[at(instruction.b)].op == ExprOp::constant;
    const bool in_order =
        a_is_constant == b_is_constant ? instruction.a <= instruction.b : b_is_constant;
    if (!in_order) std::swap(instruction.a, instruction.b);
  }
  if (const auto simpler = Simplifier(*this, instruction).simpler()) return *simpler;
  const auto found = std::find_if(instructions_.begin(), instructions_.end(),
                                  [&](const Instruction& x) { return is_same(x, instruction); });
  if (found != instructions_.end()) {
    return static_cast<std::int32_t>(found - instructions_.begin());
  }
  instructions_.push_back(instruction);
  return static_cast<std::int32_t>(instructions_.size()) - 1;
}

int Expression::input_count() const {
  int count = 0;
  for (const Instruction& in : instructions_) {
    if (in.op == ExprOp::input) count = std::max(count, in.index + 1);
  }
  return count;
}

bool Expression::uses_random() const {
  return std::any_of(instructions_.begin(), instructions_.end(),
                     [](const Instruction& in) { return in.op == ExprOp::uniform; });
}

std::vector<std::int32_t> Expression::splice(const Expression& other,
                                             std::span<const std::int32_t> inputs) {
  assert(this != &other);
  std::vector<std::int32_t> here;
  here.reserve(other.instructions_.size());
  for (Instruction in : other.instructions_) {
    if (in.op == ExprOp::input) {
      here.push_back(inputs[at(in.index)]);
      continue;
    }
    for (std::int32_t* operand : {&in.a, &in.b, &in.c}) {
      if (*operand >= 0) *operand = here[at(*operand)];
    }
    here.push_back(append(in));
  }
  std::vector<std::int32_t> outputs;
  outputs.reserve(other.outputs_.size());
  for (const std::int32_t output : other.outputs_) outputs.push_back(here[at(output)]);
  return outputs;
}

Expression Expression::compacted(std::vector<int>* kept) const {
  std::vector<bool> is_needed(instructions_.size());
  for (const std::int32_t output : outputs_) is_needed[at(output)] = true;
  std::vector<int> inputs;
  for (std::size_t i = instructions_.size(); i-- > 0;) {
    if (!is_needed[i]) continue;
    const Instruction& in = instructions_[i];
    if (in.op == ExprOp::input) inputs.push_back(in.index);
    for (const std::int32_t operand : {in.a, in.b, in.c}) {
      if (operand >= 0) is_needed[at(operand)] = true;
    }
  }
  std::sort(inputs.begin(), inputs.end());

  Expression result;
  std::vector<std::int32_t> renumbered(instructions_.size(), -1);
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    if (!is_needed[i]) continue;
    Instruction in = instructions_[i];
    if (in.op == ExprOp::input) {
      in.index = static_cast<std::int32_t>(
          std::lower_bound(inputs.begin(), inputs.end(), in.index) - inputs.begin());
    }
    for (std::int32_t* operand : {&in.a, &in.b, &in.c}) {
      if (*operand >= 0) *operand = renumbered[at(*operand)];
    }
    renumbered[i] = result.append(in);
  }
  for (const std::int32_t output : outputs_) result.add_output(renumbered[at(output)]);
  if (kept != nullptr) *kept = std::move(inputs);
  return result;
}

bool operator==(const Expression& a, const Expression& b) {
  return a.outputs_ == b.outputs_ &&
         std::equal(a.instructions_.begin(), a.instructions_.end(), b.instructions_.begin(),
                    b.instructions_.end(), is_same);
}

std::string Expression::text() const {
  Printer printer(*this);
  std::string text;
  for (const std::int32_t output : outputs_) {
    if (!text.empty()) text += "; ";
    text += printer.print(output);
  }
  return text;
}

Expr apply(ExprOp op, Expr a) {
  return {a.expression, a.expression->append({.op = op, .a = a.id})};
}
Expr apply(ExprOp op, Expr a, Expr b) {
  assert(a.expression == b.expression);
  return {a.expression, a.expression->append({.op = op, .a = a.id, .b = b.id})};
}
Expr apply(ExprOp op, Expr a, float b) { return apply(op, a, constant_beside(a, b)); }
Expr select(Expr condition, Expr a, Expr b) {
  assert(condition.expression == a.expression && condition.expression == b.expression);
  return {a.expression,
          a.expression->append({.op = ExprOp::select, .a = condition.id, .b = a.id, .c = b.id})};
}

Expr rounded(Expr x, DType dtype) {
  if (dtype == DType::bfloat16) return apply(ExprOp::to_bfloat16, x);
  if (dtype == DType::float16) return apply(ExprOp::to_float16, x);
  return x;
}

void Expression::round_constants(DType dtype) {
  if (!is_16bit(dtype)) return;
  for (Instruction& one : instructions_) {
    if (one.op != ExprOp::constant) continue;
    one.value = dtype == DType::bfloat16 ? static_cast<float>(bfloat16(one.value))
                                         : static_cast<float>(float16(one.value));
  }
}

Expr operator+(Expr a, Expr b) { return apply(ExprOp::add, a, b); }
Expr operator-(Expr a, Expr b) { return apply(ExprOp::sub, a, b); }
Expr operator*(Expr a, Expr b) { return apply(ExprOp::mul, a, b); }
Expr operator/(Expr a, Expr b) { return apply(ExprOp::div, a, b); }
Expr operator-(Expr a) { return apply(ExprOp::neg, a); }
Expr operator+(Expr a, float b) { return a + constant_beside(a, b); }
Expr operator-(Expr a, float b) { return a - constant_beside(a, b); }
Expr operator*(Expr a, float b) { return a * constant_beside(a, b); }
Expr operator/(Expr a, float b) { return a / constant_beside(a, b); }
Expr operator+(float a, Expr b) { return constant_beside(b, a) + b; }
Expr operator-(float a, Expr b) { return constant_beside(b, a) - b; }
Expr operator*(float a, Expr b) { return constant_beside(b, a) * b; }
Expr operator/(float a, Expr b) { return constant_beside(b, a) / b; }

}  // namespace stoker::graph
