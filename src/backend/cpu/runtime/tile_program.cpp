#include "backend/cpu/runtime/tile_program.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "backend/cpu/runtime/dispatch.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker::backend::cpu {

using graph::Expression;
using graph::ExprOp;
using graph::Instruction;

namespace {

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

TileType tile_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return TileType::float32;
    case DType::int32:
      return TileType::int32;
    case DType::uint8:
      return TileType::uint8;
    case DType::bfloat16:
      return TileType::bfloat16;
    case DType::float16:
      return TileType::float16;
  }
  return TileType::float32;
}

TileOp tile_op(ExprOp op) {
  switch (op) {
#define STOKER_EXPR_LEAF(name) case ExprOp::name:
#define STOKER_EXPR_OP(name, operands)
#include "graph/expr_ops.def"
#undef STOKER_EXPR_LEAF
#undef STOKER_EXPR_OP
    break;  // leaves are read, not computed
#define STOKER_EXPR_LEAF(name)
#define STOKER_EXPR_OP(name, operands) \
  case ExprOp::name:                   \
    return TileOp::name;
#include "graph/expr_ops.def"
#undef STOKER_EXPR_LEAF
#undef STOKER_EXPR_OP
  }
  return TileOp::copy;
}

// Decides how an input of shape `from` is read as if it had shape `to`: neighbouring axes are
// joined, and the axes that are left determine the kind.
TileInput classify(const TileOperand& operand, const Shape& to) {
  const Shape& from = operand.shape;
  TileInput input{};
  input.type = tile_type(operand.dtype);
  input.value = operand.value;
  if (from.rank() > to.rank()) {
    throw ShapeError(
        format("pointwise: expected an input that broadcasts to ", to, ", received ", from));
  }
  std::int64_t stride = 1;
  for (std::size_t axis = to.rank(); axis-- > 0;) {
    const std::size_t missing = to.rank() - from.rank();
    const std::int64_t own = axis < missing ? 1 : from[axis - missing];
    if (own != 1 && own != to[axis]) {
      throw ShapeError(
          format("pointwise: expected an input that broadcasts to ", to, ", received ", from));
    }
    if (to[axis] == 1) continue;
    const std::int64_t axis_stride = own == 1 ? 0 : stride;
    stride *= own;
    const int last = input.rank - 1;
    if (last >= 0 && axis_stride == input.strides[last] * input.extents[last] &&
        (axis_stride == 0) == (input.strides[last] == 0)) {
      input.extents[last] *= to[axis];
      continue;
    }
    input.extents[input.rank] = to[axis];
    input.strides[input.rank] = axis_stride;
    ++input.rank;
  }

  const bool starts_contiguous = input.rank > 0 && input.strides[0] == 1;
  if (input.rank == 0 || (input.rank == 1 && input.strides[0] == 0)) {
    input.source = TileSource::scalar;
  } else if (input.rank == 1 && starts_contiguous) {
    input.source = operand.dtype == DType::float32 ? TileSource::direct : TileSource::convert;
  } else if (input.rank == 2 && starts_contiguous && input.strides[1] == 0) {
    input.source = TileSource::periodic;
    input.period = input.extents[0];
  } else {
    input.source = TileSource::strided;
  }
  return input;
}

}  // namespace

class TileCompiler {
 public:
  TileCompiler(TileProgram& program, const Expression& expression,
               std::span<const TileOperand> inputs, std::span<const TileOperand> outputs,
               const Shape& shape, const MayAlias& may_alias, bool keeps_finite)
      : program_(program),
        expression_(expression.compacted(&kept_)),
        operands_(inputs),
        output_operands_(outputs),
        shape_(shape),
        may_alias_(may_alias),
        keeps_finite_(keeps_finite) {}

  void run() {
    program_.elements_ = shape_.elements();
    for (const int operand : kept_) {
      inputs_.push_back(classify(operands_[at(operand)], shape_));
    }
    collect_steps();
    find_lifetimes();
    // The program takes the longest tile for which everything fits into the scratch memory.
    for (const int tile : {512, 256, 128, 64, 32, 16}) {
      if (lay_out(tile)) return finish(tile);
    }
    throw ValueError(format("pointwise: too many values alive at once in ", expression_.text()));
  }

 private:
  // One instruction of the program that is being made; its operands are instruction numbers of the
  // expression.
  struct Step {
    TileOp op;
    std::int32_t a = -1, b = -1, c = -1;
    std::int32_t result = -1;                // an instruction number; -1 for a copy to an output
    std::optional<std::size_t> output = {};  // the output that this step writes
    std::size_t last_use = 0;                // a step number
  };
  static constexpr std::size_t kEnd = static_cast<std::size_t>(-1);

