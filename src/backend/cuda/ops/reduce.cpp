// Op reduce as the text of a generated kernel. It chooses among the loops of
// kernels/reduce_loops.cuh and cuts the work into blocks, from the shapes alone, so that the order
// of a sum depends on nothing else.
#include <algorithm>
#include <bit>
#include <cstddef>

#include "backend/cuda/codegen/codegen_expression.h"
#include "backend/cuda/codegen/codegen_node.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/cuda_op.h"
#include "core/format.h"
#include "ops/ops.h"

namespace stoker::backend::cuda {
namespace {

constexpr std::int64_t kWantedBlocks = 512;  // blocks of a launch with enough work
constexpr std::int64_t kMostBlocks = 2048;
// A row of at least this length gets a block of its own, unless there are very many rows.
constexpr std::int64_t kLongRow = 512;
constexpr std::int64_t kVeryLongRow = 16384;
constexpr std::int64_t kManyRows = 2048;
// The work is not cut further once a thread has no more elements, or rows of columns, than this.
constexpr std::int64_t kShare = 16;

std::int64_t power_of_two_from(std::int64_t x) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(x)));
}

Shape broadcast_shape(const graph::Graph& graph, const graph::Node& node) {
  Shape result;
  for (const graph::ValueId input : node.inputs) {
    const Shape& shape = graph.info(input).type.shape;
    const std::size_t rank = std::max(result.rank(), shape.rank());
    Shape merged;
    for (std::size_t k = rank; k > 0; --k) {
      const auto extent = [&](const Shape& s) { return k > s.rank() ? 1 : s[s.rank() - k]; };
      merged.push_back(extent(result) == 1 ? extent(shape) : extent(result));
    }
    result = merged;
  }
  return result;
}

class ReduceCode {
 public:
  ReduceCode(const graph::Graph& graph, graph::NodeId id, std::size_t number,
             Parameters& parameters, Resources& resources)
      : graph_(graph),
        id_(id),
        node_(graph.node(id)),
        attributes_(ops::attributes_of<ops::ReduceAttributes>(node_)),
        shape_(broadcast_shape(graph, node_)),
        outputs_(graph.info(node_.outputs[0]).type.shape.elements()),
        name_(format(kNamePlace, "_", number)),
        expression_(graph, node_, attributes_.expression, shape_, parameters),
        parameters_(parameters),
        resources_(resources) {
    find_axes();
    if (outputs_ == 0) return;
    if (reduced_ == 0 || is_column_a_thread()) {
      cut_outputs();
    } else if (columns_ > 1) {
      cut_columns();
    } else {
      cut_rows();
    }
  }

  GeneratedNode node() {
    GeneratedNode result;
    if (outputs_ == 0) return result;
    result.text = definition();
    result.blocks = static_cast<unsigned>(blocks_);
    const char* function = columns_ > 1  ? "reduce_columns"
                           : lanes_ == 0 ? "reduce_long_rows"
                                         : "reduce_short_rows";
    result.takes_blocks = lanes_ > 0;
    result.has_barriers = lanes_ != 1;
    result.takes_shared = lanes_ == 0;
    result.loop = function;
    return result;
  }

 private:
  // Finds the kept and the reduced axes, each with its stride in the whole shape; neighbouring axes
  // of the same kind are joined. Kept axes that are innermost become the columns.
  void find_axes() {
    struct Run {
      std::int64_t extent, stride;
      bool is_reduced;
    };
    std::vector<Run> runs;  // innermost first
    std::int64_t stride = 1;
    for (std::size_t axis = shape_.rank(); axis-- > 0;) {
      const bool is_reduced = std::find(attributes_.axes.begin(), attributes_.axes.end(),
                                        static_cast<std::int64_t>(axis)) != attributes_.axes.end();
      if (shape_[axis] == 1) continue;
      if (!runs.empty() && runs.back().is_reduced == is_reduced) {
        runs.back().extent *= shape_[axis];
      } else {
        runs.push_back({shape_[axis], stride, is_reduced});
      }
      stride *= shape_[axis];
    }
    for (std::size_t k = runs.size(); k-- > 0;) {
      const Run& run = runs[k];
      if (run.is_reduced) {
        reduced_axes_.push_back({run.extent, run.stride});
        reduced_ *= run.extent;
      } else if (k == 0 && !reduced_axes_.empty()) {
        columns_ = run.extent;
      } else {
        kept_axes_.push_back({run.extent, run.stride});
        kept_ *= run.extent;
      }
    }
    // Under either condition every stretch of four elements that a thread reads begins at a
    // multiple of four.
    const bool is_one_row = kept_ == 1 && columns_ == 1 && reduced_axes_.size() == 1;
    const bool is_wide = !runs.empty() && runs[0].extent % 4 == 0;
    wide_ = is_wide || is_one_row ? 4 : 1;
    if (columns_ == 1 && reduced_axes_.empty()) wide_ = 1;
  }

