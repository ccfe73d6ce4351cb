// The number in an epoch's logs that a callback watches, and which of two values is better.
#pragma once

#include <optional>
#include <string>

#include "stoker/history.h"

namespace stoker {
class Config;
class Model;
}  // namespace stoker

namespace stoker::detail {

class Monitor {
 public:
  // `callback` is the name for messages. `mode` is "min", "max" or "auto". Throws ValueError for
  // another mode, and for a min_delta that is not finite.
  Monitor(const char* callback, std::string name, std::string mode, double min_delta = 0.0);

  const std::string& name() const { return name_; }
  // Returns the value in these logs. Where there is none, warns with the names that there are.
  std::optional<double> value(const Logs& logs) const;
  // Returns whether `value` is better than `reference` by more than min_delta; any value is better
  // than none. In mode "auto" the model's metric says which way is better; throws ValueError where
  // nothing says it.
  bool is_improvement(double value, std::optional<double> reference, const Model& model);

 private:
  const char* callback_;
  std::string name_;
  std::string mode_;
  double min_delta_;
  std::optional<bool> larger_is_better_{};
};

// The best value so far in a checkpoint's JSON, which has no NaN and no infinity.
Config saved_number(const std::optional<double>& value);
// Throws ValueError for what the other function does not make.
std::optional<double> loaded_number(const Config& saved);

}  // namespace stoker::detail
