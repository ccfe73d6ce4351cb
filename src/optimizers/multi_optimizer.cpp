// MultiOptimizer: several optimizers, each for the weights whose paths its pattern matches.
#include <algorithm>
#include <utility>

#include "core/format.h"
#include "optimizers/optimizer.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using optimizers::OptimizerBase;

constexpr const char* kName = "multi_optimizer";

struct MultiArguments {
  Optimizer default_optimizer{};
  std::vector<std::pair<std::string, Optimizer>> optimizers{};
};

// Keras writes the optimizers as an object of its own, an OptimizerMap.
struct OptimizerMapArguments {
  Optimizer default_optimizer{};
  Config optimizer_map = Config::map({});
};

void describe(Fields& fields, OptimizerMapArguments& arguments) {
  fields.required("default_optimizer", arguments.default_optimizer);
  fields("optimizer_map", arguments.optimizer_map);
}

Config config_of(const MultiArguments& arguments) {
  OptimizerMapArguments map{arguments.default_optimizer};
  for (const auto& [pattern, optimizer] : arguments.optimizers) {
    map.optimizer_map.set(pattern, optimizer.config());
  }
  Fields fields = Fields::writing();
  describe(fields, map);
  return object_config("keras.optimizers", "OptimizerMap", fields.config());
}

MultiArguments arguments_of(const Config& config) {
  const ObjectView object = object_of(config);
  const auto map = Fields::reading(object.config, "OptimizerMap").all<OptimizerMapArguments>();
  MultiArguments arguments{map.default_optimizer};
  for (const auto& [pattern, given] : map.optimizer_map.members()) {
    const auto read = [&given = given] { return optimizer_from_config(given); };
    arguments.optimizers.emplace_back(pattern,
                                      Fields::with_place("optimizer_map." + pattern, read));
  }
  return arguments;
}

struct MultiFields {
  Config optimizer_map{};
};

void describe(Fields& fields, MultiFields& arguments) {
  fields.note("name", kName);
  fields.required("optimizer_map", arguments.optimizer_map);
  fields.never({"loss_scale_factor"});
}

class MultiOptimizerRule final : public OptimizerBase {
 public:
  explicit MultiOptimizerRule(MultiArguments arguments)
      : OptimizerBase("MultiOptimizer", kName, {.learning_rate = 0.0}),
        arguments_(std::move(arguments)) {
    for (const auto& [pattern, optimizer] : arguments_.optimizers) {
      require_member(optimizer, pattern);
      patterns_.push_back(optimizers::pattern_of(name(), pattern));
    }
    require_member(arguments_.default_optimizer, "the default");
  }

  void write_fields(Fields& fields) const override {
    MultiFields own{config_of(arguments_)};
    describe(fields, own);
  }

  // Keras lists the default last, and an optimizer that stands for several patterns once.
  std::vector<const OptimizerBase*> members() const override {
    std::vector<const OptimizerBase*> members;
    const auto add = [&](const Optimizer& optimizer) {
      const OptimizerBase* const base = optimizer.base().get();
      if (std::ranges::find(members, base) == members.end()) members.push_back(base);
    };
    for (const auto& [pattern, optimizer] : arguments_.optimizers) add(optimizer);
    add(arguments_.default_optimizer);
    return members;
  }

  std::vector<std::string> own_slot_names() const override {
    std::vector<std::string> names;
    for (std::size_t slot = 0; slot < most_slots(); ++slot) names.push_back(format("slot_", slot));
    return names;
  }
  std::vector<std::size_t> own_slot_groups() const override { return {most_slots()}; }

  // A path that is a pattern itself decides before patterns that match it, as in Keras.
  const OptimizerBase& rule_for(const optimizers::UpdatedWeight& weight) const override {
    const std::string path(weight.path), whole = format(weight.model, "/", weight.path);
    for (const auto& [pattern, optimizer] : arguments_.optimizers) {
      if (pattern == path || pattern == whole) return optimizer.base()->rule_for(weight);
    }
    const Optimizer* found = nullptr;
    const std::string* by = nullptr;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      if (!std::regex_match(path, patterns_[i]) && !std::regex_match(whole, patterns_[i])) continue;
      const auto& [pattern, optimizer] = arguments_.optimizers[i];
      if (found != nullptr) {
        throw ValueError(format(name(), ": expected one optimizer for weight \"", path,
                                "\", received those of \"", *by, "\" and \"", pattern, "\""));
      }
      found = &optimizer;
      by = &pattern;
    }
    if (found == nullptr) found = &arguments_.default_optimizer;
    return found->base()->rule_for(weight);
  }

  void step(optimizers::Update& update, graph::Expr parameter) const override {
    arguments_.default_optimizer.base()->step(update, parameter);
  }

 private:
  std::size_t most_slots() const {
    std::size_t most = 0;
    for (const OptimizerBase* member : members()) {
      most = std::max(most, member->own_slot_names().size());
    }
    return most;
  }

  void require_member(const Optimizer& optimizer, const std::string& which) const {
    const OptimizerBase* const base = optimizer.base().get();
    const auto refuse = [&](const char* what) {
      throw ValueError(format(name(), ": expected for ", which, " ", what));
    };
    if (base == nullptr) refuse("an optimizer, received one that was moved from");
    if (base->loss_scaling() != nullptr) {
      refuse(
          "an optimizer that does not scale the loss; LossScaleOptimizer takes a MultiOptimizer");
    }
    if (!base->members().empty()) refuse("an optimizer that is no MultiOptimizer");
    if (base->first_own_slot() != 0) {
      refuse("an optimizer without use_ema and gradient_accumulation_steps");
    }
    if (base->momentum_product(0)) refuse("another optimizer than Nadam, which counts by itself");
  }

  const MultiArguments arguments_;
  std::vector<std::regex> patterns_;
};

}  // namespace

Optimizer MultiOptimizer(Optimizer default_optimizer,
                         std::vector<std::pair<std::string, Optimizer>> optimizers) {
  return Optimizer(std::make_shared<const MultiOptimizerRule>(
      MultiArguments{std::move(default_optimizer), std::move(optimizers)}));
}

Optimizer optimizers::make_MultiOptimizer(Fields& fields) {
  const auto own = fields.all<MultiFields>();
  return Optimizer(std::make_shared<const MultiOptimizerRule>(Fields::with_place(
      fields.place() + ".optimizer_map", [&] { return arguments_of(own.optimizer_map); })));
}

}  // namespace stoker
