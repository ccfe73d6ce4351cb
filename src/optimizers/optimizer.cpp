// Optimizers by name, what all of them check, and weight decay.
#include "optimizers/optimizer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace optimizers {

OptimizerBase::OptimizerBase(std::string name, Common common)
    : name_(std::move(name)), common_(common) {
  require("learning_rate", common_.learning_rate, check::at_least(0));
  if (common_.weight_decay) require("weight_decay", *common_.weight_decay, check::at_least(0));
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

struct Named {
  std::string_view name;
  Optimizer (*make)();
};

constexpr std::array kOptimizers{
    Named{"sgd", [] { return SGD(); }},
    Named{"adam", [] { return Adam(); }},
    Named{"adamw", [] { return AdamW(); }},
    Named{"rmsprop", [] { return RMSprop(); }},
};

// In any case, as Keras takes them: "SGD", "RMSprop".
Optimizer find(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string known;
  for (const Named& entry : kOptimizers) {
    if (lower == entry.name) return entry.make();
    known += format(known.empty() ? "" : ", ", entry.name);
  }
  throw ValueError(format("Optimizer: there is none named \"", name, "\"; known are ", known));
}

}  // namespace

Optimizer::Optimizer(const char* name) : Optimizer(find(name)) {}
Optimizer::Optimizer(const std::string& name) : Optimizer(find(name)) {}

}  // namespace stoker
