#include "train/runtime/compiled.h"

#include <algorithm>
#include <map>

#include "core/check.h"
#include "core/format.h"
#include "core/nearest.h"
#include "losses/loss.h"
#include "stoker/error.h"

namespace stoker::train {

namespace {

std::string quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "\"" : ", \"") + name + "\"";
  return text;
}

std::size_t place_of(const std::string& name, const std::vector<std::string>& names,
                     const std::string& what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  const std::vector<std::string_view> known(names.begin(), names.end());
  throw ValueError(format(what, ": expected a name of ", quoted(names), ", received \"", name, "\"",
                          did_you_mean(name, known)));
}

// The index into `entries` for each name, empty where a name has no entry.
template <class Entries>
std::vector<std::optional<std::size_t>> sorted(const Entries& entries,
                                               const std::vector<std::string>& names,
                                               const std::string& what) {
  std::vector<std::optional<std::size_t>> order(names.size());
  std::size_t named = 0;
  for (const auto& entry : entries) named += entry.name.empty() ? 0 : 1;
  if (named == 0) {
    if (entries.size() != names.size()) {
      throw ValueError(format(what, ": expected one for each of ", quoted(names), ", received ",
                              entries.size()));
    }
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    return order;
  }
  if (named != entries.size()) {
    throw ValueError(format(what, ": expected names for all or for none, received ", named,
                            " names for ", entries.size()));
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::optional<std::size_t>& place = order[place_of(entries[i].name, names, what)];
    if (place) throw ValueError(format(what, ": \"", entries[i].name, "\" stands twice"));
    place = i;
  }
  return order;
}

template <class T, class Take>
void take_each(const Several<T>& several, const std::vector<std::string>& names,
               const std::string& what, Take take) {
  if (several.empty()) return;
  if (several.is_single()) {
    for (std::size_t i = 0; i < names.size(); ++i) take(i, several.entries()[0].value);
    return;
  }
  const auto order = sorted(several.entries(), names, what);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i]) take(i, several.entries()[*order[i]].value);
  }
}

template <class Take>
void take_metrics(const OutputMetrics& metrics, const std::vector<std::string>& names,
                  const std::string& what, Take take) {
  const auto& entries = metrics.entries();
  if (entries.empty()) return;
  const bool is_list = std::all_of(entries.begin(), entries.end(),
                                   [](const auto& entry) { return entry.name.empty(); });
  if (is_list && names.size() == 1) {
    for (const auto& entry : entries) take(0, entry.list.metrics());
    return;
  }
  const auto order = sorted(entries, names, what);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i]) take(i, entries[*order[i]].list.metrics());
  }
}

void add_frozen(std::set<const layers::LayerBase*>& frozen,
                const std::shared_ptr<layers::LayerBase>& layer) {
  if (!layer->trainable()) frozen.insert(layer.get());
  for (const layers::Child& child : layer->children()) add_frozen(frozen, child.layer);
}

}  // namespace

bool Compiled::has_loss() const {
  return layers_add_loss ||
         std::any_of(outputs.begin(), outputs.end(),
                     [](const CompiledOutput& output) { return static_cast<bool>(output.loss); });
}

Compiled compiled_of(CompileOptions options, const Network& network) {
  Compiled compiled{std::move(options), {}, {}};
  const std::vector<std::string>& names = network.topology().output_names();
  for (const std::string& name : names) compiled.outputs.push_back({name});
  const auto append = [](std::vector<Metric>& to, const std::vector<Metric>& from) {
    for (const Metric& metric : from) metric.name();  // throws where it was moved from
    to.insert(to.end(), from.begin(), from.end());
  };
  take_each(compiled.options.loss, names, "compile: loss",
            [&](std::size_t i, const Loss& loss) { compiled.outputs[i].loss = loss; });
  take_each(compiled.options.loss_weights, names, "compile: loss_weights",
            [&](std::size_t i, double weight) {
              check::require("compile", "a loss weight", weight, check::finite());
              compiled.outputs[i].loss_weight = weight;
            });
  take_metrics(compiled.options.metrics, names, "compile: metrics",
               [&](std::size_t i, const std::vector<Metric>& metrics) {
                 append(compiled.outputs[i].metrics, metrics);
               });
  take_metrics(compiled.options.weighted_metrics, names, "compile: weighted_metrics",
               [&](std::size_t i, const std::vector<Metric>& metrics) {
                 append(compiled.outputs[i].weighted_metrics, metrics);
               });
  for (const auto& layer : network.topology().layers()) add_frozen(compiled.frozen, layer);
  compiled.layers_add_loss = std::ranges::any_of(
      network.layers(), [](const auto& placed) { return placed.layer->adds_loss(); });
  return compiled;
}

