#include "train/summary.h"

#include <ostream>

#include "core/format.h"
#include "optimizers/optimizer.h"
#include "train/table.h"

namespace stoker::train {

void print_summary(std::ostream& out, const std::string& name, const Network& network,
                   const Compiled* compiled) {
  out << "Model: \"" << name << "\"\n";
  Table table(out, {33, 24, 15}, 2);
  table.header({"Layer (type)", "Output Shape", "Param #"});
  std::int64_t trainable = 0;
  std::int64_t fixed = 0;
  for (const Call& call : network.calls()) {
    // A Sequential's input is no row of its own, as in Keras.
    if (call.inputs.empty() && network.inputs().size() == 1) continue;
    std::int64_t count = 0;
    for (const Weight& weight : network.weights()) {
      if (weight.layer != call.layer.get()) continue;
      count += weight.count;
      (weight.spec.trainable && weight.layer->trainable ? trainable : fixed) += weight.count;
    }
    table.row({call.layer->name() + " (" + call.layer->class_name() + ")", to_string(call.shape),
               grouped(count)});
  }
  table.end();
  std::int64_t optimizer = 0;
  if (compiled != nullptr) {
    const auto slots = compiled->options.optimizer.base()->slot_names().size();
    optimizer = trainable * static_cast<std::int64_t>(slots) + 2;  // iterations, learning rate
  }
  const auto line = [&](const char* what, std::int64_t count) {
    out << ' ' << what << ": " << grouped(count) << " (" << byte_size(count * 4) << ")\n";
  };
  line("Total params", trainable + fixed + optimizer);
  line("Trainable params", trainable);
  line("Non-trainable params", fixed);
  if (compiled != nullptr) line("Optimizer params", optimizer);
}

}  // namespace stoker::train