  // Returns whether each thread should compute an output alone: there are many outputs of little
  // work each, and neighbours lie side by side.
  bool is_column_a_thread() const {
    if (columns_ == 1 || kept_ == 1 || kept_ * columns_ < 4096) return false;
    return reduced_ <= 4 * kShare || columns_ / wide_ * reduced_ < 4 * kThreads;
  }
  void cut_outputs() {
    if (columns_ != 1) kept_axes_.push_back({columns_, 1});
    kept_ *= columns_;
    columns_ = 1;
    wide_ = 1;
    lanes_ = 1;
    blocks_ = std::min(divide_up(kept_, kThreads), kMostBlocks);
    unroll(reduced_);
  }

  void cut_rows() {
    const std::int64_t units = divide_up(reduced_, wide_);
    const bool is_long = reduced_ > kVeryLongRow || (reduced_ >= kLongRow && kept_ < kManyRows);
    if (is_long) {
      const std::int64_t most = std::max<std::int64_t>(1, kWantedBlocks / kept_);
      const std::int64_t wanted = divide_up(units, kThreads * kShare / wide_);
      cut(units, std::clamp<std::int64_t>(wanted, 1, most));
      blocks_ = kept_ * parts_;
      counters_ = kept_;
      unroll(part_length_ / kThreads);
      part_length_ *= wide_;
      return;
    }
    lanes_ = std::clamp<std::int64_t>(
        power_of_two_from(divide_up(std::max<std::int64_t>(1, units), 4)), 1, 32);
    blocks_ = std::min(divide_up(kept_, kThreads / lanes_), kMostBlocks);
    unroll(units / lanes_);
  }

  void cut_columns() {
    const std::int64_t units = columns_ / wide_;
    // There are at least as many threads side by side as fill a warp's access. A block reads no
    // more rows at a time than leave a few to each thread.
    across_ = std::min<std::int64_t>(32, power_of_two_from(units));
    while (across_ < kThreads && across_ < units && reduced_ < 4 * kThreads / across_) across_ *= 2;
    tiles_ = divide_up(units, across_);
    const std::int64_t down = kThreads / across_;
    const std::int64_t most = std::max<std::int64_t>(1, kWantedBlocks / (kept_ * tiles_));
    cut(reduced_, std::clamp<std::int64_t>(divide_up(reduced_, down * kShare), 1, most));
    blocks_ = kept_ * tiles_ * parts_;
    counters_ = kept_ * tiles_;
    unroll(part_length_ / down);
  }

  void cut(std::int64_t length, std::int64_t wanted) {
    part_length_ = std::max<std::int64_t>(1, divide_up(length, wanted));
    parts_ = std::max<std::int64_t>(1, divide_up(length, part_length_));
  }
  void unroll(std::int64_t share) { unroll_ = share >= 4 && !expression_.is_heavy() ? 4 : 1; }

