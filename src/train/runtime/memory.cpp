// Reports what a model keeps on its device, and says what to do when the device has no room for it.
#include <algorithm>
#include <optional>

#include "core/align.h"
#include "core/format.h"
#include "optimizers/optimizer.h"
#include "stoker/error.h"
#include "train/model_impl.h"
#include "train/network/table.h"

namespace stoker {

using train::Mode;
using train::Plan;

namespace {

constexpr std::size_t kLargestNamed = 3;

const char* name_of(Mode mode) {
  switch (mode) {
    case Mode::train:
      return "training";
    case Mode::evaluate:
      return "evaluation";
    case Mode::predict:
      return "prediction";
  }
  return "";
}

std::string label(const LayerMemory& layer) {
  return layer.class_name.empty() ? layer.name : format(layer.class_name, " \"", layer.name, '"');
}

// ---- By layer ----

std::vector<LayerMemory> layers_of(const train::Network& network) {
  std::vector<LayerMemory> layers;
  for (const auto& [layer, path] : network.layers()) {
    layers.push_back({.name = path, .class_name = layer->class_name()});
  }
  return layers;
}

// Adds the bytes of the weights, and those of gradients and slots when there is an optimizer.
void add_weights(std::vector<LayerMemory>& layers, const train::Network& network,
                 const optimizers::OptimizerBase* optimizer) {
  for (const train::Weight& weight : network.weights()) {
    const auto layer = std::find_if(layers.begin(), layers.end(), [&](const LayerMemory& row) {
      return label(row) == network.label_of(*weight.layer);
    });
    const std::int64_t bytes = aligned(weight.count * static_cast<std::int64_t>(sizeof(float)));
    layer->weights += bytes;
    if (optimizer == nullptr || weight.home.space != graph::Space::parameter) continue;
    layer->gradients += bytes;
    layer->optimizer_slots += static_cast<std::int64_t>(optimizer->slot_names().size()) * bytes;
  }
}

const char* name_of(graph::Origin::Kind kind) {
  switch (kind) {
    case graph::Origin::Kind::loss:
      return "loss";
    case graph::Origin::Kind::metric:
      return "metrics";
    case graph::Origin::Kind::layer:
    case graph::Origin::Kind::optimizer:
    case graph::Origin::Kind::unknown:
      break;
  }
  return "optimizer";
}

// The row of a node. Nodes that no layer has made belong to the loss, the metrics or the optimizer.
LayerMemory& row_of(std::vector<LayerMemory>& layers, const graph::Origin& origin) {
  if (origin.kind == graph::Origin::Kind::layer) {
    for (LayerMemory& layer : layers) {
      if (!layer.class_name.empty() && label(layer) == origin.name) return layer;
    }
  }
  const char* name = name_of(origin.kind);
  for (LayerMemory& row : layers) {
    if (row.class_name.empty() && row.name == name) return row;
  }
  return layers.emplace_back(LayerMemory{.name = name});
}

void add_activations(std::vector<LayerMemory>& layers, const plan::Program& program) {
  for (std::size_t i = 0; i < program.block_bytes.size(); ++i) {
    const std::int64_t bytes = program.block_bytes[i];
    if (bytes > 0) row_of(layers, program.graph->nodes()[i].origin).activations += bytes;
  }
}

// `plan` is null while no plan exists.
std::vector<LayerMemory> by_layer(const Model::Impl& model, const Plan* plan) {
  std::vector<LayerMemory> layers = layers_of(model.network);
  add_weights(layers, model.network,
              model.compiled ? model.compiled->options.optimizer.base().get() : nullptr);
  if (plan != nullptr) add_activations(layers, plan->executable->program());
  // Inputs, and models that are layers, are left out when they keep nothing, which is the rule.
  std::size_t i = 0;
  std::erase_if(layers, [&](const LayerMemory& row) {
    const bool is_layer = i < model.network.layers().size();
    const bool is_empty = row.activations == 0 && row.weights == 0;
    const bool is_container = is_layer && (row.class_name == "InputLayer" ||
                                           !model.network.layers()[i].layer->children().empty());
    ++i;
    return is_container && is_empty;
  });
  return layers;
}

PlanMemory describe(const Plan& plan) {
  return {name_of(plan.mode), plan.rows, plan.executable->program().arena_bytes};
}

// Returns, for example: `Conv2D "conv2d" 2.10 GB, Dense "dense" 1.00 GB`
std::string largest_layers(std::vector<LayerMemory> layers, std::int64_t LayerMemory::*bytes) {
  std::stable_sort(layers.begin(), layers.end(),
                   [&](const LayerMemory& a, const LayerMemory& b) { return a.*bytes > b.*bytes; });
  std::string text;
  for (std::size_t i = 0; i < std::min(layers.size(), kLargestNamed); ++i) {
    if (layers[i].*bytes == 0) break;
    if (i > 0) text += ", ";
    text += format(label(layers[i]), ' ', train::byte_size(layers[i].*bytes));
  }
  return text;
}

// Returns "; 3.10 GB of 8.00 GB are free" where the device knows, otherwise nothing.
std::string free_memory(device::Device& device) {
  const auto memory = device.memory();
  if (!memory) return "";
  return format("; ", train::byte_size(memory->free), " of ", train::byte_size(memory->total),
                " are free");
}

// ---- Smaller batches ----

// The memory that steps on batches of `rows` rows need in addition to what the model keeps anyway.
struct MemoryNeed {
  std::int64_t rows = 0;
  std::int64_t arena = 0;
  std::int64_t slot = 0;  // The bytes of one of the feed's slots on the device.
  int slots = 0;