  const Instruction& instruction(std::int32_t id) const {
    return expression_.instructions()[at(id)];
  }
  bool is_leaf(std::int32_t id) const { return operand_count(instruction(id).op) == 0; }

  // Returns whether an instruction gives the same for all elements, once its operands have been
  // marked.
  bool is_scalar(const Instruction& in) const {
    if (in.op == ExprOp::uniform) return false;
    if (in.op == ExprOp::input) return inputs_[at(in.index)].source == TileSource::scalar;
    for (const std::int32_t operand : {in.a, in.b, in.c}) {
      if (operand >= 0 && !is_scalar_[at(operand)]) return false;
    }
    return true;
  }

  void collect_steps() {
    const auto& instructions = expression_.instructions();
    uses_.assign(instructions.size(), 0);
    for (const Instruction& in : instructions) {
      for (const std::int32_t operand : {in.a, in.b, in.c}) {
        if (operand >= 0) ++uses_[at(operand)];
      }
      is_scalar_.push_back(is_scalar(in));
    }
    for (const std::int32_t output : expression_.outputs()) ++uses_[at(output)];

    // A product that is fused into a sum gets no step of its own.
    std::vector<bool> is_fused(instructions.size());
    std::vector<Step> steps;
    for (std::size_t id = 0; id < instructions.size(); ++id) {
      steps.push_back(step_for(static_cast<std::int32_t>(id), is_fused));
    }
    step_of_.assign(instructions.size(), kEnd);
    for (const bool scalars : {true, false}) {
      for (std::size_t id = 0; id < instructions.size(); ++id) {
        if (is_leaf(static_cast<std::int32_t>(id)) || is_fused[id] || is_scalar_[id] != scalars) {
          continue;
        }
        step_of_[id] = steps_.size();
        steps_.push_back(steps[id]);
      }
      if (scalars) scalar_steps_ = steps_.size();
    }
    assign_outputs();
  }

  Step step_for(std::int32_t id, std::vector<bool>& is_fused) const {
    const Instruction& in = instruction(id);
    const auto is_product = [&](std::int32_t operand) {
      return instruction(operand).op == ExprOp::mul && uses_[at(operand)] == 1 &&
             !is_scalar_[at(operand)];
    };
    const auto fuse = [&](TileOp op, std::int32_t product, std::int32_t other) {
      is_fused[at(product)] = true;
      return Step{.op = op,
                  .a = instruction(product).a,
                  .b = instruction(product).b,
                  .c = other,
                  .result = id};
    };
    if (in.op == ExprOp::add && is_product(in.a)) return fuse(TileOp::multiply_add, in.a, in.b);
    if (in.op == ExprOp::add && is_product(in.b)) return fuse(TileOp::multiply_add, in.b, in.a);
    if (in.op == ExprOp::sub && is_product(in.b)) {
      return fuse(TileOp::negative_multiply_add, in.b, in.a);
    }
    if (in.op == ExprOp::sub && is_product(in.a)) {
      return fuse(TileOp::multiply_subtract, in.a, in.b);
    }
    const TileOp op = is_leaf(id) ? TileOp::copy : tile_op(in.op);
    return {.op = op, .a = in.a, .b = in.b, .c = in.c, .result = id};
  }

  // A step writes the first output that takes its result; other outputs get a copy at the end.
  void assign_outputs() {
    for (std::size_t j = 0; j < expression_.outputs().size(); ++j) {
      const std::int32_t id = expression_.outputs()[j];
      const std::size_t step = step_of_[at(id)];
      if (step != kEnd && step >= scalar_steps_ && !steps_[step].output) {
        steps_[step].output = j;
      } else {
        steps_.push_back({.op = TileOp::copy, .a = id, .output = j});
      }
    }
  }