  std::string constants() const {
    const auto number = [](const char* name, std::int64_t value) {
      return format("  static constexpr Index ", name, " = ", index_literal(value), ";\n");
    };
    const auto small = [](const char* name, std::int64_t value) {
      return format("  static constexpr gen::u32 ", name, " = ", value, "u;\n");
    };
    const char* kind = attributes_.kind == ops::ReduceKind::sum   ? "gen::kSum"
                       : attributes_.kind == ops::ReduceKind::max ? "gen::kMax"
                                                                  : "gen::kMin";
    std::string text = format("  typedef ", index_type(shape_.elements()),
                              " Index;\n  static constexpr int kKind = ", kind,
                              ";\n  static constexpr int kWide = ", wide_,
                              ";\n  static constexpr int kUnroll = ", unroll_, ";\n");
    text += number("kReduced", reduced_);
    if (lanes_ > 0) return text + number("kRows", kept_) + small("kLanes", lanes_);
    text += small("kParts", parts_) + number("kPartLength", part_length_);
    if (columns_ == 1) return text;
    return text + number("kColumns", columns_) + small("kAcross", across_) +
           small("kTiles", tiles_);
  }

  std::string definition() {
    const graph::ValueInfo& info = graph_.info(node_.outputs[0]);
    const std::string type = type_name(info.type.dtype);
    const std::string scale =
        attributes_.scale == 1.0f ? "" : " * " + float_literal(attributes_.scale);
    std::string members = expression_.members() + "  " + type + "* to;\n";
    std::string constructor = expression_.constructor() +
                              format("    to = static_cast<", type, "*>(p.",
                                     parameters_.pointer(Operand::of(node_.outputs[0])), ");\n");
    if (parts_ > 1) {
      const auto bytes = static_cast<std::size_t>(kept_ * parts_ * columns_) * sizeof(float);
      const Operand partials = Operand::workspace(id_, resources_.take_workspace(id_, bytes));
      const Operand counters =
          Operand::counters(resources_.take_counters(static_cast<int>(counters_)));
      members += "  float* partials;\n  gen::u32* counters;\n";
      constructor += format("    partials = static_cast<float*>(p.", parameters_.pointer(partials),
                            ");\n    counters = static_cast<gen::u32*>(p.",
                            parameters_.pointer(counters), ");\n");
    }
    return format("struct ", name_, " {\n", constants(), members,
                  "  __device__ __forceinline__ explicit ", name_, "(const ", kNamePlace,
                  "_params& p) {\n", constructor, "  }\n", expression_.functions(),
                  "  __device__ __forceinline__ Index at(Index kept, Index reduced) const {\n"
                  "    return ",
                  at_text(), ";\n  }\n",
                  "  __device__ __forceinline__ void store(Index i, float total) const {\n"
                  "    gen::put(total",
                  scale, ", to[i]);\n  }\n};\n");
  }

  std::string at_text() const {
    std::string text;
    if (!kept_axes_.empty()) text += index_text("kept", kept_axes_);
    if (!reduced_axes_.empty()) {
      text += (text.empty() ? "" : " + ") + index_text("reduced", reduced_axes_);
    }
    return text.empty() ? "0u" : text;
  }

  const graph::Graph& graph_;
  const graph::NodeId id_;
  const graph::Node& node_;
  const ops::ReduceAttributes& attributes_;
  const Shape shape_;
  const std::int64_t outputs_;
  const std::string name_;
  const ExpressionCode expression_;
  Parameters& parameters_;
  Resources& resources_;

  std::vector<IndexAxis> kept_axes_, reduced_axes_;  // both without the columns
  std::int64_t kept_ = 1, reduced_ = 1, columns_ = 1;
  int wide_ = 1;  // elements, or columns, that a thread reads at once
  int unroll_ = 1;
  std::int64_t lanes_ = 0;  // threads of a warp for one short row; 0 if rows are long
  std::int64_t parts_ = 1, part_length_ = 1;
  std::int64_t across_ = 1, tiles_ = 1;
  std::int64_t counters_ = 0;
  std::int64_t blocks_ = 1;
};

GeneratedNode generate(const graph::Graph& graph, graph::NodeId id, std::size_t number,
                       Parameters& parameters, Resources& resources) {
  return ReduceCode(graph, id, number, parameters, resources).node();
}

}  // namespace

const CudaOp reduce_on_cuda = from_expressions(&generate, Elements::any_type);

}  // namespace stoker::backend::cuda
