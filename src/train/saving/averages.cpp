#include "train/saving/averages.h"

#include <cstddef>
#include <functional>
#include <vector>

#include "train/saving/variables.h"

namespace stoker::train {
namespace {

using Bytes = std::vector<std::byte>;

// Calls f with the values of each weight that has an average, and of the average; what f changes is
// written back.
void for_each_average(Model::Impl& model, const std::function<void(Bytes&, Bytes&)>& f) {
  if (!has_averages(model)) return;
  const std::size_t slot = *model.compiled->options.optimizer.base()->average_slot();
  const std::vector<SavedVariable> variables = variables_of(model);
  std::vector<const SavedVariable*> weights(model.network.weights().size(), nullptr);
  for (const SavedVariable& variable : variables) {
    if (variable.kind == VariableKind::weight) weights[variable.weight] = &variable;
  }
  const VariableAccess access(model);
  Bytes weight;
  Bytes average;
  for (const SavedVariable& variable : variables) {
    if (variable.kind != VariableKind::slot || variable.slot != slot) continue;
    const SavedVariable& own = *weights[variable.weight];
    weight.resize(static_cast<std::size_t>(own.bytes()));
    average.resize(static_cast<std::size_t>(variable.bytes()));
    access.read(own, weight);
    access.read(variable, average);
    const Bytes weight_before = weight;
    const Bytes average_before = average;
    f(weight, average);
    if (weight != weight_before) access.write(own, weight);
    if (average != average_before) access.write(variable, average);
  }
}

}  // namespace

bool has_averages(const Model::Impl& model) {
  return model.compiled && model.compiled->options.optimizer.base()->average_slot();
}

void swap_averages(Model::Impl& model) {
  for_each_average(model, [](Bytes& weight, Bytes& average) { std::swap(weight, average); });
}

void overwrite_with_averages(Model::Impl& model) {
  for_each_average(model, [](Bytes& weight, Bytes& average) { weight = average; });
}

void overwrite_averages(Model::Impl& model) {
  for_each_average(model, [](Bytes& weight, Bytes& average) { average = weight; });
}

}  // namespace stoker::train
