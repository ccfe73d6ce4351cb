// Op reduce. Neighbouring axes are joined to [outer, reduced, inner] if possible, which covers sums
// over everything, rows, columns (bias gradients) and images; other reductions go element by
// element. The work is cut into parts whose borders depend on the shape alone, and the parts are
// combined in order, so that any number of threads gives the same bits.
#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"
#include "backend/cpu/runtime/tile_program.h"

namespace stoker::backend::cpu {
namespace {

// An expression is evaluated into a buffer of this many floats on the stack.
constexpr std::int64_t kBuffer = 2048;

Reduction reduction(ops::ReduceKind kind) {
  switch (kind) {
    case ops::ReduceKind::sum:
      return Reduction::sum;
    case ops::ReduceKind::max:
      return Reduction::max;
    case ops::ReduceKind::min:
      return Reduction::min;
  }
  return Reduction::sum;
}

double start_of(Reduction kind) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return kind == Reduction::sum ? 0.0 : kind == Reduction::max ? -kInfinity : kInfinity;
}

template <class T>
T combine(Reduction kind, T a, T b) {
  switch (kind) {
    case Reduction::sum:
      return a + b;
    case Reduction::max:
      return a > b || a != a ? a : b;
    case Reduction::min:
      return a < b || a != a ? a : b;
  }
  return a;
}

// An axis of the shape that inputs broadcast to, once it is joined to alternating runs of kept and
// reduced axes.
struct Axis {
  std::int64_t extent;
  bool is_reduced;
};

std::vector<Axis> joined_axes(const Shape& shape, const std::vector<std::int64_t>& axes) {
  std::vector<Axis> joined;
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    const bool is_reduced =
        std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(axis)) != axes.end();
    if (shape[axis] == 1) continue;
    if (!joined.empty() && joined.back().is_reduced == is_reduced) {
      joined.back().extent *= shape[axis];
    } else {
      joined.push_back({shape[axis], is_reduced});
    }
  }
  return joined;
}

Shape broadcast_shape(const KernelRequest& request) {
  Shape result;
  for (std::size_t i = 0; i < request.node.inputs.size(); ++i) {
    const Shape& shape = request.input(i).type.shape;
    if (i == 0 || shape.rank() > result.rank()) {
      Shape longer = shape;
      for (std::size_t k = 1; k <= result.rank(); ++k) {
        std::int64_t& extent = longer[longer.rank() - k];
        if (extent == 1) extent = result[result.rank() - k];
      }
      result = longer;
    } else {
      for (std::size_t k = 1; k <= shape.rank(); ++k) {
        std::int64_t& extent = result[result.rank() - k];
        if (extent == 1) extent = shape[shape.rank() - k];
      }
    }
  }
  return result;
}

class ReduceKernel : public Kernel {
 public:
  ReduceKernel(const KernelRequest& request, const ops::ReduceAttributes& attributes)
      : shape_(broadcast_shape(request)),
        kind_(reduction(attributes.kind)),
        scale_(attributes.scale),
        output_(request.node.outputs[0]),
        program_(attributes.expression, inputs_of(request), result_of(request), shape_,
                 [](std::size_t, std::size_t) { return false; }),
        source_(plain_source(request, attributes)),
        axes_(joined_axes(shape_, attributes.axes)),
        outputs_(request.output(0).type.shape.elements()) {
    std::int64_t* extent = &outer_;
    for (const Axis& axis : axes_) {
      if (axis.is_reduced) {
        is_general_ = is_general_ || extent != &outer_;
        reduced_ = axis.extent;
        extent = &inner_;
      } else {
        *extent *= axis.extent;
      }
    }
    if (shape_.elements() == 0) reduced_ = 0;
    // Parts have about 64 Ki elements, and there are at most 64 of them for one output.
    rows_ = std::max<std::int64_t>(1, kElementsPerPart / std::max<std::int64_t>(1, inner_));
    rows_ = std::max(rows_, (reduced_ + kMaxParts - 1) / kMaxParts);
    if (inner_ > 1) rows_ = (rows_ + 3) / 4 * 4;
    parts_ = std::max<std::int64_t>(1, (reduced_ + rows_ - 1) / rows_);
    // Narrow rows are joined to wider ones, whose sums are folded at the end.
    if (inner_ > 1 && inner_ < kNarrow) fold_ = kNarrow / inner_;
  }

  std::size_t workspace_bytes() const override {
    if (is_general_ || (inner_ == 1 && parts_ == 1)) return 0;
    const std::int64_t element = inner_ == 1 ? sizeof(double) : sizeof(float);
    return static_cast<std::size_t>(outer_ * parts_ * inner_ * fold_ * element);
  }

  void run(const Run& run) override {
    const TileArguments arguments{.values = run.values,
                                  .result = nullptr,
                                  .range_value = 0.0f,
                                  .step = run.scalars->step,
                                  .seed = run.scalars->seed,
                                  .first_overflow = nullptr};
    const Job job{arguments, run.floats(output_), run.workspace};
    if (is_general_) return reduce_general(job);
    if (inner_ == 1) return reduce_rows(job);
    reduce_columns(job);
  }

