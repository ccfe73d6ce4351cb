#include "stoker/detail/monitor.h"

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "metrics/metric.h"
#include "stoker/config.h"
#include "stoker/error.h"
#include "train/model_access.h"

namespace stoker::detail {

std::optional<bool> larger_is_better(const Model& model, const std::string& name) {
  const std::string own = name.starts_with("val_") ? name.substr(4) : name;
  const auto& compiled = ModelAccess::impl(model, "larger_is_better").compiled;
  if (!compiled) return std::nullopt;
  for (const train::Tracked& tracked : compiled->tracked) {
    if (tracked.name != own) continue;
    return tracked.metric ? tracked.metric->larger_is_better() : false;
  }
  return std::nullopt;
}

Monitor::Monitor(const char* callback, std::string name, std::string mode, double min_delta)
    : callback_(callback),
      name_(std::move(name)),
      mode_(std::move(mode)),
      min_delta_(std::abs(min_delta)) {
  if (mode_ != "auto" && mode_ != "min" && mode_ != "max") {
    throw ValueError(format(
        callback_, ": expected a mode of \"auto\", \"min\" or \"max\", received \"", mode_, "\""));
  }
  check::require(callback_, "a min_delta", min_delta_, check::at_least(0));
  if (mode_ != "auto") larger_is_better_ = mode_ == "max";
}

std::optional<double> Monitor::value(const Logs& logs) const {
  if (logs.contains(name_)) return logs[name_];
  std::cerr << "Warning: " << callback_ << " watches \"" << name_
            << "\", which is not among the logs:";
  for (const auto& entry : logs) std::cerr << ' ' << entry.first;
  std::cerr << ".\n";
  return std::nullopt;
}

bool Monitor::is_improvement(double value, std::optional<double> reference, const Model& model) {
  if (!larger_is_better_) larger_is_better_ = larger_is_better(model, name_);
  if (!larger_is_better_) {
    throw ValueError(format(callback_, ": neither a loss nor a metric of the model is called \"",
                            name_,
                            "\", so it is not known whether larger values are better; say it by "
                            "mode = \"max\" or \"min\""));
  }
  if (!reference) return true;
  return *larger_is_better_ ? value - min_delta_ > *reference : value + min_delta_ < *reference;
}

Config saved_number(const std::optional<double>& value) {
  if (!value) return {};
  if (std::isfinite(*value)) return *value;
  return std::isnan(*value) ? "nan" : *value > 0 ? "inf" : "-inf";
}

std::optional<double> loaded_number(const Config& saved) {
  if (saved.is_null()) return std::nullopt;
  if (!saved.is_string()) return saved.number();
  for (const char* text : {"nan", "inf", "-inf"}) {
    if (saved.string() == text) return std::strtod(text, nullptr);
  }
  throw ValueError(format("expected a number, received \"", saved.string(), '"'));
}

}  // namespace stoker::detail
