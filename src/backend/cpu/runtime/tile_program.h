// A pointwise expression, compiled for the tile interpreter (kernels/tiles.cpp): registers are
// assigned by lifetime, broadcasts are classified, values that are the same for all elements are
// taken out of the loop, and outputs are written in place where that is safe. A program is made
// once, when a plan is compiled.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "backend/cpu/kernels/kernels.h"
#include "graph/expression.h"
#include "graph/graph.h"
#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::backend::cpu {

// A value that the program reads or writes.
struct TileOperand {
  std::int32_t value = 0;  // its number in Run::values
  DType dtype = DType::float32;
  Shape shape;
};

// Returns whether output number `output` may share memory with input number `input`.
using MayAlias = std::function<bool(std::size_t input, std::size_t output)>;

class TileProgram {
 public:
  // `keeps_finite` is that of ops::PointwiseAttributes. Throws ShapeError if an input does not
  // broadcast to `shape`, and ValueError for an expression with more live values than there is
  // scratch memory for.
  TileProgram(const graph::Expression& expression, std::span<const TileOperand> inputs,
              std::span<const TileOperand> outputs, const Shape& shape, const MayAlias& may_alias,
              bool keeps_finite = false);

  void evaluate(const TileArguments& arguments, std::int64_t begin, std::int64_t end) const {
    table_->evaluate(view_, arguments, begin, end);
  }

  const KernelTable& table() const { return *table_; }
  bool uses_random() const { return !uniforms_.empty(); }
  std::int64_t elements() const { return elements_; }
  int tile() const { return view_.tile; }
  // Returns the bytes of memory that an element reads and writes, from which the size of a task
  // follows.
  std::int64_t bytes_per_element() const { return bytes_per_element_; }

  TileProgram(const TileProgram&) = delete;  // view_ points into the vectors
  TileProgram& operator=(const TileProgram&) = delete;

 private:
  friend class TileCompiler;

  const KernelTable* table_;
  std::vector<TileInstruction> instructions_;
  std::vector<TileScalar> scalars_;
  std::vector<TileInput> inputs_;
  std::vector<TileOutput> outputs_;
  std::vector<TileUniform> uniforms_;
  std::vector<float> constants_;
  std::vector<std::int32_t> registers_;
  TileProgramView view_{};
  std::int64_t elements_ = 0;
  std::int64_t bytes_per_element_ = 0;
};

// Returns whether the homes of two values may overlap. Values in the arena may always overlap,
// since they may share parts of it.
bool homes_may_overlap(const graph::ValueInfo& input, const graph::ValueInfo& output);

}  // namespace stoker::backend::cpu
