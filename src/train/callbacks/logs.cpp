#include "stoker/history.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {

void Logs::set(const std::string& name, double value) {
  for (auto& [key, known] : values_) {
    if (key == name) {
      known = value;
      return;
    }
  }
  values_.emplace_back(name, value);
}

bool Logs::contains(const std::string& name) const {
  for (const auto& entry : values_) {
    if (entry.first == name) return true;
  }
  return false;
}

double Logs::operator[](const std::string& name) const {
  std::string known;
  for (const auto& [key, value] : values_) {
    if (key == name) return value;
    known += (known.empty() ? "" : ", ") + key;
  }
  throw ValueError(format("there is no \"", name, "\" here; there is: ", known));
}

const std::vector<double>& History::operator[](const std::string& name) const {
  const auto found = history.find(name);
  if (found != history.end()) return found->second;
  std::string known;
  for (const auto& entry : history) known += (known.empty() ? "" : ", ") + entry.first;
  throw ValueError(format("the history has no \"", name, "\"; it has: ", known));
}

}  // namespace stoker
