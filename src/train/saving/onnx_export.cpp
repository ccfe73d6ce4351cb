#include "train/saving/onnx_export.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "core/format.h"
#include "graph/graph.h"
#include "io/onnx.h"
#include "ops/ops.h"
#include "stoker/error.h"
#include "train/runtime/step_graph.h"
#include "train/saving/onnx_ops.h"

namespace stoker::train {

namespace {

using graph::Graph;
using graph::Node;
using graph::ValueId;

// The values that the outputs need, of which layers also make others: masks, for example.
std::vector<bool> needed_values(const Graph& graph, const std::vector<ValueId>& outputs) {
  std::vector<bool> needed(graph.value_count(), false);
  for (const ValueId id : outputs) needed[static_cast<std::size_t>(id)] = true;
  for (auto node = graph.nodes().rbegin(); node != graph.nodes().rend(); ++node) {
    const bool is_needed = std::ranges::any_of(
        node->outputs, [&](ValueId id) { return needed[static_cast<std::size_t>(id)]; });
    if (!is_needed) continue;
    for (const ValueId id : node->inputs) needed[static_cast<std::size_t>(id)] = true;
  }
  return needed;
}

class Export {
 public:
  Export(const std::string& name, const Network& network, const VariableAccess& access)
      : network_(network),
        access_(access),
        onnx_(name),
        variables_(variables_of(network, nullptr, {})) {}

  void write(const std::filesystem::path& path) {
    const Topology& topology = network_.topology();
    BatchSpec spec;
    std::vector<std::size_t> offsets;
    for (std::size_t i = 0; i < topology.inputs().size(); ++i) {
      const layers::InputLayer& input = topology.input(i);
      Field field;
      field.name = topology.name_of(input);
      field.shape = input.shape.with_batch(Shape::kUnknown);
      field.dtype = input.dtype;
      spec.inputs.push_back(std::move(field));
      offsets.push_back(i);
    }
    const StepGraph step =
        build_step(network_, nullptr, Mode::predict, spec, offsets, Shape::kUnknown);
    const Graph& graph = *step.graph;
    name_outputs(step.keep.size());
    const std::vector<bool> needed = needed_values(graph, step.keep);
    for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
      const Field& field = spec.inputs[i];
      onnx_.input(field.name, io::onnx_type(field.dtype), field.shape);
    }
    for (const Node& node : graph.nodes()) {
      const bool is_needed = std::ranges::any_of(
          node.outputs, [&](ValueId id) { return needed[static_cast<std::size_t>(id)]; });
      if (!is_needed) continue;
      std::vector<std::string> inputs;
      for (const ValueId id : node.inputs) inputs.push_back(name_of(graph, id));
      const std::vector<std::string> outputs = append_onnx(onnx_, graph, node, inputs);
      for (std::size_t i = 0; i < outputs.size(); ++i) names_[node.outputs[i]] = outputs[i];
    }
    for (std::size_t i = 0; i < step.keep.size(); ++i) {
      const ValueId id = step.keep[i];
      onnx_.node("Identity", {names_.at(id)}, {}, outputs_[i]);
      onnx_.output(outputs_[i], io::OnnxType::float32, graph.info(id).type.shape);
    }
    onnx_.write(path);
  }

 private:
  // An output is named after its layer. Where an input or a weight has that name, it gets a suffix.
  void name_outputs(std::size_t count) {
    std::set<std::string> taken;
    const Topology& topology = network_.topology();
    for (std::size_t i = 0; i < topology.inputs().size(); ++i) {
      taken.insert(topology.name_of(topology.input(i)));
    }
    for (const SavedVariable& variable : variables_) taken.insert(variable.path);
    for (std::size_t i = 0; i < count; ++i) {
      std::string name = topology.output_names()[i];
      while (!taken.insert(name).second) name += "_output";
      outputs_.push_back(std::move(name));
    }
  }

  const std::string& name_of(const Graph& graph, ValueId id) {
    std::string& name = names_[id];
    if (name.empty()) name = name_of_leaf(graph.info(id));
    return name;
  }

  std::string name_of_leaf(const graph::ValueInfo& leaf) {
    if (leaf.home.space == graph::Space::input) return leaf.name;
    const auto variable = std::ranges::find(variables_, leaf.name, &SavedVariable::path);
    if (variable == variables_.end()) {
      throw ValueError(format("export_onnx: expected inputs and weights, received \"", leaf.name,
                              "\", which has no form in ONNX"));
    }
    // A 16-bit copy of a weight is the weight itself there, since all arithmetic is float32.
    if (written_.insert(variable->path).second) {
      onnx_.tensor(variable->path, variable->shape,
                   [this, &one = *variable](const io::OnnxGraph::Write& write) {
                     std::vector<std::byte> piece(std::size_t{1} << 18);
                     for (std::uint64_t at = 0; at < one.bytes(); at += piece.size()) {
                       const auto size = std::min<std::uint64_t>(piece.size(), one.bytes() - at);
                       const auto bytes = std::span(piece).first(static_cast<std::size_t>(size));
                       access_.read(one, bytes, at);
                       write(bytes);
                     }
                   });
    }
    return variable->path;
  }

  const Network& network_;
  const VariableAccess& access_;
  io::OnnxGraph onnx_;
  const std::vector<SavedVariable> variables_;
  std::vector<std::string> outputs_;
  std::map<ValueId, std::string> names_;
  std::set<std::string> written_;
};

}  // namespace

void export_onnx(const std::filesystem::path& path, const std::string& name,
                 const Model::Impl& model, const VariableAccess& access) {
  Export(name, model.network, access).write(path);
}

}  // namespace stoker::train