std::vector<OutputFields> fields_of_outputs(const Compiled& compiled, const BatchSpec& spec) {
  const std::vector<CompiledOutput>& outputs = compiled.outputs;
  const std::size_t targets = spec.targets.size();
  if (compiled.own_targets != nullptr) {
    if (targets == compiled.own_targets->size()) return std::vector<OutputFields>(outputs.size());
    throw ShapeError(format("the trainer's step has ", compiled.own_targets->size(),
                            " targets, the source gives ", targets));
  }
  const auto needed = static_cast<std::size_t>(
      std::count_if(outputs.begin(), outputs.end(),
                    [](const CompiledOutput& output) { return output.needs_target(); }));
  if (targets == 0 && needed > 0) {
    throw DataError("the source gives no targets: fit and evaluate need y");
  }
  if (targets != outputs.size() && targets != needed) {
    if (outputs.size() == 1) {
      throw ShapeError(format("the source gives ", targets, " targets, the model has one output"));
    }
    std::vector<std::string> names;
    for (const CompiledOutput& output : outputs) names.push_back(output.name);
    throw ShapeError(format("the source gives ", targets, targets == 1 ? " target" : " targets",
                            ", the model has the outputs ", quoted(names)));
  }
  const std::size_t weights = spec.sample_weights.size();
  if (weights > 1 && weights != targets) {
    throw ShapeError(format("the source gives ", weights, " sample weights for ", targets,
                            targets == 1 ? " target" : " targets",
                            "; expected one for all or one for each"));
  }
  std::vector<OutputFields> fields(outputs.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (targets != outputs.size() && !outputs[i].needs_target()) continue;
    fields[i].target = next++;
    if (weights > 0) fields[i].sample_weight = weights == 1 ? 0 : *fields[i].target;
  }
  return fields;
}

void resolve_metrics(Compiled& compiled, const Network& network, const BatchSpec& spec) {
  const std::vector<OutputFields> fields = fields_of_outputs(compiled, spec);
  const bool has_several = compiled.outputs.size() > 1;
  const auto losses =
      std::count_if(compiled.outputs.begin(), compiled.outputs.end(),
                    [](const CompiledOutput& output) { return static_cast<bool>(output.loss); });
  compiled.tracked.clear();
  std::size_t next = 0;
  const auto track = [&](Tracked tracked) {
    tracked.first_total = next;
    next += tracked.totals;
    compiled.tracked.push_back(std::move(tracked));
  };
  track({.name = "loss", .first_total = 0, .totals = 2});
  // As in Keras, a model with one loss does not track it beside the whole loss.
  for (std::size_t i = 0; losses > 1 && i < compiled.outputs.size(); ++i) {
    if (!compiled.outputs[i].loss) continue;
    track({.name = compiled.outputs[i].name + "_loss", .first_total = 0, .totals = 2, .output = i});
  }
  // Where several metrics have one name, Keras numbers them: mae, mae_1, and for weighted ones
  // weighted_mae, weighted_mae_1.
  std::map<std::string, int> uses;
  for (const Tracked& loss : compiled.tracked) uses[loss.name] = 1;
  const auto add = [&](std::size_t output, const Metric& metric, bool is_weighted) {
    const Shape y_true = spec.targets[*fields[output].target].shape;
    const Shape y_pred = network.topology().output(output).value.shape;
    auto resolved = metric.base()->resolve(y_true, y_pred);
    if (resolved == nullptr) resolved = metric.base();
    const std::string prefix = has_several ? compiled.outputs[output].name + "_" : "";
    std::string name = prefix + metric.name();
    if (is_weighted && uses.contains(name)) name = prefix + "weighted_" + metric.name();
    if (const int earlier = uses[name]++; earlier > 0) name = format(name, "_", earlier);
    // All results of a metric follow from the same totals.
    const std::size_t results = resolved->results();
    track({.name = results > 1 ? name + "_0" : name,
           .first_total = 0,
           .totals = static_cast<std::size_t>(resolved->totals()),
           .metric = resolved,
           .output = output,
           .is_weighted = is_weighted});
    for (std::size_t i = 1; i < results; ++i) {
      Tracked other = compiled.tracked.back();
      other.name = format(name, "_", i);
      other.which = i;
      compiled.tracked.push_back(std::move(other));
    }
  };
  for (std::size_t i = 0; i < compiled.outputs.size(); ++i) {
    for (const Metric& metric : compiled.outputs[i].metrics) add(i, metric, false);
  }
  for (std::size_t i = 0; i < compiled.outputs.size(); ++i) {
    for (const Metric& metric : compiled.outputs[i].weighted_metrics) add(i, metric, true);
  }
  for (const Network::PathOfLayer& placed : network.layers()) {
    for (const std::string& own : placed.layer->reported()) {
      std::string name = own;
      if (const int earlier = uses[name]++; earlier > 0) name = format(name, "_", earlier);
      track({.name = name,
             .first_total = 0,
             .totals = 2,
             .layer = placed.layer,
             .name_in_layer = own});
    }
  }
  compiled.total_count = next;
  compiled.totals.resize(next);
}

std::vector<const Tensor*> in_order(const Tensors& tensors, const std::vector<std::string>& names,
                                    const char* what) {
  const auto order = sorted(tensors.entries(), names, what);
  std::vector<const Tensor*> result;
  for (const auto& place : order) {
    result.push_back(place ? tensors.entries()[*place].tensor : nullptr);
  }
  return result;
}

}  // namespace stoker::train
