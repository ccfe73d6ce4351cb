#include "train/callbacks/page_parts.h"

#include <utility>

#include "core/format.h"
#include "stoker/config.h"
#include "train/loop/loop.h"
#include "train/network/summary.h"

namespace stoker::train {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string text_of(const Config& config) {
  if (config.is_null()) return "none";
  if (config.is_boolean()) return config.boolean() ? "yes" : "no";
  return config.is_string() ? config.string() : format(config);
}

// Adds the members of a configuration, those of maps in it under both names.
void add(Rows& rows, const Config& config, const std::string& before = {}) {
  for (const auto& [key, value] : config.members()) {
    if (key == "name") continue;
    const Config* inner = value.is_map() ? value.find("config") : nullptr;
    if (inner != nullptr && inner->is_map()) {
      rows.emplace_back(before + key, text_of(value["class_name"]));
      add(rows, *inner, before + key + ": ");
    } else {
      rows.emplace_back(before + key, text_of(value));
    }
  }
}

void add_class(Rows& rows, const std::string& name, const Config& config) {
  rows.emplace_back(name, text_of(config["class_name"]));
  add(rows, config["config"]);
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

}  // namespace

report::PageModel page_model(const Model::Impl& model) {
  const Summary summary = summary_of(model.network, model.compiled ? &*model.compiled : nullptr);
  report::PageModel page{.name = model.name, .parameters = summary.trainable + summary.fixed};
  for (const Summary::Row& row : summary.rows) {
    page.layers.push_back({row.name, row.class_name, row.shapes, row.parameters});
  }
  page.totals = {{"Trainable parameters", summary.trainable},
                 {"not trainable", summary.fixed},
                 {"numbers of the optimizer", summary.optimizer}};
  return page;
}

report::PageMemory page_memory(const MemoryReport& report) {
  report::PageMemory page{.device = report.device};
  page.purposes = {{"Parameters", report.parameters},
                   {"16-bit copies of parameters", report.copies},
                   {"Gradients", report.gradients},
                   {"Optimizer slots", report.optimizer_slots},
                   {"State", report.state},
                   {"Metrics", report.metrics},
                   {"Scalars", report.scalars},
                   {"Batches", report.batches},
                   {"Arena of the steps", report.arena}};
  for (const LayerMemory& layer : report.layers) {
    page.layers.push_back(
        {layer.name, layer.weights, layer.gradients, layer.optimizer_slots, layer.activations});
  }
  for (const PlanMemory& plan : report.plans) {
    page.plans.push_back({plan.mode, plan.rows, plan.arena});
  }
  return page;
}

std::vector<report::FactGroup> page_compiled(const Model::Impl& model) {
  std::vector<report::FactGroup> groups;
  const CompileOptions& options = model.compiled->options;
  report::FactGroup optimizer{.name = "Optimizer"};
  add_class(optimizer.rows, "Class", options.optimizer.config());
  groups.push_back(std::move(optimizer));
  const bool is_several = model.compiled->outputs.size() > 1;
  for (const CompiledOutput& output : model.compiled->outputs) {
    report::FactGroup group{.name = "Loss and metrics"};
    if (is_several) group.name += format(" of ", output.name);
    if (output.loss) add_class(group.rows, "Loss", output.loss.config());
    if (is_several) group.rows.emplace_back("Weight of the loss", format(output.loss_weight));
    groups.push_back(std::move(group));
  }
  std::string metrics;
  for (const Tracked& tracked : model.compiled->tracked) {
    if (tracked.metric) metrics += (metrics.empty() ? "" : ", ") + tracked.name;
  }
  groups.back().rows.emplace_back(is_several ? "All metrics" : "Metrics",
                                  metrics.empty() ? "none" : metrics);
  report::FactGroup device{.name = "Device"};
  device.rows = {
      {"Device", model.options.device.name()},
      {"Threads", model.options.threads > 0 ? format(model.options.threads) : "all cores"},
      {"Dtype policy", model.options.dtype_policy},
      {"Seed", format(model.options.seed)},
      {"Eager", options.run_eagerly ? "yes" : "no"}};
  groups.push_back(std::move(device));
  return groups;
}

report::FactGroup page_fit(const Loop& loop, const CallbackParams& params, const FeedReport& feed) {
  report::FactGroup group{.name = "Fit"};
  group.rows.emplace_back("Epochs", grouped(params.epochs));
  group.rows.emplace_back("Steps an epoch",
                          params.steps ? grouped(*params.steps) : "as many as the source has");
  group.rows.emplace_back("Rows of a batch", grouped(loop.source().spec().batch_size()));
  if (feed.batches == 0) return group;
  const std::string tuned = feed.tuned ? ", by AUTOTUNE" : "";
  group.rows.emplace_back("Source", FeedReport::name_of(feed.source));
  group.rows.emplace_back("Pure", feed.is_pure ? "yes" : "no");
  group.rows.emplace_back("Workers", format(feed.workers) + tuned);
  group.rows.emplace_back("Queue", format(feed.queue_size, " batches", tuned));
  group.rows.emplace_back("Cores", format(feed.cores));
  return group;
}

std::vector<std::string> page_tracks(const Loop& loop) {
  const std::size_t workers = loop.feed().consumer_track();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < workers; ++i) names.push_back(format("worker ", i + 1));
  names.insert(names.end(), {"training loop", "device: copies", "device: steps"});
  return names;
}

}  // namespace stoker::train
