#include "core/fields.h"

#include <algorithm>

namespace stoker {

Fields::Fields(const Config* source, std::string place)
    : source_(source), place_(std::move(place)) {}

Fields Fields::reading(const Config& config, std::string place) {
  with_place(place, [&] { config.members(); });
  return Fields(&config, std::move(place));
}

Fields Fields::writing() { return Fields(nullptr, {}); }

const Config* Fields::take(const char* name) {
  known_.emplace_back(name);
  return source_->find(name);
}

void Fields::throw_missing(const char* name) const {
  if (source_->find(name) != nullptr) {
    throw ValueError(format(place_, ".", name, ": expected a value, received null"));
  }
  std::vector<std::string_view> keys;
  for (const auto& member : source_->members()) keys.push_back(member.first);
  throw ValueError(format(place_, ": expected the key \"", name, "\", received ",
                          keys.empty() ? "none" : joined(keys), did_you_mean(name, keys)));
}

void Fields::never(std::initializer_list<const char*> names) {
  if (!reads()) return;
  for (const char* name : names) {
    const Config* given = take(name);
    if (given == nullptr || given->is_null() || *given == Config(false)) continue;
    throw ValueError(format(place_, ".", name, ": expected null, since this is not offered here, ",
                            "received ", given->described()));
  }
}

void Fields::always(const char* name, const Config& value) {
  if (!reads()) written_.set(name, value);
  only(name, value);
}

void Fields::note(const char* name, const Config& value) {
  if (!reads()) written_.set(name, value);
  ignored({name});
}

void Fields::only(const char* name, const Config& value) {
  if (!reads()) return;
  const Config* given = take(name);
  if (given == nullptr || given->is_null() || *given == value) return;
  throw ValueError(format(place_, ".", name, ": expected ", value.described(),
                          ", which is all that is offered here, received ", given->described()));
}

void Fields::ignored(std::initializer_list<const char*> names) {
  known_.insert(known_.end(), names.begin(), names.end());
}

void Fields::finish() const {
  if (!reads()) return;
  for (const auto& member : source_->members()) {
    if (std::ranges::find(known_, member.first) != known_.end()) continue;
    throw ValueError(format(place_, ": there is no key \"", member.first, "\"",
                            did_you_mean(member.first, known_), " (known are ", joined(known_),
                            ")"));
  }
}

Shape FieldType<Shape>::read(const Config& config) {
  Shape shape;
  if (config.size() > Shape::kMaxRank) {
    throw ValueError(
        format("expected at most ", Shape::kMaxRank, " extents, received ", config.size()));
  }
  for (const Config& extent : config.list_items()) {
    shape.push_back(extent.is_null() ? Shape::kUnknown : extent.integer());
  }
  return shape;
}

Config FieldType<Shape>::write(const Shape& value) {
  Config extents = Config::list();
  for (const std::int64_t extent : value) {
    extents.append(extent == Shape::kUnknown ? Config() : Config(extent));
  }
  return extents;
}

Config object_config(const char* module, std::string class_name, Config config) {
  return Config::map({{"module", module},
                      {"class_name", std::move(class_name)},
                      {"config", std::move(config)},
                      {"registered_name", nullptr}});
}

Config function_config(const std::string& name) {
  return Config::map({{"module", "builtins"},
                      {"class_name", "function"},
                      {"config", name},
                      {"registered_name", "function"}});
}

const std::string* function_of(const Config& config) {
  const Config* class_name = config.is_map() ? config.find("class_name") : nullptr;
  if (class_name == nullptr || !(*class_name == Config("function"))) return nullptr;
  const Config* name = config.find("config");
  return name != nullptr && name->is_string() ? &name->string() : nullptr;
}

ObjectView object_of(const Config& config) {
  static const Config kEmpty = Config::map();
  if (!config.is_map()) {
    throw ValueError(
        format("expected a map with class_name and config, received ", config.described()));
  }
  const Config* own = config.find("config");
  return {config.at("class_name").string(), own == nullptr || own->is_null() ? kEmpty : *own};
}

}  // namespace stoker