 private:
  static constexpr std::int64_t kElementsPerPart = std::int64_t{64} * 1024;
  static constexpr std::int64_t kMaxParts = 64;
  static constexpr std::int64_t kNarrow = 128;

  struct Job {
    TileArguments arguments;
    float* output;
    std::byte* workspace;
  };

  static std::vector<TileOperand> inputs_of(const KernelRequest& request) {
    std::vector<TileOperand> operands;
    for (std::size_t i = 0; i < request.node.inputs.size(); ++i) {
      const graph::ValueType& type = request.input(i).type;
      operands.push_back({request.node.inputs[i], type.dtype, type.shape});
    }
    return operands;
  }
  std::vector<TileOperand> result_of(const KernelRequest&) const {
    return {{output_, DType::float32, shape_}};
  }

  // Returns the value to read directly if the expression is nothing but an input in float32.
  std::int32_t plain_source(const KernelRequest& request,
                            const ops::ReduceAttributes& attributes) const {
    const auto& expression = attributes.expression;
    const auto& root =
        expression.instructions()[static_cast<std::size_t>(expression.outputs().front())];
    if (root.op != graph::ExprOp::input) return graph::kNone;
    const auto index = static_cast<std::size_t>(root.index);
    const graph::ValueType& type = request.input(index).type;
    const bool is_plain = type.dtype == DType::float32 && type.shape == shape_;
    return is_plain ? request.node.inputs[index] : graph::kNone;
  }

  // Calls use(values, first, count) for stretches of [begin, end), in order.
  template <class Use>
  void for_values(const Job& job, std::int64_t begin, std::int64_t end, std::int64_t stretch,
                  const Use& use) const {
    if (source_ != graph::kNone) {
      use(static_cast<const float*>(job.arguments.values[source_]) + begin, begin, end - begin);
      return;
    }
    alignas(64) float buffer[kBuffer];
    TileArguments arguments = job.arguments;
    arguments.result = buffer;
    for (std::int64_t at = begin; at < end; at += stretch) {
      const std::int64_t count = std::min(stretch, end - at);
      program_.evaluate(arguments, at, at + count);
      use(static_cast<const float*>(buffer), at, count);
    }
  }

  std::int64_t bytes_per_element() const {
    return source_ != graph::kNone ? 4 : program_.bytes_per_element() + 4;
  }
  std::int64_t grain(std::int64_t elements_per_item) const {
    return grain_for(elements_per_item * bytes_per_element());
  }

  // ---- [outer, reduced]: each output is a number of its own ----

  double reduce_run(const Job& job, std::int64_t begin, std::int64_t end) const {
    double total = start_of(kind_);
    for_values(job, begin, end, kBuffer,
               [&](const float* values, std::int64_t, std::int64_t count) {
                 total = combine(kind_, total, program_.table().reduce(kind_, values, count));
               });
    return total;
  }

