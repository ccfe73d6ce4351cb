// What a program registers under a name, so that strings and files can name it. Any thread may
// register and look up.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/nearest.h"
#include "stoker/error.h"

namespace stoker {

template <class T>
class Registered {
 public:
  // `what` is for messages: "register_loss".
  explicit Registered(const char* what) : what_(what) {}

  // Throws ValueError for an empty name and for one that is registered already.
  void add(const std::string& name, T value) {
    if (name.empty()) throw ValueError(format(what_, ": expected a name, received none"));
    const std::scoped_lock lock(mutex_);
    if (!values_.try_emplace(name, std::move(value)).second) {
      throw ValueError(format(what_, ": \"", name, "\" is registered already"));
    }
  }
  std::optional<T> find(const std::string& name) const {
    const std::scoped_lock lock(mutex_);
    const auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : std::optional<T>(found->second);
  }
  // Throws ValueError, with the nearest name, where there is none. `kind` says what was looked for.
  T at(const char* kind, const std::string& name) const {
    if (std::optional<T> found = find(name)) return *std::move(found);
    std::vector<std::string> names;
    {
      const std::scoped_lock lock(mutex_);
      for (const auto& [known, value] : values_) names.push_back(known);
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    throw ValueError(format("the ", kind, " \"", name, "\" is a function of a program's own; ",
                            what_, "() has to make it known here before it is named",
                            did_you_mean(name, known)));
  }

 private:
  const char* what_;
  mutable std::mutex mutex_;
  std::map<std::string, T> values_;
};

}  // namespace stoker
