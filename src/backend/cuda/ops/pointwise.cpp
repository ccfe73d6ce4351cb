// Op pointwise as the text of a generated kernel.
#include <algorithm>
#include <cstddef>

#include "backend/cuda/codegen/codegen_expression.h"
#include "backend/cuda/codegen/codegen_node.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/cuda_op.h"
#include "core/format.h"
#include "ops/ops.h"
#include "plan/scalars.h"

namespace stoker::backend::cuda {
namespace {

constexpr std::int64_t kMostBlocks = 1024;
// The kernel finds an element's part by comparisons if there are at most so many parts, and by a
// table in memory if there are more.
constexpr std::size_t kMostCompared = 16;

// An entry of the table, gen::Part in the generated text.
struct Part {
  std::int64_t units, first_unit, begin, end;
  float value;

  std::string text() const {
    return format("{", index_literal(units), ", ", index_literal(first_unit), ", ",
                  index_literal(begin), ", ", index_literal(end), ", ", float_literal(value), "}");
  }
};

class PointwiseCode {
 public:
  PointwiseCode(const graph::Graph& graph, graph::NodeId id, std::size_t number,
                Parameters& parameters)
      : graph_(graph),
        node_(graph.node(id)),
        attributes_(ops::attributes_of<ops::PointwiseAttributes>(node_)),
        shape_(graph.info(node_.outputs[0]).type.shape),
        name_(format(kNamePlace, "_", number)),
        pack_(pack_of(graph, node_, attributes_, shape_)),
        expression_(graph, node_, attributes_.expression, shape_, parameters, pack_),
        parameters_(parameters) {
    find_parts();
    for (const graph::ValueId output : node_.outputs) parameters_.pointer(Operand::of(output));
  }

  GeneratedNode node() {
    GeneratedNode result;
    if (units_ == 0) return result;
    if (parts_.size() > kMostCompared) result.text += table();
    result.text += definition();
    result.loop = "pointwise";
    result.takes_blocks = true;
    const std::int64_t blocks = (units_ + kThreads - 1) / kThreads;
    result.blocks = static_cast<unsigned>(std::min(blocks, kMostBlocks));
    return result;
  }

 private:
  // Returns the pack's size: eight where that makes accesses of 16 bytes and divides the elements,
  // and otherwise four.
  static int pack_of(const graph::Graph& graph, const graph::Node& node,
                     const ops::PointwiseAttributes& attributes, const Shape& shape) {
    if (!attributes.ranges.empty() || shape.elements() % 8 != 0) return 4;
    const auto has_16_bits = [&](graph::ValueId value) {
      const graph::ValueType& type = graph.info(value).type;
      return size_of(type.dtype) == 2 && type.shape.elements() == shape.elements();
    };
    return std::any_of(node.inputs.begin(), node.inputs.end(), has_16_bits) ||
                   std::any_of(node.outputs.begin(), node.outputs.end(), has_16_bits)
               ? 8
               : 4;
  }
  void find_parts() {
    if (attributes_.ranges.empty()) {
      add_part({.offset = 0, .count = shape_.elements()});
    } else {
      for (const ops::Range& range : attributes_.ranges) add_part(range);
    }
  }
  void add_part(const ops::Range& range) {
    if (range.count == 0) return;
    const std::int64_t begin = range.offset, end = range.offset + range.count;
    parts_.push_back({units_, begin / pack_, begin, end, range.value});
    units_ += (end + pack_ - 1) / pack_ - begin / pack_;
    is_whole_ = is_whole_ && begin % pack_ == 0 && end % pack_ == 0;
  }

  std::string table() const {
    std::string text = format("static __device__ const gen::Part<", index_type(shape_.elements()),
                              "> ", name_, "_parts[] = {\n");
    for (const Part& part : parts_) text += "  " + part.text() + ",\n";
    return text + "};\n";
  }

