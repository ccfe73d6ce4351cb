// Ops recurrence and recurrence_backward: a launch each for all steps.
#include "backend/cuda/ops/recurrence.h"

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using ops::RecurrenceAttributes;

static_assert(static_cast<int>(ops::RecurrentKind::lstm) == static_cast<int>(RecurrentCell::lstm));
static_assert(static_cast<int>(ops::GateFunction::tanh) == static_cast<int>(Gate::tanh));

RecurrenceSizes sizes_of(const RecurrenceAttributes& a, const Shape& x, std::int64_t units) {
  return {.batch = x[0],
          .steps = int32(x[1]),
          .units = int32(units),
          .gates = int32(a.gates() * units),
          .kept = int32(a.kept() * units),
          .cell = static_cast<RecurrentCell>(a.kind),
          .activation = static_cast<Gate>(a.activation),
          .recurrent_activation = static_cast<Gate>(a.recurrent_activation),
          .is_backwards = a.is_backwards ? 1 : 0,
          .in_order_of_input = a.in_order_of_input ? 1 : 0};
}

// Points the members at the values of a node that it has.
template <class Params>
class Arrays {
 public:
  Arrays(Lowering& lowering, const Node& node, const RecurrenceSizes& sizes)
      : lowering_(lowering), node_(node), params_{.sizes = sizes}, pack_(params_) {
    const auto bytes =
        static_cast<std::size_t>(kRecurrenceArrays * sizes.batch * sizes.units) * sizeof(float);
    pack_.point(&Params::scratch,
                Operand::workspace(lowering.id(), lowering.take_workspace(lowering.id(), bytes)));
  }
  template <class T>
  Arrays& input(T* Params::*member, int place) {
    return point(member, node_.inputs, place);
  }
  template <class T>
  Arrays& output(T* Params::*member, int place) {
    return point(member, node_.outputs, place);
  }
  void launch() { lowering_.launch(params_, pack_); }

 private:
  template <class T>
  Arrays& point(T* Params::*member, const std::vector<graph::ValueId>& values, int place) {
    if (place >= 0) pack_.point(member, Operand::of(values[static_cast<std::size_t>(place)]));
    return *this;
  }

  Lowering& lowering_;
  const Node& node_;
  const Params params_;
  Pack<Params> pack_;
};

void lower_recurrence(Lowering& lowering, const Node& node) {
  using Params = recurrence_params;
  const auto& attributes = ops::attributes_of<RecurrenceAttributes>(node);
  const ops::RecurrencePlaces at(attributes);
  const RecurrenceSizes sizes =
      sizes_of(attributes, lowering.shape(node.inputs[0]), lowering.shape(node.inputs[1])[0]);
  Arrays<Params>(lowering, node, sizes)
      .input(&Params::x, at.x)
      .input(&Params::kernel, at.recurrent_kernel)
      .input(&Params::state, at.state)
      .input(&Params::cell, at.cell)
      .input(&Params::recurrent_bias, at.recurrent_bias)
      .input(&Params::mask, at.mask)
      .output(&Params::last, at.last)
      .output(&Params::last_cell, at.last_cell)
      .output(&Params::sequence, at.sequence)
      .output(&Params::cells, at.cells)
      .output(&Params::kept, at.kept)
      .launch();
}

void lower_recurrence_backward(Lowering& lowering, const Node& node) {
  using Params = recurrence_backward_params;
  const auto& attributes = ops::attributes_of<RecurrenceAttributes>(node);
  const ops::RecurrenceBackwardPlaces at(attributes);
  const RecurrenceSizes sizes =
      sizes_of(attributes, lowering.shape(node.outputs[0]), lowering.shape(node.inputs[0])[1]);
  Arrays<Params>(lowering, node, sizes)
      .input(&Params::kernel, at.recurrent_kernel)
      .input(&Params::sequence, at.sequence)
      .input(&Params::cells, at.cells)
      .input(&Params::kept, at.kept)
      .input(&Params::state, at.state)
      .input(&Params::cell, at.cell)
      .input(&Params::mask, at.mask)
      .input(&Params::dlast, at.dlast)
      .input(&Params::dcell, at.dcell)
      .input(&Params::dsequence, at.dsequence)
      .output(&Params::dx, at.dx)
      .output(&Params::before, at.before)
      .output(&Params::dproduct, at.dproduct)
      .output(&Params::reset, at.reset)
      .output(&Params::dstate, at.dstate)
      .output(&Params::dstate_cell, at.dstate_cell)
      .launch();
}

}  // namespace

STOKER_CUDA_KERNEL(recurrence, Threads::meet, Loads::single)
Grid grid_of(const recurrence_params& p) {
  return blocks_of(divide_up(p.sizes.batch, kRecurrentRows));
}

STOKER_CUDA_KERNEL(recurrence_backward, Threads::meet, Loads::single)
Grid grid_of(const recurrence_backward_params& p) {
  return blocks_of(divide_up(p.sizes.batch, kRecurrentRows));
}

const CudaOp recurrence_on_cuda = with_kernels(&lower_recurrence, Elements::float32_only);
const CudaOp recurrence_backward_on_cuda =
    with_kernels(&lower_recurrence_backward, Elements::float32_only);

}  // namespace stoker::backend::cuda
