// This instruction set's table of kernels, for backend/cpu/runtime/dispatch.cpp.
#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/kernels.h"

#define STOKER_TEXT_OF(x) #x
#define STOKER_NAME_OF(x) STOKER_TEXT_OF(x)

namespace stoker::backend::cpu::STOKER_ISA {

const KernelTable& table() {
  static constexpr KernelTable kTable = {
      .name = STOKER_NAME_OF(STOKER_ISA),
      .evaluate = evaluate,
      .reduce = reduce,
      .reduce_rows = reduce_rows,
      .softmax = softmax,
      .cross_entropy_sparse = cross_entropy_sparse,
      .cross_entropy_dense = cross_entropy_dense,
      .matmul = matmul,
      .layer_norm = layer_norm,
      .layer_norm_backward = layer_norm_backward,
      .attention = attention,
      .attention_queries = attention_queries,
      .attention_keys = attention_keys,
      .depthwise = depthwise,
      .depthwise_data = depthwise_data,
      .depthwise_weights = depthwise_weights,
      .pack = pack,
      .recurrence = recurrence,
      .recurrence_backward = recurrence_backward,
  };
  return kTable;
}

}  // namespace stoker::backend::cpu::STOKER_ISA
