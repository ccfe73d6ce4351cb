// Ops recurrence and recurrence_backward. Our kernels take blocks of samples through all steps.
#include <algorithm>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dispatch.h"
#include "backend/cpu/runtime/dnn.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

using ops::GateFunction;
using ops::RecurrenceAttributes;
using ops::RecurrentKind;

static_assert(static_cast<int>(RecurrentKind::lstm) == static_cast<int>(RecurrentCell::lstm));
static_assert(static_cast<int>(GateFunction::tanh) == static_cast<int>(Gate::tanh));

RecurrenceSizes sizes_of(const RecurrenceAttributes& a, const Shape& x, std::int64_t units) {
  return {.steps = x[1],
          .units = units,
          .gates = a.gates() * units,
          .kept = a.kept() * units,
          .cell = static_cast<RecurrentCell>(a.kind),
          .activation = static_cast<Gate>(a.activation),
          .recurrent_activation = static_cast<Gate>(a.recurrent_activation),
          .is_backwards = a.is_backwards,
          .in_order_of_input = a.in_order_of_input};
}

// The common part of both kernels: the packed kernel, the scratch memory of the samples, and how
// many of them a block has. A sample's results do not depend on its block.
class RecurrenceKernel : public Kernel {
 public:
  RecurrenceKernel(const KernelRequest& request, const Shape& x, std::int64_t units)
      : node_(request.node),
        attributes_(ops::attributes_of<RecurrenceAttributes>(request.node)),
        sizes_(sizes_of(attributes_, x, units)),
        batch_(x[0]) {
    // So many samples share what a product reads of the kernel, and their products fit in a cache.
    constexpr std::int64_t kMostRows = 64, kRows = 8;
    const std::int64_t of_thread = (batch_ + request.threads - 1) / request.threads;
    block_ = std::clamp((of_thread + kRows - 1) / kRows * kRows, kRows, kMostRows);
    const auto bytes = [](std::int64_t floats) {
      return static_cast<std::size_t>(floats) * sizeof(float);
    };
    // The kernel has as many floats packed as one matrix or as two, forward or backward, but for
    // the padding.
    packed_ = layout_.add(
        bytes(std::max(packed_floats(units, sizes_.gates), packed_floats(sizes_.gates, units)) +
              packed_floats(units, units)));
    scratch_ = layout_.add(bytes(batch_ * recurrence_scratch(sizes_)));
  }
  std::size_t workspace_bytes() const override { return layout_.total(); }

 protected:
  float* packed(const Run& run) const { return floats_at(run, packed_); }
  float* scratch(const Run& run) const { return floats_at(run, scratch_); }
  float* input(const Run& run, int place) const {
    return place < 0 ? nullptr : run.floats(node_.inputs[static_cast<std::size_t>(place)]);
  }
  float* output(const Run& run, int place) const {
    return place < 0 ? nullptr : run.floats(node_.outputs[static_cast<std::size_t>(place)]);
  }
  template <class Arguments>
  void each_block(void (*kernel)(const Arguments&, std::int64_t, std::int64_t),
                  const Arguments& arguments) const {
    parallel_for(batch_, block_, [&](std::int64_t begin, std::int64_t end) {
      for (; begin < end; begin += block_) kernel(arguments, begin, std::min(begin + block_, end));
    });
  }

  const graph::Node& node_;
  const RecurrenceAttributes& attributes_;
  const RecurrenceSizes sizes_;
  const KernelTable& table_ = kernels();

 private:
  static float* floats_at(const Run& run, std::size_t offset) {
    return reinterpret_cast<float*>(run.workspace + offset);
  }

  const std::int64_t batch_;
  std::int64_t block_ = 1;
  WorkspaceLayout layout_;
  std::size_t packed_ = 0, scratch_ = 0;
};

class Forward final : public RecurrenceKernel {
 public:
  explicit Forward(const KernelRequest& request)
      : RecurrenceKernel(request, request.input(0).type.shape, request.input(1).type.shape[0]),
        at_(attributes_) {}

  void run(const Run& run) override {
    const std::int64_t units = sizes_.units, gates = sizes_.gates;
    const float* kernel = input(run, at_.recurrent_kernel);
    float* packed = this->packed(run);
    if (sizes_.cell == RecurrentCell::gru_reset_before) {
      table_.pack(kernel, units, 2 * units, gates, packed);
      table_.pack(kernel + 2 * units, units, units, gates,
                  packed + packed_floats(units, 2 * units));
    } else {
      table_.pack(kernel, units, gates, gates, packed);
    }
    each_block(table_.recurrence,
               RecurrenceForward{.sizes = sizes_,
                                 .packed = packed,
                                 .x = input(run, at_.x),
                                 .state = input(run, at_.state),
                                 .cell = input(run, at_.cell),
                                 .recurrent_bias = input(run, at_.recurrent_bias),
                                 .mask = input(run, at_.mask),
                                 .last = output(run, at_.last),
                                 .last_cell = output(run, at_.last_cell),
                                 .sequence = output(run, at_.sequence),
                                 .cells = output(run, at_.cells),
                                 .kept = output(run, at_.kept),
                                 .scratch = scratch(run)});
  }

 private:
  const ops::RecurrencePlaces at_;
};

class Backward final : public RecurrenceKernel {
 public:
  explicit Backward(const KernelRequest& request)
      : RecurrenceKernel(request, request.output(0).type.shape, request.input(0).type.shape[1]),
        at_(attributes_) {}

  void run(const Run& run) override {
    const std::int64_t units = sizes_.units, gates = sizes_.gates;
    const float* kernel = input(run, at_.recurrent_kernel);
    float* packed = this->packed(run);
    if (sizes_.cell == RecurrentCell::gru_reset_before) {
      table_.pack(kernel, 2 * units, units, units, packed);
      table_.pack(kernel + 2 * units * units, units, units, units,
                  packed + packed_floats(2 * units, units));
    } else {
      table_.pack(kernel, gates, units, units, packed);
    }
    each_block(table_.recurrence_backward,
               RecurrenceBackward{.sizes = sizes_,
                                  .packed = packed,
                                  .sequence = input(run, at_.sequence),
                                  .cells = input(run, at_.cells),
                                  .kept = input(run, at_.kept),
                                  .state = input(run, at_.state),
                                  .cell = input(run, at_.cell),
                                  .mask = input(run, at_.mask),
                                  .dlast = input(run, at_.dlast),
                                  .dcell = input(run, at_.dcell),
                                  .dsequence = input(run, at_.dsequence),
                                  .dx = output(run, at_.dx),
                                  .before = output(run, at_.before),
                                  .dproduct = output(run, at_.dproduct),
                                  .reset = output(run, at_.reset),
                                  .dstate = output(run, at_.dstate),
                                  .dstate_cell = output(run, at_.dstate_cell),
                                  .scratch = scratch(run)});
  }

 private:
  const ops::RecurrenceBackwardPlaces at_;
};

}  // namespace

const CpuOp recurrence_on_cpu{&make<Forward>, &never_in_bfloat16};
const CpuOp recurrence_backward_on_cpu{&make<Backward>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