  void find_lifetimes() {
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      for (const std::int32_t operand : {steps_[s].a, steps_[s].b, steps_[s].c}) {
        if (operand >= 0 && step_of_[at(operand)] != kEnd) {
          steps_[step_of_[at(operand)]].last_use = s;
        }
      }
    }
  }

  // Returns whether the step may write straight to its output: not if a later step still reads an
  // input that may share that memory.
  bool is_direct(std::size_t step) const {
    const std::size_t output = *steps_[step].output;
    if (keeps_finite_ || output_operands_[output].dtype != DType::float32) return false;
    for (std::size_t s = step + 1; s < steps_.size(); ++s) {
      for (const std::int32_t operand : {steps_[s].a, steps_[s].b, steps_[s].c}) {
        if (operand < 0 || instruction(operand).op != ExprOp::input) continue;
        const auto input = static_cast<std::size_t>(kept_[at(instruction(operand).index)]);
        if (may_alias_(input, output)) return false;
      }
    }
    return true;
  }

  // ---- Slots and scratch memory ----

  std::uint16_t new_slot() {
    if (slots_ >= kTileMaxSlots) {
      throw ValueError(format("pointwise: too many values in ", expression_.text()));
    }
    return static_cast<std::uint16_t>(slots_++);
  }
  std::int32_t take_scratch(std::int64_t floats) {
    const auto offset = static_cast<std::int32_t>(scratch_);
    scratch_ += (floats + kMaxVector - 1) / kMaxVector * kMaxVector;
    return offset;
  }

  bool lay_out(int tile) {
    slots_ = 0;
    scratch_ = 0;
    program_.instructions_.clear();
    program_.scalars_.clear();
    program_.inputs_.clear();
    program_.outputs_.clear();
    program_.uniforms_.clear();
    program_.constants_.clear();
    program_.registers_.clear();
    program_.view_.range_slot = -1;
    slot_of_.assign(expression_.instructions().size(), 0);
    lay_out_constants();
    // The slots of registers follow those of constants; assign_registers() returns how many there
    // are.
    const int first_register = slots_;
    slots_ += assign_registers(first_register);
    for (int i = first_register; i < slots_; ++i) {
      program_.registers_.push_back(take_scratch(tile + kTileSlack));
    }
    lay_out_scalars();
    lay_out_leaves(tile);
    lay_out_outputs();
    return slots_ <= kTileMaxSlots && scratch_ <= kTileScratchFloats;
  }

  void lay_out_constants() {
    for (std::size_t id = 0; id < slot_of_.size(); ++id) {
      const Instruction& in = expression_.instructions()[id];
      if (in.op != ExprOp::constant) continue;
      slot_of_[id] = new_slot();
      program_.constants_.insert(program_.constants_.end(), kMaxVector, in.value);
    }
  }

  void lay_out_scalars() {
    for (std::size_t s = 0; s < scalar_steps_; ++s) {
      const std::uint16_t slot = new_slot();
      set_slot(steps_[s], slot);
      program_.scalars_.push_back({.slot = slot, .offset = take_scratch(kMaxVector)});
    }
  }

  // Gives every result that is not written straight to an output a register; returns how many.
  int assign_registers(int first) {
    std::vector<std::size_t> busy_until;  // by register: the last step that needs its value
    for (std::size_t s = scalar_steps_; s < steps_.size(); ++s) {
      Step& step = steps_[s];
      const bool is_output = step.output.has_value();
      if (is_output && is_direct(s)) continue;
      // A register that this step reads for the last time may take its result: loops go forward
      // element by element.
      const auto free = std::find_if(busy_until.begin(), busy_until.end(),
                                     [&](std::size_t until) { return until <= s; });
      const auto number = static_cast<std::size_t>(free - busy_until.begin());
      if (free == busy_until.end()) busy_until.push_back(0);
      busy_until[number] = is_output ? kEnd : step.last_use;
      set_slot(step, first + static_cast<int>(number));
    }
    return static_cast<int>(busy_until.size());
  }

  void set_slot(Step& step, int slot) {
    step_slot_.resize(steps_.size());
    step_slot_[static_cast<std::size_t>(&step - steps_.data())] = static_cast<std::uint16_t>(slot);
    if (step.result >= 0) slot_of_[at(step.result)] = static_cast<std::uint16_t>(slot);
  }

  void lay_out_leaves(int tile) {
    for (std::size_t id = 0; id < slot_of_.size(); ++id) {
      const Instruction& in = expression_.instructions()[id];
      if (in.op == ExprOp::input) {
        slot_of_[id] = new_slot();
        lay_out_input(in.index, slot_of_[id], tile);
      } else if (in.op == ExprOp::uniform) {
        slot_of_[id] = new_slot();
        program_.uniforms_.push_back({.slot = slot_of_[id],
                                      .offset = take_scratch(tile + kTileSlack),
                                      .stream = static_cast<std::uint32_t>(in.index)});
      } else if (in.op == ExprOp::range_value) {
        slot_of_[id] = new_slot();
        program_.view_.range_slot = slot_of_[id];
        program_.view_.range_offset = take_scratch(kMaxVector);
      }
    }
  }

  void lay_out_input(int index, std::uint16_t slot, int tile) {
    TileInput input = inputs_[at(index)];
    input.slot = slot;
    // Short periods are kept expanded; of long ones every tile copies its part.
    constexpr std::int64_t kMaxPeriod = 512;
    if (input.source == TileSource::periodic && input.period > kMaxPeriod) {
      input.source = TileSource::strided;
    }
    switch (input.source) {
      case TileSource::direct:
        input.stage = take_scratch(kTileStage);
        break;
      case TileSource::scalar:
        input.offset = take_scratch(kMaxVector);
        break;
      case TileSource::periodic:
        input.offset = take_scratch(input.period + tile + kTileSlack);
        break;
      case TileSource::convert:
      case TileSource::strided:
        input.offset = take_scratch(tile + kTileSlack);
        break;
    }
    program_.inputs_.push_back(input);
  }

  void lay_out_outputs() {
    step_slot_.resize(steps_.size());
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      Step& step = steps_[s];
      if (!step.output) continue;
      const TileOperand& operand = output_operands_[*step.output];
      TileOutput output{};
      output.type = tile_type(operand.dtype);
      output.value = operand.value;
      output.is_direct = is_direct(s);
      if (output.is_direct) {
        output.stage = take_scratch(kTileStage);
        set_slot(step, new_slot());
      }
      output.slot = step_slot_[s];
      program_.outputs_.push_back(output);
    }
  }

  void finish(int tile) {
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      const Step& step = steps_[s];
      const auto slot = [&](std::int32_t id) {
        return id < 0 ? std::uint16_t{0} : slot_of_[at(id)];
      };
      program_.instructions_.push_back({.op = step.op,
                                        .a = slot(step.a),
                                        .b = slot(step.b),
                                        .c = slot(step.c),
                                        .to = step_slot_[s]});
    }
    for (const TileInput& input : program_.inputs_) {
      if (input.source == TileSource::direct) program_.bytes_per_element_ += 4;
    }
    program_.bytes_per_element_ += 4 * static_cast<std::int64_t>(program_.outputs_.size());

    TileProgramView& view = program_.view_;
    view.instructions = program_.instructions_.data();
    view.scalars = program_.scalars_.data();
    view.inputs = program_.inputs_.data();
    view.outputs = program_.outputs_.data();
    view.uniforms = program_.uniforms_.data();
    view.constants = program_.constants_.data();
    view.registers = program_.registers_.data();
    view.instruction_count = static_cast<std::int32_t>(program_.instructions_.size());
    view.input_count = static_cast<std::int32_t>(program_.inputs_.size());
    view.output_count = static_cast<std::int32_t>(program_.outputs_.size());
    view.uniform_count = static_cast<std::int32_t>(program_.uniforms_.size());
    view.constant_count = static_cast<std::int32_t>(program_.constants_.size()) / kMaxVector;
    view.register_count = static_cast<std::int32_t>(program_.registers_.size());
    view.scalar_count = static_cast<std::int32_t>(program_.scalars_.size());
    view.tile = tile;
    view.keeps_finite = keeps_finite_;
  }

  TileProgram& program_;
  std::vector<int> kept_;  // declared before expression_, whose initializer fills it
  Expression expression_;
  std::span<const TileOperand> operands_;
  std::span<const TileOperand> output_operands_;
  const Shape& shape_;
  const MayAlias& may_alias_;
  const bool keeps_finite_;

  std::vector<TileInput> inputs_;  // classified
  std::vector<int> uses_;          // by instruction
  std::vector<bool> is_scalar_;    // by instruction
  std::vector<Step> steps_;
  std::size_t scalar_steps_ = 0;          // the number of scalar steps, which come first
  std::vector<std::size_t> step_of_;      // by instruction
  std::vector<std::uint16_t> slot_of_;    // by instruction
  std::vector<std::uint16_t> step_slot_;  // by step: the slot that it writes to
  int slots_ = 0;
  std::int64_t scratch_ = 0;
};

TileProgram::TileProgram(const Expression& expression, std::span<const TileOperand> inputs,
                         std::span<const TileOperand> outputs, const Shape& shape,
                         const MayAlias& may_alias, bool keeps_finite)
    : table_(&kernels()) {
  TileCompiler(*this, expression, inputs, outputs, shape, may_alias, keeps_finite).run();
}

bool homes_may_overlap(const graph::ValueInfo& input, const graph::ValueInfo& output) {
  const graph::Home& a = input.home;
  const graph::Home& b = output.home;
  if (a.space != b.space || a.index != b.index) return false;
  // Places in the arena are not known yet, since plan/ lays it out after it has made the nodes.
  if (a.space == graph::Space::arena) return true;
  const auto bytes = [](const graph::ValueInfo& info) {
    return info.type.shape.elements() * static_cast<std::int64_t>(size_of(info.type.dtype));
  };
  return a.offset < b.offset + bytes(output) && b.offset < a.offset + bytes(input);
}

}  // namespace stoker::backend::cpu
