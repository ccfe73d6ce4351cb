#include "train/saving/variables.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {

namespace {

using optimizers::OptimizerBase;

std::string underscored(std::string path) {
  std::ranges::replace(path, '/', '_');
  return path;
}

SavedVariable scalar(VariableKind kind, DType dtype, const std::string& optimizer,
                     const char* name) {
  return {kind, optimizer + "/" + name, Shape{}, dtype};
}

// The name of a member, numbered where an earlier one has the same: "adam", "adam_1".
std::string name_among(std::span<const OptimizerBase* const> members, std::size_t which) {
  const std::string& name = members[which]->name();
  const auto earlier = std::ranges::count(members.first(which), name,
                                          [](const OptimizerBase* m) { return m->name(); });
  return earlier == 0 ? name : format(name, "_", earlier);
}

// Returns whether `member` updates the weight: the optimizer itself, or one of its members, which
// has the weights whose rule is its own.
bool updates(const Weight& weight, const Network& network, const OptimizerBase& optimizer,
             const OptimizerBase& member) {
  if (&optimizer == &member) return true;
  const optimizers::UpdatedWeight updated = network.updated(weight);
  return &optimizer.rule_for(updated) == &member.rule_for(updated);
}

// Keras adds the slots of a group weight by weight, and one group after the other. A weight has the
// slots of its rule.
void add_slots(std::vector<SavedVariable>& variables, const Network& network,
               const OptimizerBase& optimizer, const OptimizerBase& member,
               const std::string& member_name, const std::set<const layers::LayerBase*>& frozen) {
  const std::vector<std::string> names = member.slot_names();
  std::size_t first = 0;
  for (const std::size_t size : member.slot_groups()) {
    for (std::size_t i = 0; i < network.weights().size(); ++i) {
      const Weight& weight = network.weights()[i];
      if (!weight.spec.trainable || frozen.contains(weight.layer)) continue;
      if (!updates(weight, network, optimizer, member)) continue;
      const OptimizerBase& rule = member.rule_for(network.updated(weight));
      for (std::size_t slot = first; slot < first + size; ++slot) {
        std::optional<Shape> shape = weight.spec.shape;
        if (slot >= member.first_own_slot()) {
          shape = rule.own_slot_shape(slot - member.first_own_slot(), weight.spec.shape);
        }
        if (!shape) continue;
        variables.push_back({VariableKind::slot,
                             format(member_name, "/", underscored(weight.path), "_", names[slot]),
                             *shape, DType::float32, i, slot});
      }
    }
    first += size;
  }
  if (first != names.size()) {
    throw Error(
        format(member.name(), ": slot_groups() covers ", first, " of ", names.size(), " slots"));
  }
}

template <class T>
T value_of(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace

std::vector<SavedVariable> variables_of(const Network& network, const OptimizerBase* optimizer,
                                        const std::set<const layers::LayerBase*>& frozen) {
  std::vector<SavedVariable> variables;
  for (std::size_t i = 0; i < network.weights().size(); ++i) {
    const Weight& weight = network.weights()[i];
    variables.push_back({VariableKind::weight, weight.path, weight.spec.shape, DType::float32, i});
    variables.back().is_kept_state = weight.spec.is_kept_state;
  }
  if (optimizer == nullptr) return variables;
  const OptimizerBase* inner = optimizer->inner();
  if (optimizer->loss_scaling() != nullptr) {
    variables.push_back(
        scalar(VariableKind::step_counter, DType::int32, optimizer->name(), "step_counter"));
    variables.push_back(
        scalar(VariableKind::dynamic_scale, DType::float32, optimizer->name(), "dynamic_scale"));
  }
  const OptimizerBase& rule = inner != nullptr ? *inner : *optimizer;
  variables.push_back(scalar(VariableKind::iterations, DType::int32, rule.name(), "iteration"));
  // A schedule is no variable, but part of the optimizer's configuration.
  if (!rule.common().learning_rate.is_schedule()) {
    variables.push_back(
        scalar(VariableKind::learning_rate, DType::float32, rule.name(), "learning_rate"));
  }
  const std::vector<const OptimizerBase*> members = rule.members();
  if (members.empty()) add_slots(variables, network, rule, rule, rule.name(), frozen);
  // Keras's members count by themselves, and have rates of their own.
  for (std::size_t i = 0; i < members.size(); ++i) {
    const OptimizerBase& member = *members[i];
    const std::string name = name_among(members, i);
    variables.push_back(scalar(VariableKind::iterations, DType::int32, name, "iteration"));
    variables.back().member = i;
    if (!member.common().learning_rate.is_schedule()) {
      variables.push_back(scalar(VariableKind::fixed_rate, DType::float32, name, "learning_rate"));
      variables.back().member = i;
    }
    const std::size_t before = variables.size();
    add_slots(variables, network, rule, member, name, frozen);
    for (std::size_t k = before; k < variables.size(); ++k) variables[k].member = i;
  }
  if (rule.momentum_product(0)) {
    variables.push_back(
        scalar(VariableKind::momentum_product, DType::float32, rule.name(), "variable"));
  }
  return variables;
}

std::vector<SavedVariable> variables_of(const Model::Impl& model) {
  if (!model.compiled) return variables_of(model.network, nullptr, {});
  return variables_of(model.network, model.compiled->options.optimizer.base().get(),
                      model.compiled->frozen);
}

namespace {

// The place of a weight or a slot on the device.
std::byte* place_of(Model::Impl& model, const SavedVariable& variable) {
  const Weight& weight = model.network.weights()[variable.weight];
  if (variable.kind == VariableKind::weight) {
    return model.state.store()->space(weight.home.space) + weight.home.offset;
  }
  return model.state.slot(variable.slot) + weight.gradient_offset;
}

}  // namespace

void VariableAccess::read(const SavedVariable& variable, std::span<std::byte> bytes,
                          std::uint64_t offset) const {
  if (offset > variable.bytes() || bytes.size() > variable.bytes() - offset) {
    throw Error(format(variable.path, ": expected a part of ", variable.bytes(),
                       " bytes, received ", bytes.size(), " from ", offset, " on"));
  }
  const auto copy = [&](const void* value) {
    std::memcpy(bytes.data(), static_cast<const std::byte*>(value) + offset, bytes.size());
  };
  switch (variable.kind) {
    case VariableKind::weight:
    case VariableKind::slot: {
      if (bytes.empty()) return;
      device::Stream& stream = model_.state.stream();
      stream.copy_to_host(bytes.data(), place_of(model_, variable) + offset, bytes.size());
      stream.synchronize();
      return;
    }
    default:
      break;
  }
  const plan::Scalars scalars = model_.state.read_scalars();
  switch (variable.kind) {
    case VariableKind::iterations:
      return copy(&scalars.iterations);
    case VariableKind::learning_rate:
      return copy(&scalars.learning_rate);
    case VariableKind::step_counter:
      return copy(&scalars.finite_steps);
    case VariableKind::fixed_rate: {
      const OptimizerBase& optimizer = *model_.compiled->options.optimizer.base();
      const LearningRate& rate = optimizer.members()[*variable.member]->common().learning_rate;
      const auto value = static_cast<float>(rate.at(0));
      return copy(&value);
    }
    case VariableKind::momentum_product: {
      const OptimizerBase& optimizer = *model_.compiled->options.optimizer.base();
      const OptimizerBase& rule = optimizer.inner() != nullptr ? *optimizer.inner() : optimizer;
      const std::int64_t steps = rule.common().gradient_accumulation_steps.value_or(1);
      const float product = *rule.momentum_product(scalars.iterations / steps);
      return copy(&product);
    }
    default:
      return copy(&scalars.loss_scale);
  }
}

std::span<std::byte> VariableAccess::memory_of(const SavedVariable& variable) const {
  const bool is_copied =
      variable.kind == VariableKind::slot ||
      (variable.kind == VariableKind::weight && !model_.state.store()->has_copies() &&
       !is_16bit(model_.network.weights()[variable.weight].dtype));
  if (!is_copied || variable.bytes() == 0 || !model_.state.device().reads_host_memory()) return {};
  model_.state.stream().synchronize();
  return {place_of(model_, variable), static_cast<std::size_t>(variable.bytes())};
}

void VariableAccess::require_valid(const SavedVariable& variable,
                                   std::span<const std::byte> bytes) {
  if (bytes.size() != variable.bytes()) {
    throw Error(
        format(variable.path, ": expected ", variable.bytes(), " bytes, received ", bytes.size()));
  }
  const auto refuse = [&](const char* expected, auto value) {
    throw ValueError(format(variable.path, ": expected ", expected, ", received ", value));
  };
  switch (variable.kind) {
    case VariableKind::weight:
    case VariableKind::slot:
    case VariableKind::momentum_product:
      return;
    case VariableKind::iterations:
    case VariableKind::step_counter:
      if (const auto count = value_of<std::int32_t>(bytes); count < 0) {
        refuse("a count of 0 or more", count);
      }
      return;
    case VariableKind::learning_rate:
    case VariableKind::fixed_rate:
      if (const auto rate = value_of<float>(bytes); !(std::isfinite(rate) && rate >= 0.0f)) {
        refuse("a finite rate of 0 or more", rate);
      }
      return;
    case VariableKind::dynamic_scale:
      if (const auto scale = value_of<float>(bytes); !(std::isfinite(scale) && scale > 0.0f)) {
        refuse("a finite scale above 0", scale);
      }
      return;
  }
}

void VariableAccess::write(const SavedVariable& variable, std::span<const std::byte> bytes) const {
  require_valid(variable, bytes);
  if (variable.kind == VariableKind::weight) {
    const Weight& weight = model_.network.weights()[variable.weight];
    return model_.state.write(
        weight, {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)});
  }
  if (variable.kind == VariableKind::slot) {
    if (bytes.empty()) return;
    device::Stream& stream = model_.state.stream();
    stream.copy_to_device(place_of(model_, variable), bytes.data(), bytes.size());
    stream.synchronize();
    return;
  }
  // These follow from other variables, or from the configuration.
  const bool is_derived = variable.kind == VariableKind::momentum_product ||
                          variable.kind == VariableKind::fixed_rate ||
                          (variable.kind == VariableKind::iterations && variable.member);
  if (is_derived) return;
  plan::Scalars scalars = model_.state.read_scalars();
  switch (variable.kind) {
    case VariableKind::iterations:
      scalars.iterations = value_of<std::int32_t>(bytes);
      break;
    case VariableKind::learning_rate:
      scalars.learning_rate = value_of<float>(bytes);
      break;
    case VariableKind::step_counter:
      scalars.finite_steps = value_of<std::int32_t>(bytes);
      break;
    default:
      scalars.loss_scale = value_of<float>(bytes);
      scalars.inverse_loss_scale = 1.0f / scalars.loss_scale;
      break;
  }
  model_.state.write_scalars(scalars);
}

}  // namespace stoker::train