  std::int64_t batches() const {
    return slots * slot + static_cast<std::int64_t>(sizeof(device::RingState));
  }
  std::int64_t total() const { return arena + batches(); }
};

BatchSpec with_rows(BatchSpec spec, std::int64_t rows) {
  for (Field& field : spec.inputs) field.shape[0] = rows;
  for (Field& field : spec.targets) field.shape[0] = rows;
  for (Field& field : spec.sample_weights) field.shape[0] = rows;
  return spec;
}

MemoryNeed need_of(const Plan& plan, const device::Device& device) {
  const feed::SlotLayout layout(with_rows(plan.spec, plan.rows));
  return {plan.rows, plan.executable->program().arena_bytes,
          static_cast<std::int64_t>(layout.bytes),
          device.reads_host_memory() ? 0 : feed::kDeviceSlots};
}

// Tries the allocation, because free memory may be fragmented or its size unknown. The host is the
// exception: it hands out memory only when it is touched, so a trial would not fail.
bool fits(device::Device& device, const MemoryNeed& need) {
  const auto memory = device.memory();
  if (memory && need.total() > memory->free) return false;
  if (device.reads_host_memory()) return memory.has_value();
  try {
    std::vector<std::unique_ptr<device::Buffer>> buffers;
    buffers.push_back(device.allocate(static_cast<std::size_t>(need.arena)));
    for (int i = 0; i < need.slots; ++i) {
      buffers.push_back(device.allocate(static_cast<std::size_t>(need.slot)));
    }
    buffers.push_back(device.allocate(sizeof(device::RingState)));
    return true;
  } catch (const device::OutOfMemory&) {
    return false;
  }
}

// The largest batch below the plan's that fits: a power of two, or a multiple of 8 near the limit.
// Where none fits, `smallest` is the need of a batch of one row. The search compiles at most 8
// plans for batches below 2^31, by bisection between the powers and then three times between two of
// them.
std::optional<MemoryNeed> largest_that_fits(Model::Impl& model, const Plan& failed,
                                            std::optional<MemoryNeed>& smallest) {
  std::optional<MemoryNeed> best;
  const auto try_rows = [&](std::int64_t rows) {
    try {
      const auto plan = model.make_plan(model.compiled ? &*model.compiled : nullptr, failed.mode,
                                        failed.spec, failed.offsets, rows);
      const MemoryNeed need = need_of(*plan, model.state.device());
      if (rows == 1) smallest = need;
      if (!fits(model.state.device(), need)) return false;
      best = need;
      return true;
    } catch (const device::OutOfMemory&) {  // A backend may need memory to compile.
      return false;
    }
  };
  int fitting = -1;  // These are exponents of 2.
  int too_large = 0;
  while (too_large < 62 && (std::int64_t{1} << too_large) < failed.rows) ++too_large;
  while (too_large - fitting > 1) {
    const int exponent = (fitting + too_large) / 2;
    (try_rows(std::int64_t{1} << exponent) ? fitting : too_large) = exponent;
  }
  if (!best) return best;
  std::int64_t upper = std::min(failed.rows, 2 * best->rows);
  while (upper - best->rows > std::max<std::int64_t>(8, best->rows / 8)) {
    const std::int64_t rows = (best->rows + upper) / 16 * 8;
    if (rows <= best->rows) break;
    if (!try_rows(rows)) upper = rows;
  }
  return best;
}

std::string advice(Model::Impl& model, const Plan& failed) {
  std::optional<MemoryNeed> smallest;
  try {
    if (const auto need = largest_that_fits(model, failed, smallest)) {
      return format(". Batches of ", need->rows, " fit (", train::byte_size(need->total()), ')');
    }
  } catch (const Error&) {  // The device failed, or the shape only works for whole batches.
    return "";
  }
  if (failed.rows <= 1) return ". Even one row does not fit";
  if (!smallest) return "";
  return format(". Not even batches of 1 fit (", train::byte_size(smallest->total()), ')');
}

}  // namespace

// ---- The report ----

MemoryReport Model::Impl::memory_report() const {
  MemoryReport report = state.memory_report();
  report.model = name;
  if (staging) {
    const auto& block = staging->device ? staging->device : staging->host;
    report.batches = static_cast<std::int64_t>(block->bytes() + staging->ring->bytes());
  }
  const Plan* largest = nullptr;
  for (const auto& [key, plan] : plans) {
    report.plans.push_back(describe(*plan));
    if (largest == nullptr || describe(*largest).arena < report.plans.back().arena) {
      largest = plan.get();
    }
  }
  std::stable_sort(report.plans.begin(), report.plans.end(),
                   [](const PlanMemory& a, const PlanMemory& b) { return a.arena > b.arena; });
  report.layers = by_layer(*this, largest);
  return report;
}

MemoryReport Model::Impl::memory_report(std::int64_t batch_size) {
  require_compiled("memory_report");
  if (batch_size < 1) {
    throw ValueError(
        format("memory_report: expected a batch_size of at least 1, received ", batch_size));
  }
  const BatchSpec spec = declared_batch(batch_size);
  // This is a copy because later batches may mean other metrics.
  train::Compiled resolved = *compiled;
  if (!resolved.metrics_resolved) train::resolve_metrics(resolved, network, spec);
  const auto plan =
      make_plan(&resolved, Mode::train, spec, feed::SlotLayout(spec).offsets, batch_size);
  const MemoryNeed need = need_of(*plan, state.device());
  MemoryReport report = memory_report();
  report.metrics = static_cast<std::int64_t>(2 * resolved.total_count * sizeof(float));
  report.batches = need.batches();
  report.arena = need.arena;
  report.plans = {describe(*plan)};
  report.layers = by_layer(*this, plan.get());
  return report;
}

// ---- Out of memory ----

void Model::Impl::prepare_training(const optimizers::OptimizerBase& optimizer) {
  const std::size_t slots = optimizer.slot_names().size();
  try {
    state.prepare_training(network, slots, optimizer.slot_values());
    if (!optimizer.members().empty()) {
      for (const train::Weight& weight : network.weights()) {
        if (!weight.spec.trainable) continue;
        const auto values = optimizer.rule_for(network.updated(weight)).own_slot_values();
        for (std::size_t i = 0; i < values.size(); ++i) {
          state.fill_slot(optimizer.first_own_slot() + i, weight, values[i]);
        }
      }
    }
  } catch (const device::OutOfMemory& error) {
    std::vector<LayerMemory> rows = layers_of(network);
    add_weights(rows, network, nullptr);
    throw DeviceError(format(
        "Model \"", name, "\": compile: out of memory: the gradients and ", slots,
        " optimizer slots need ", 1 + slots, " times ", train::byte_size(network.parameter_bytes()),
        " of ", state.device().name(), "'s memory", free_memory(state.device()),
        ". Smaller layers need less, and so does an optimizer of ",
        "fewer slots: plain SGD has none. Largest: ",
        largest_layers(std::move(rows), &LayerMemory::weights), ". (", error.what(), ')'));
  }
}

std::unique_ptr<feed::Pipeline> Model::Impl::open_feed(const Plan& plan,
                                                       const std::shared_ptr<Source>& source,
                                                       const feed::FeedOptions& feed_options) {
  try {
    return std::make_unique<feed::Pipeline>(source, feed_options, state.device(), state.stream());
  } catch (const device::OutOfMemory& error) {
    throw_out_of_memory(plan, error.what());
  }
}

void Model::Impl::throw_out_of_memory(const Plan& plan, const std::string& refusal) {
  const auto entry = std::find_if(plans.begin(), plans.end(),
                                  [&](const auto& one) { return one.second.get() == &plan; });
  const std::shared_ptr<Plan> failed = std::move(entry->second);
  synchronize();
  plans.erase(entry);
  staging.reset();
  state.release_arena();

  device::Device& device = state.device();
  const MemoryNeed need = need_of(*failed, device);
  std::vector<LayerMemory> rows = layers_of(network);
  add_activations(rows, failed->executable->program());
  const MemoryReport kept = state.memory_report();
  throw DeviceError(format(
      "Model \"", name, "\": out of memory: ", name_of(failed->mode), " on batches of ",
      failed->rows, " needs ", train::byte_size(need.total()), " of ", device.name(),
      "'s memory (arena ", train::byte_size(need.arena), ", batches ",
      train::byte_size(need.batches()), "), beside ", train::byte_size(kept.total()),
      " for weights and optimizer", free_memory(device), advice(*this, *failed), ". Largest: ",
      largest_layers(std::move(rows), &LayerMemory::activations), ". (", refusal, ')'));
}

}  // namespace stoker