  std::string definition() {
    const std::size_t outputs = node_.outputs.size();
    std::string members = expression_.members();
    std::string constructor = expression_.constructor();
    std::string one, pack;
    for (std::size_t j = 0; j < outputs; ++j) {
      const graph::ValueInfo& info = graph_.info(node_.outputs[j]);
      const std::string type = type_name(info.type.dtype);
      const std::string pointer = parameters_.pointer(Operand::of(node_.outputs[j]));
      members += format("  ", type, "* to", j, ";\n");
      constructor += format("    to", j, " = static_cast<", type, "*>(p.", pointer, ");\n");
      one += format("    gen::put(y[", j, "], to", j, "[i]);\n");
      if (is_aligned(info, pack_)) {
        pack += format("    gen::store_pack(to", j, " + i, y[", j, "]);\n");
      } else {
        pack += format("    for (int k = 0; k < ", pack_, "; ++k) gen::put(y[", j, "][k], to", j,
                       "[i + k]);\n");
      }
    }
    const bool is_guarded = attributes_.guard != ops::Guard::none;
    if (is_guarded) {
      members += "  bool refused;\n";
      constructor += format(
          "    const gen::Scalars* guard = static_cast<const gen::Scalars*>(p.",
          parameters_.pointer(Operand::scalars()), ");\n    refused = gen::has_error(guard)",
          attributes_.guard == ops::Guard::update ? " || guard->skips_update != 0;\n" : ";\n");
    }
    if (attributes_.keeps_finite) {
      members += "  gen::Scalars* overflows;\n";
      constructor += format("    overflows = static_cast<gen::Scalars*>(p.",
                            parameters_.pointer(Operand::scalars()), ");\n");
      one = keep_finite_one() + one;
      pack = keep_finite_pack() + pack;
    }
    return format("struct ", name_, " {\n  typedef ", index_type(shape_.elements()),
                  " Index;\n  static constexpr int kOutputs = ", outputs,
                  ";\n  static constexpr int kPack = ", pack_,
                  ";\n  static constexpr Index kUnits = ", index_literal(units_),
                  ";\n  static constexpr bool kIsWhole = ", is_whole_ ? "true" : "false", ";\n",
                  members, "  __device__ __forceinline__ explicit ", name_, "(const ", kNamePlace,
                  "_params& p) {\n", constructor, "  }\n", expression_.functions(),
                  "  __device__ __forceinline__ void store_one(Index i, const float (&y)[", outputs,
                  "]) const {\n", one,
                  "  }\n  __device__ __forceinline__ void store_pack(Index i, const float (&y)[",
                  outputs, "][", pack_, "]) const {\n", pack,
                  "  }\n  __device__ __forceinline__ bool is_refused() const { return ",
                  is_guarded ? "refused" : "false", "; }\n", part_function(), "};\n");
  }

  // Returns the text before the store of an element: if the element is not finite, it is noted and
  // not stored.
  std::string keep_finite_one() const {
    std::string condition;
    for (std::size_t j = 0; j < node_.outputs.size(); ++j) {
      condition += format(j > 0 ? " && " : "", "gen::is_storable(y[", j, "], to", j, ")");
    }
    const graph::Home& home = graph_.info(node_.outputs[0]).home;
    const std::int64_t first = plan::overflow_at(home.space == graph::Space::state,
                                                 home.offset / std::int64_t{sizeof(float)});
    return format("    if (!(", condition, ")) {\n      gen::note_overflow(overflows, ", first,
                  "ll + i);\n      return;\n    }\n");
  }
  // Returns the text before the store of a pack: unless all of its elements are finite, they are
  // stored one by one.
  std::string keep_finite_pack() const {
    const std::size_t outputs = node_.outputs.size();
    std::string condition, element;
    for (std::size_t j = 0; j < outputs; ++j) {
      condition += format(" && gen::is_storable(y[", j, "][k], to", j, ")");
      element += format(j > 0 ? ", " : "", "y[", j, "][k]");
    }
    const std::string each = format("for (int k = 0; k < ", pack_, "; ++k) ");
    return format("    bool is_finite = true;\n    ", each, "is_finite = is_finite", condition,
                  ";\n    if (!is_finite) {\n      ", each, "{\n        const float element[",
                  outputs, "] = {", element,
                  "};\n        store_one(i + k, element);\n      }\n      return;\n    }\n");
  }

  std::string part_function() const {
    std::string text = "  __device__ __forceinline__ gen::Part<Index> part(Index unit) const {\n";
    if (parts_.size() > kMostCompared) {
      text += format("    return gen::part_of(", name_, "_parts, ", parts_.size(), "u, unit);\n");
    } else {
      for (std::size_t k = 0; k < parts_.size(); ++k) {
        text += "    ";
        if (k + 1 < parts_.size()) {
          text += format("if (unit < ", index_literal(parts_[k + 1].units), ") ");
        }
        text += format("return ", parts_[k].text(), ";\n");
      }
    }
    return text + "  }\n";
  }

  const graph::Graph& graph_;
  const graph::Node& node_;
  const ops::PointwiseAttributes& attributes_;
  const Shape shape_;
  const std::string name_;
  const int pack_;  // elements of a unit
  const ExpressionCode expression_;
  Parameters& parameters_;
  std::vector<Part> parts_;
  std::int64_t units_ = 0;
  bool is_whole_ = true;  // whether all units lie wholly in their parts
};

GeneratedNode generate(const graph::Graph& graph, graph::NodeId id, std::size_t number,
                       Parameters& parameters, Resources& /*resources*/) {
  return PointwiseCode(graph, id, number, parameters).node();
}

}  // namespace

const CudaOp pointwise_on_cuda = from_expressions(&generate, Elements::any_type);

}  // namespace stoker::backend::cuda
