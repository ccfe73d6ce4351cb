// The part of a generated node that evaluates its expression, for one element or for four.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/cuda/codegen/codegen_node.h"
#include "graph/expression.h"
#include "graph/graph.h"
#include "stoker/shape.h"

namespace stoker::backend::cuda {

// An axis of an index: outermost first; neighbours that are walked alike are joined.
struct IndexAxis {
  std::int64_t extent = 1;
  std::int64_t stride = 0;
};

// Integer literals and C++ names, as the generated text spells them.
std::string type_name(DType dtype);
std::string float_literal(float value);
// Of type Index.
std::string index_literal(std::int64_t value);
// sum_k (index / below_k % extent_k) * stride_k.
std::string index_text(const std::string& index, const std::vector<IndexAxis>& axes);
// The type Index for shapes of so many elements.
std::string index_type(std::int64_t elements);

// Whether `pack` elements at a multiple of that may be reached in accesses of up to 16 bytes: homes
// in the arena are aligned, others as their offset says.
bool is_aligned(const graph::ValueInfo& value, int pack);

class ExpressionCode {
 public:
  // `pack`: how many elements the function pack() takes, a multiple of four.
  ExpressionCode(const graph::Graph& graph, const graph::Node& node,
                 const graph::Expression& expression, const Shape& shape, Parameters& parameters,
                 int pack = 4);

  // Members of the struct, statements of its constructor from `p`, and the functions one() and
  // pack().
  std::string members() const;
  std::string constructor() const;
  std::string functions() const;

  // Arithmetic of an element: more than a few instructions, or functions that are many themselves.
  bool is_heavy() const;

 private:
  // How an input is read.
  enum class Access {
    whole,   // element i of the shape is element i of it
    scalar,  // one element, read once
    pack,    // broadcast, but a pack of neighbours is one of neighbours
    same,    // broadcast along the last axis: a pack of neighbours is one element
    gather,  // broadcast in any other way
  };
  struct Input {
    DType dtype = DType::float32;
    Access access = Access::whole;
    bool is_aligned = true;
    std::vector<IndexAxis> axes;
    std::string pointer;
  };

  Input classify(const graph::ValueInfo& value, const Shape& shape) const;
  void find_scalars();
  const graph::Instruction& instruction(std::int32_t id) const {
    return expression_.instructions()[static_cast<std::size_t>(id)];
  }
  bool is_leaf_of_element(std::int32_t id) const;
  std::string operand(std::int32_t id) const;
  std::string value_text(std::int32_t id) const;
  std::string apply_function() const;
  std::string one_function() const;
  std::string pack_function() const;
  std::string load_pack(std::int32_t id) const;

  const int pack_;
  std::vector<int> kept_;  // before expression_, which fills it
  graph::Expression expression_;
  std::vector<Input> inputs_;    // of expression_
  std::vector<bool> is_scalar_;  // by instruction: the same for all elements
  std::string scalars_;          // pointer to plan::Scalars, where uniform needs it
};

}  // namespace stoker::backend::cuda
