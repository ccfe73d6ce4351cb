#include "backend/cuda/plan/dnn_spec.h"

#include <ostream>
#include <sstream>

#include "core/format.h"

namespace stoker::backend::cuda {
namespace {

const char* name_of(DnnKind kind) {
  switch (kind) {
    case DnnKind::matmul:
      return "matmul";
    case DnnKind::conv_forward:
      return "conv_forward";
    case DnnKind::conv_backward_data:
      return "conv_backward_data";
    case DnnKind::conv_backward_weights:
      return "conv_backward_weights";
  }
  return "?";
}

void write(std::ostream& out, const std::vector<std::int64_t>& extents) {
  for (std::size_t i = 0; i < extents.size(); ++i) out << (i == 0 ? "" : ",") << extents[i];
}

// Writes " a=float32(1,32,10)/320,10,1": extents, then strides.
void write(std::ostream& out, const char* name, const DnnTensor& tensor) {
  out << ' ' << name << '=' << stoker::name_of(tensor.dtype) << '(';
  write(out, tensor.dims);
  out << ")/";
  write(out, tensor.strides);
}

}  // namespace

std::string DnnSpec::text() const {
  std::ostringstream out;
  out << name_of(kind);
  write(out, "a", a);
  write(out, "b", b);
  if (bias) write(out, "bias", *bias);
  if (aux) write(out, "aux", *aux);
  write(out, "y", y);
  if (kind != DnnKind::matmul) {
    out << " strides " << strides[0] << 'x' << strides[1] << " dilations " << dilations[0] << 'x'
        << dilations[1] << " padding " << padding_before[0] << ',' << padding_before[1] << '+'
        << padding_after[0] << ',' << padding_after[1];
  }
  if (epilogue == DnnEpilogue::relu) out << " relu";
  if (epilogue == DnnEpilogue::relu_backward) out << " relu_backward";
  out << (tf32 ? " tf32" : " no_tf32");
  return out.str();
}

}  // namespace stoker::backend::cuda
