#include "train/network/summary.h"

#include <algorithm>
#include <ostream>

#include "core/format.h"
#include "optimizers/optimizer.h"
#include "train/network/table.h"

namespace stoker::train {

namespace {

// Counts the elements of the weights of a layer and of its parts, and adds them to one of the two
// sums.
std::int64_t count_of(const layers::LayerBase& layer, std::int64_t& trainable,
                      std::int64_t& fixed) {
  std::int64_t count = 0;
  for (const layers::WeightSpec& spec : layer.weights()) {
    if (spec.is_kept_state) continue;
    const std::int64_t elements = spec.shape.elements();
    count += elements;
    (spec.trainable && layer.trainable() ? trainable : fixed) += elements;
  }
  for (const layers::Child& child : layer.children()) {
    count += count_of(*child.layer, trainable, fixed);
  }
  return count;
}

}  // namespace

Summary summary_of(const Network& network, const Compiled* compiled) {
  Summary summary;
  const Topology& topology = network.topology();
  for (const auto& layer : topology.layers()) {
    const Call& call = *std::find_if(topology.calls().begin(), topology.calls().end(),
                                     [&](const Call& one) { return one.layer == layer; });
    // As in Keras, a Sequential's input has no row of its own.
    if (call.inputs.empty() && topology.inputs().size() == 1) continue;
    const std::int64_t count = count_of(*layer, summary.trainable, summary.fixed);
    std::string shapes;
    for (const layers::FlowType& output : call.outputs) {
      shapes += (shapes.empty() ? "" : ", ") + to_string(output.value.shape);
    }
    summary.rows.push_back({topology.name_of(*layer), layer->class_name(), shapes, count});
  }
  if (compiled != nullptr) {
    const auto slots = compiled->options.optimizer.base()->slot_names().size();
    // The optimizer also has its iterations and learning rate.
    summary.optimizer = summary.trainable * static_cast<std::int64_t>(slots) + 2;
  }
  return summary;
}

void print_summary(std::ostream& out, const std::string& name, const Network& network,
                   const Compiled* compiled) {
  out << "Model: \"" << name << "\"\n";
  Table table(out, {33, 24, 15}, 2);
  table.header({"Layer (type)", "Output Shape", "Param #"});
  const Summary summary = summary_of(network, compiled);
  for (const Summary::Row& row : summary.rows) {
    table.row({row.name + " (" + row.class_name + ")", row.shapes, grouped(row.parameters)});
  }
  table.end();
  const auto bytes = static_cast<std::int64_t>(size_of(network.policy().variable));
  const auto line = [&](const char* what, std::int64_t count) {
    out << ' ' << what << ": " << grouped(count) << " (" << byte_size(count * bytes) << ")\n";
  };
  line("Total params", summary.trainable + summary.fixed + summary.optimizer);
  line("Trainable params", summary.trainable);
  line("Non-trainable params", summary.fixed);
  if (compiled != nullptr) line("Optimizer params", summary.optimizer);
}

}  // namespace stoker::train
