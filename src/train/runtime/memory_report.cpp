#include "stoker/memory_report.h"

#include <algorithm>
#include <sstream>

#include "core/format.h"
#include "train/network/table.h"

namespace stoker {

std::int64_t MemoryReport::total() const {
  return parameters + copies + gradients + optimizer_slots + state + metrics + scalars + batches +
         arena;
}

const PlanMemory* MemoryReport::largest_plan() const {
  const auto largest =
      std::max_element(plans.begin(), plans.end(),
                       [](const PlanMemory& a, const PlanMemory& b) { return a.arena < b.arena; });
  return largest == plans.end() ? nullptr : &*largest;
}

std::string MemoryReport::text() const {
  std::ostringstream out;
  out << "Memory of model \"" << model << "\" on " << device << '\n';
  train::Table table(out, {33, 13, 13, 13, 13}, 1);
  table.header({"Layer (type)", "Weights", "Gradients", "Optimizer", "Activations"});
  const auto cell = [](std::int64_t bytes) { return bytes == 0 ? "" : train::byte_size(bytes); };
  for (const LayerMemory& layer : layers) {
    const bool is_layer = !layer.class_name.empty();
    table.row({is_layer ? format(layer.name, " (", layer.class_name, ')') : layer.name,
               cell(layer.weights), cell(layer.gradients), cell(layer.optimizer_slots),
               cell(layer.activations)});
  }
  table.end();
  const auto line = [&](const char* what, std::int64_t bytes) {
    out << ' ' << what << ": " << train::byte_size(bytes) << '\n';
  };
  line("Total", total());
  line("Parameters", parameters);
  if (copies > 0) line("16-bit copies of them", copies);
  line("Gradients", gradients);
  line("Optimizer slots", optimizer_slots);
  line("State", state);
  line("Metrics and scalars", metrics + scalars);
  line("Batches", batches);
  line("Arena, shared by all plans", arena);
  for (const PlanMemory& plan : plans) {
    out << "   " << plan.mode << " on batches of " << plan.rows << ": "
        << train::byte_size(plan.arena) << (&plan == largest_plan() ? ", the largest" : "") << '\n';
  }
  return out.str();
}

}  // namespace stoker