  void reduce_rows(const Job& job) const {
    if (parts_ == 1) {
      parallel_for(outer_, grain(reduced_), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end;) row = reduce_some_rows(job, row, end);
      });
      return;
    }
    auto* partial = reinterpret_cast<double*>(job.workspace);
    parallel_for(outer_ * parts_, grain(rows_), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = i / parts_ * reduced_, first = i % parts_ * rows_;
        partial[i] = reduce_run(job, row + first, row + std::min(first + rows_, reduced_));
      }
    });
    for (std::int64_t row = 0; row < outer_; ++row) {
      double total = partial[row * parts_];
      for (std::int64_t part = 1; part < parts_; ++part) {
        total = combine(kind_, total, partial[row * parts_ + part]);
      }
      job.output[row] = static_cast<float>(total) * scale_;
    }
  }

  // Reduces one row, or as many short ones as the buffer holds at once, and returns the next row.
  std::int64_t reduce_some_rows(const Job& job, std::int64_t row, std::int64_t end) const {
    if (reduced_ > kBuffer / 2 || reduced_ == 0) {
      const double total = reduce_run(job, row * reduced_, (row + 1) * reduced_);
      job.output[row] = static_cast<float>(total) * scale_;
      return row + 1;
    }
    const std::int64_t rows = std::min(end - row, kBuffer / reduced_);
    for_values(job, row * reduced_, (row + rows) * reduced_, kBuffer,
               [&](const float* values, std::int64_t, std::int64_t) {
                 for (std::int64_t r = 0; r < rows; ++r) {
                   const double total =
                       program_.table().reduce(kind_, values + r * reduced_, reduced_);
                   job.output[row + r] = static_cast<float>(total) * scale_;
                 }
               });
    return row + rows;
  }

  // ---- [outer, reduced, inner]: whole rows are added up ----

  void reduce_columns(const Job& job) const {
    auto* partial = reinterpret_cast<float*>(job.workspace);
    const std::int64_t width = inner_ * fold_;
    parallel_for(outer_ * parts_, grain(rows_ * inner_), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % parts_ * rows_;
        accumulate(job, partial + i * width, i / parts_ * reduced_ + first,
                   std::min(rows_, reduced_ - first));
      }
    });
    for (std::int64_t o = 0; o < outer_; ++o) {
      float* sums = partial + o * parts_ * width;
      // The parts are summed pairwise, so that many of them cost little error.
      for (std::int64_t step = 1; step < parts_; step *= 2) {
        for (std::int64_t part = 0; part + step < parts_; part += 2 * step) {
          combine_rows(sums + part * width, sums + (part + step) * width, inner_);
        }
      }
      for (std::int64_t c = 0; c < inner_; ++c) job.output[o * inner_ + c] = sums[c] * scale_;
    }
  }

  void combine_rows(float* into, const float* from, std::int64_t count) const {
    for (std::int64_t c = 0; c < count; ++c) into[c] = combine(kind_, into[c], from[c]);
  }

  // Reduces `rows` rows of inner_ columns, the first one row number `row`, into sums[0 .. inner_).
  void accumulate(const Job& job, float* sums, std::int64_t row, std::int64_t rows) const {
    const std::int64_t width = inner_ * fold_;
    std::fill(sums, sums + width, static_cast<float>(start_of(kind_)));
    const std::int64_t begin = row * inner_, end = (row + rows) * inner_;
    // A stretch consists of whole joined rows, as many as fit.
    const std::int64_t stretch =
        width > kBuffer ? kBuffer : std::max<std::int64_t>(1, kBuffer / width) * width;
    for_values(job, begin, end, stretch,
               [&](const float* values, std::int64_t first, std::int64_t count) {
                 accumulate_stretch(sums, width, (first - begin) % width, values, count);
               });
    for (std::int64_t copy = 1; copy < fold_; ++copy) {
      combine_rows(sums, sums + copy * inner_, inner_);
    }
  }

  void accumulate_stretch(float* sums, std::int64_t width, std::int64_t column, const float* values,
                          std::int64_t count) const {
    const auto& table = program_.table();
    if (column != 0) {
      const std::int64_t head = std::min(count, width - column);
      table.reduce_rows(kind_, sums + column, values, 1, head);
      values += head;
      count -= head;
    }
    table.reduce_rows(kind_, sums, values, count / width, width);
    table.reduce_rows(kind_, sums, values + count / width * width, 1, count % width);
  }

  // ---- Anything else, one element after the other ----

  void reduce_general(const Job& job) const {
    std::fill(job.output, job.output + outputs_, static_cast<float>(start_of(kind_)));
    const std::int64_t run = axes_.back().extent;
    std::int64_t in_run = 0;
    std::int64_t position[Shape::kMaxRank] = {};
    std::int64_t target = 0;
    for_values(job, 0, shape_.elements(), kBuffer,
               [&](const float* values, std::int64_t, std::int64_t count) {
                 while (count > 0) {
                   const std::int64_t some = std::min(count, run - in_run);
                   add_run(job.output + target, in_run, values, some);
                   values += some;
                   count -= some;
                   in_run += some;
                   if (in_run < run) continue;
                   in_run = 0;
                   target = next_target(position);
                 }
               });
    for (std::int64_t i = 0; i < outputs_; ++i) job.output[i] *= scale_;
  }

  void add_run(float* output, std::int64_t offset, const float* values, std::int64_t count) const {
    if (axes_.back().is_reduced) {
      const double total = program_.table().reduce(kind_, values, count);
      *output = combine(kind_, *output, static_cast<float>(total));
    } else {
      program_.table().reduce_rows(kind_, output + offset, values, 1, count);
    }
  }

  // Returns the output element at which the next run along the last axis begins.
  std::int64_t next_target(std::int64_t* position) const {
    for (std::size_t d = axes_.size() - 1; d-- > 0;) {
      if (++position[d] < axes_[d].extent) break;
      position[d] = 0;
    }
    std::int64_t target = 0;
    for (std::size_t d = 0; d + 1 < axes_.size(); ++d) {
      if (!axes_[d].is_reduced) target = target * axes_[d].extent + position[d];
    }
    return axes_.back().is_reduced ? target : target * axes_.back().extent;
  }

  Shape shape_;
  Reduction kind_;
  float scale_;
  graph::ValueId output_;
  TileProgram program_;
  graph::ValueId source_;
  std::vector<Axis> axes_;
  std::int64_t outputs_;
  bool is_general_ = false;
  std::int64_t outer_ = 1, reduced_ = 1, inner_ = 1;
  std::int64_t rows_ = 1;   // the reduced rows of a part
  std::int64_t parts_ = 1;  // the parts of one outer index
  std::int64_t fold_ = 1;   // rows that are joined to one
};

std::unique_ptr<Kernel> make_reduce(const KernelRequest& request) {
  return std::make_unique<ReduceKernel>(request,
                                        ops::attributes_of<ops::ReduceAttributes>(request.node));
}

}  // namespace

const CpuOp reduce_on_cpu{&make_reduce, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
