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

// An axis of an index. Lists of them begin with the outermost; neighbours are joined where one
// stride steps through both.
struct IndexAxis {
  std::int64_t extent = 1;
  std::int64_t stride = 0;
};

// Integer literals and C++ names, as the generated text spells them.
std::string type_name(DType dtype);
std::string float_literal(float value);
// The literal is of the generated type Index.
std::string index_literal(std::int64_t value);
// Returns the text of sum_k (index / below_k % extent_k) * stride_k, where below_k is the product
// of the extents after axis k.
std::string index_text(const std::string& index, const std::vector<IndexAxis>& axes);
// Returns the type to use as Index for shapes of so many elements.
std::string index_type(std::int64_t elements);

// Returns whether `pack` elements from a multiple of `pack` on may be reached in accesses of up to
// 16 bytes. Homes in the arena are aligned; others are where their offset is.
bool is_aligned(const graph::ValueInfo& value, int pack);

class ExpressionCode {
 public:
  // `pack` is the number of elements that the generated function pack() takes, a multiple of four.
  ExpressionCode(const graph::Graph& graph, const graph::Node& node,
                 const graph::Expression& expression, const Shape& shape, Parameters& parameters,
                 int pack = 4);

  // These return the members of the generated struct, the statements of its constructor from `p`,
  // and its functions one() and pack().
  std::string members() const;
  std::string constructor() const;
  std::string functions() const;

  // Returns whether an element takes more than a few machine instructions, be it by many operators
  // or by functions.
  bool is_heavy() const;

 private:
  // How an input is read.
  enum class Access {
    whole,   // element i of the shape is element i of it
    scalar,  // a single element, which is read once
    pack,    // broadcast, but a pack of neighbours reads a pack of neighbours
    same,    // broadcast along the last axis, so that a pack of neighbours reads one element
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
  std::vector<int> kept_;  // declared before expression_, whose initializer fills it
  graph::Expression expression_;
  std::vector<Input> inputs_;    // the inputs of expression_
  std::vector<bool> is_scalar_;  // by instruction: whether it is the same for all elements
  std::string scalars_;          // the pointer to plan::Scalars if uniform needs it
};

}  // namespace stoker::backend::cuda
