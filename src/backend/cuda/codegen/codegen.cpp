#include "backend/cuda/codegen/codegen.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backend/cuda/codegen/codegen_node.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/cuda_op.h"
#include "core/fnv.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker::backend::cuda {

namespace {

// The names outlive a process in caches, and so are the same on every machine.
std::string name_for(std::string_view source) {
  std::string name = "generated_0000000000000000";
  std::uint64_t rest = fnv1a_64(source);
  for (std::size_t k = name.size(); rest != 0; rest /= 16)
    name[--k] = "0123456789abcdef"[rest % 16];
  return name;
}

std::string with_name(const std::string& source, const std::string& name) {
  std::string result;
  for (const char c : source) {
    if (c == kNamePlace[0]) {
      result += name;
    } else {
      result += c;
    }
  }
  return result;
}

// Generates the text of a node; `number` tells the nodes of one kernel apart.
GeneratedNode generate_node(const graph::Graph& graph, graph::NodeId id, std::size_t number,
                            Parameters& parameters, Resources& resources) {
  const graph::Node& node = graph.node(id);
  const CudaOp& op = cuda_op(node);
  if (op.generate == nullptr) {
    throw ValueError(format("codegen: no kernel is generated for ", node.op->name));
  }
  return op.generate(graph, id, number, parameters, resources);
}

// Returns the kernel itself, which assigns each node its blocks.
std::string kernel_text(const std::vector<GeneratedNode>& nodes) {
  std::string text = format("extern \"C\" __global__ void __launch_bounds__(", kThreads, ") ",
                            kNamePlace, "(const ", kNamePlace, "_params p) {\n");
  const auto takes_shared = [](const GeneratedNode& node) { return node.takes_shared; };
  if (std::any_of(nodes.begin(), nodes.end(), takes_shared)) {
    text += "  __shared__ gen::Shared shared;\n";
  }
  unsigned first = 0;
  for (std::size_t k = 0; k < nodes.size(); ++k) {
    const GeneratedNode& node = nodes[k];
    if (node.blocks == 0) continue;
    std::string call = format("gen::", node.loop, "(", kNamePlace, "_", k, "(p), ");
    if (node.takes_shared) call += "shared, ";
    call += first == 0 ? "blockIdx.x" : format("blockIdx.x - ", first, "u");
    if (node.takes_blocks) call += format(", ", node.blocks, "u");
    call += ");\n";
    first += node.blocks;
    if (nodes.size() == 1) {
      text += "  " + call;
    } else {
      text += format("  if (blockIdx.x < ", first, "u) {\n    ", call, "    return;\n  }\n");
    }
  }
  return text + "}\n";
}

}  // namespace

const std::string& generated_prelude() {
  static const std::string prelude =
      "#include \"backend/cuda/kernels/pointwise_loops.cuh\"\n"
      "#include \"backend/cuda/kernels/reduce_loops.cuh\"\n"
      "namespace gen = stoker::backend::cuda;\n";
  return prelude;
}

std::string Parameters::pointer(const Operand& operand) {
  auto found = std::find(operands_.begin(), operands_.end(), operand);
  if (found == operands_.end()) found = operands_.insert(found, operand);
  return "p" + std::to_string(found - operands_.begin());
}

std::string Parameters::text() const {
  std::string text = format("struct ", kNamePlace, "_params {\n");
  for (std::size_t k = 0; k < operands_.size(); ++k) text += format("  void* p", k, ";\n");
  return text + "};\n";
}

Arguments Parameters::arguments() const {
  Arguments arguments;
  arguments.bytes.resize(operands_.size() * sizeof(void*));
  for (std::size_t k = 0; k < operands_.size(); ++k) {
    arguments.pointers.push_back({k * sizeof(void*), operands_[k]});
  }
  return arguments;
}

GeneratedLaunch named_launch(const std::function<std::string(const std::string& name)>& text,
                             Grid grid, Arguments arguments) {
  const std::string name = name_for(text(kNamePlace));
  return {name, text(name), grid, std::move(arguments)};
}

GeneratedLaunch generate(const graph::Graph& graph, std::span<const graph::NodeId> nodes,
                         Resources& resources) {
  Parameters parameters;
  std::vector<GeneratedNode> parts;
  GeneratedLaunch launch;
  unsigned blocks = 0;
  for (const graph::NodeId id : nodes) {
    parts.push_back(generate_node(graph, id, parts.size(), parameters, resources));
    blocks += parts.back().blocks;
    launch.has_barriers = launch.has_barriers || parts.back().has_barriers;
  }
  launch.grid = {.blocks = std::max(1u, blocks), .threads = kThreads};
  std::string source = parameters.text();
  for (const GeneratedNode& part : parts) source += part.text;
  source += kernel_text(parts);
  launch.name = name_for(source);
  launch.source = with_name(source, launch.name);
  launch.arguments = parameters.arguments();
  return launch;
}

}  // namespace stoker::backend::cuda
