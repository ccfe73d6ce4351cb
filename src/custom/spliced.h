// Arithmetic of the user's own as one expression: what a function of single elements has made in
// the same call is computed again where it is used, and not kept in memory for it. So a loss that
// is written step by step becomes what one expression by hand would be, forwards and backwards.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "custom/function.h"

namespace stoker::functions {

// Gathers an expression over a shape.
class Spliced {
 public:
  explicit Spliced(Shape shape) : shape_(shape) {}

  // The operand as a part of the expression. Its shape broadcasts to the whole's.
  Expr operand(Tensor x);
  // Becomes the only output.
  void set_result(Expr result) { expression_.add_output(result.id); }

  std::vector<Tensor> inputs() const { return inputs_; }
  const graph::Expression& expression() const { return expression_; }

 private:
  Expr input(Tensor x);

  Shape shape_;
  std::vector<Tensor> inputs_;
  graph::Expression expression_;
};

// f of each element, of the operands' common type.
Tensor map_spliced(std::span<const Tensor> operands,
                   const std::function<Expr(std::span<const Expr>)>& f);
Tensor map_spliced(Tensor x, const std::function<Expr(Expr)>& f);

// As ops::reduce().
Tensor reduce_spliced(ops::ReduceKind kind, std::span<const Tensor> operands,
                      const std::function<Expr(std::span<const Expr>)>& f,
                      std::vector<std::int64_t> axes, bool keep_dims, float scale = 1.0f);
Tensor reduce_spliced(ops::ReduceKind kind, Tensor x, const std::function<Expr(Expr)>& f,
                      std::vector<std::int64_t> axes, bool keep_dims, float scale = 1.0f);

}  // namespace stoker::functions
