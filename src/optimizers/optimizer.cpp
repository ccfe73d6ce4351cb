// Optimizers by name, the checks that all of them share, and weight decay.
#include "optimizers/optimizer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace optimizers {

OptimizerBase::OptimizerBase(std::string class_name, std::string name, Common common)
    : class_name_(std::move(class_name)), name_(std::move(name)), common_(common) {
  require("learning_rate", common_.learning_rate.at(0), check::at_least(0));
  if (common_.weight_decay) require("weight_decay", *common_.weight_decay, check::at_least(0));
  require("ema_momentum", common_.ema_momentum, check::closed(0, 1));
  const auto check_steps = [&](const char* option, const std::optional<std::int64_t>& steps,
                               std::int64_t least) {
    // Steps are counted in float32 on the device.
    constexpr double kMost = 1 << 24;
    if (steps)
      check::require(name_, option, *steps, check::closed(static_cast<double>(least), kMost));
  };
  check_steps("ema_overwrite_frequency", common_.ema_overwrite_frequency, 1);
  check_steps("gradient_accumulation_steps", common_.gradient_accumulation_steps, 2);
  int clips = 0;
  const auto check_clip = [&](const char* option, const std::optional<double>& value) {
    if (!value) return;
    ++clips;
    require(option, *value, check::above(0));
  };
  check_clip("clipnorm", common_.clipnorm);
  check_clip("clipvalue", common_.clipvalue);
  check_clip("global_clipnorm", common_.global_clipnorm);
  if (clips > 1) {
    throw ValueError(format(name_,
                            ": expected at most one of clipnorm, clipvalue and "
                            "global_clipnorm, received ",
                            clips));
  }
}

void OptimizerBase::require(const char* option, double value, check::Range range) const {
  check::require(name_, option, static_cast<float>(value), range);
}

std::optional<std::size_t> OptimizerBase::average_slot() const {
  return common_.use_ema ? std::optional<std::size_t>(0) : std::nullopt;
}
std::optional<std::size_t> OptimizerBase::accumulator_slot() const {
  if (!common_.gradient_accumulation_steps) return std::nullopt;
  return common_.use_ema ? 1 : 0;
}
std::size_t OptimizerBase::first_own_slot() const {
  return (average_slot() ? 1U : 0U) + (accumulator_slot() ? 1U : 0U);
}

std::vector<std::string> OptimizerBase::slot_names() const {
  std::vector<std::string> names = own_slot_names();
  if (accumulator_slot()) names.insert(names.begin(), "gradient_accumulator");
  if (average_slot()) names.insert(names.begin(), "average");
  return names;
}
std::vector<std::size_t> OptimizerBase::slot_groups() const {
  std::vector<std::size_t> groups = own_slot_groups();
  groups.insert(groups.begin(), first_own_slot(), 1);
  return groups;
}
std::vector<float> OptimizerBase::slot_values() const {
  std::vector<float> values = own_slot_values();
  values.insert(values.begin(), first_own_slot(), 0.0f);
  return values;
}

std::regex pattern_of(const std::string& place, const std::string& pattern) {
  try {
    return std::regex(pattern);
  } catch (const std::regex_error& error) {
    throw ValueError(format(place, ": expected a regular expression, received \"", pattern,
                            "\": ", error.what()));
  }
}

void build(const OptimizerBase& optimizer, Update& update) {
  graph::Expr parameter = update.parameter();
  if (optimizer.common().weight_decay) {
    const graph::Expr decay{parameter.expression,
                            parameter.expression->append({.op = graph::ExprOp::range_value})};
    parameter = parameter - parameter * decay * update.learning_rate();
  }
  optimizer.step(update, parameter);
}

}  // namespace optimizers

namespace {

struct OptimizerClass {
  std::string_view name;  // the class's
  std::string_view text;  // the string that stands for the optimizer
  Optimizer (*make)(Fields& fields);
};

constexpr std::array kClasses{
#define STOKER_OPTIMIZER(class_name, text) \
  OptimizerClass{#class_name, text, optimizers::make_##class_name},
#include "optimizers/optimizers.def"
#undef STOKER_OPTIMIZER
};

// Names may be in any mixture of cases, as in Keras: "SGD", "RMSprop".
Optimizer find(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::vector<std::string_view> known;
  for (const OptimizerClass& one : kClasses) {
    if (one.text.empty()) continue;
    if (lower == one.text) {
      const Config defaults = Config::map();
      Fields fields = Fields::reading(defaults, name);
      return one.make(fields);
    }
    known.push_back(one.text);
  }
  throw ValueError(format("Optimizer: there is none named \"", name, "\"; known are ",
                          joined(known), did_you_mean(name, known)));
}

}  // namespace

Optimizer::Optimizer(const char* name) : Optimizer(find(check::text("Optimizer", name))) {}
Optimizer::Optimizer(const std::string& name) : Optimizer(find(name)) {}

Config Optimizer::config() const {
  Fields fields = Fields::writing();
  base_->write_fields(fields);
  return object_config("keras.optimizers", base_->class_name(), fields.config());
}

Optimizer optimizer_from_config(const Config& config) {
  if (config.is_string()) return config.string();
  return Fields::with_place("optimizer_from_config", [&] {
    const ObjectView object = object_of(config);
    const OptimizerClass& found = class_named("optimizer", object.class_name, kClasses);
    Fields fields = Fields::reading(object.config, object.class_name);
    return found.make(fields);
  });
}

}  // namespace stoker
