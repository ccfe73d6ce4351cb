// Op user_kernel, whose source is the program's own.
#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;

// The kernel gives each thread its items. The function's own text stands on lines of its own, so
// that the compiler's messages count them as the program does, and in a namespace of the kernel's,
// since several kernels of a step are compiled together.
std::string source_of(const std::string& name, const ops::UserKernel& kernel, std::size_t inputs,
                      std::size_t outputs, std::int64_t items) {
  return format("struct ", name, "_params {\n  const float* inputs[", inputs,
                "];\n  float* outputs[", outputs, "];\n};\nnamespace ", name,
                "_source {\n#line 1 \"", kernel.name, "\"\n", kernel.cuda, "\n#line 1 \"", name,
                "\"\n}\nextern \"C\" __global__ void __launch_bounds__(", kThreads, ") ", name,
                "(const ", name, "_params p) {\n  const long long step = (long long)gridDim.x * ",
                kThreads, ";\n  for (long long item = (long long)blockIdx.x * ", kThreads,
                " + threadIdx.x; item < ", items, "LL; item += step) {\n    ", name,
                "_source::", kernel.name, "(p.inputs, p.outputs, item);\n  }\n}\n");
}

void lower_user_kernel(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::UserKernelAttributes>(node);
  const ops::UserKernel& kernel = *attributes.kernel;
  if (kernel.cuda.empty()) {
    throw ValueError(
        format(node.origin.text(), ": kernel \"", kernel.name,
               "\" has no CUDA source (KernelDefinition::cuda), which a model on a GPU "
               "needs; give it one, or use Device::cpu()"));
  }
  Arguments arguments;
  arguments.bytes.resize((node.inputs.size() + node.outputs.size()) * sizeof(void*));
  std::size_t at = 0;
  const auto add = [&](graph::ValueId value) {
    arguments.pointers.push_back({at, Operand::of(value)});
    at += sizeof(void*);
  };
  for (const graph::ValueId input : node.inputs) add(input);
  for (const graph::ValueId output : node.outputs) add(output);
  const Grid grid = threads_for(attributes.items);
  const auto text = [&](const std::string& name) {
    return source_of(name, kernel, node.inputs.size(), node.outputs.size(), attributes.items);
  };
  lowering.append(
      named_launch(text, {.blocks = grid.blocks, .threads = kThreads}, std::move(arguments)),
      kernel.name);
}

}  // namespace

const CudaOp user_kernel_on_cuda = with_kernels(&lower_user_kernel, Elements::float32_only);

}  // namespace stoker::backend::cuda
