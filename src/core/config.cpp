#include "stoker/config.h"

#include <cmath>

#include "core/format.h"
#include "core/nearest.h"
#include "stoker/error.h"

namespace stoker {
namespace {

[[noreturn]] void refuse(const char* expected, const Config& received) {
  throw ValueError(format("expected ", expected, ", received ", received.described()));
}

}  // namespace

Config::Config() : value_(nullptr) {}
Config::Config(std::nullptr_t) : value_(nullptr) {}
Config::Config(Boolean value) : value_(value.value) {}
Config::Config(Integer value) : value_(value.value) {}
Config::Config(double value) : value_(value) {}
Config::Config(const char* value) : value_(std::string(value)) {}
Config::Config(std::string_view value) : value_(std::string(value)) {}
Config::Config(std::string value) : value_(std::move(value)) {}
Config::Config(List values) : value_(std::move(values)) {}
Config::Config(Map members) : value_(std::move(members)) {}
Config::Config(const Config& other) = default;
Config::Config(Config&& other) noexcept = default;
Config& Config::operator=(const Config& other) = default;
Config& Config::operator=(Config&& other) noexcept = default;
Config::~Config() = default;

Config Config::map(std::initializer_list<Map::value_type> members) { return Map(members); }
Config Config::list(std::initializer_list<Config> values) { return List(values); }

bool Config::is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
bool Config::is_boolean() const { return std::holds_alternative<bool>(value_); }
bool Config::is_integer() const { return std::holds_alternative<std::int64_t>(value_); }
bool Config::is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
bool Config::is_string() const { return std::holds_alternative<std::string>(value_); }
bool Config::is_list() const { return std::holds_alternative<List>(value_); }
bool Config::is_map() const { return std::holds_alternative<Map>(value_); }

bool operator==(const Config& a, const Config& b) { return a.value_ == b.value_; }

std::string Config::described() const {
  constexpr std::size_t kShown = 60;
  if (is_null()) return "null";
  if (is_boolean()) return boolean() ? "true" : "false";
  if (is_integer()) return format(integer());
  if (is_number()) return format("the number ", number());
  if (is_list()) return format("a list of ", size());
  if (is_map()) {
    const Config* name = find("class_name");
    return name != nullptr && name->is_string() ? format("a ", name->string()) : "a map";
  }
  const std::string& text = string();
  return text.size() <= kShown ? format("\"", text, "\"")
                               : format("\"", text.substr(0, kShown), "...\"");
}

bool Config::boolean() const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value;
  refuse("true or false", *this);
}

std::int64_t Config::integer() const {
  constexpr double kMost = 0x1p53;  // Beyond this limit a double skips whole numbers.
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return *value;
  if (const auto* value = std::get_if<double>(&value_)) {
    if (*value == std::floor(*value) && std::fabs(*value) <= kMost) {
      return static_cast<std::int64_t>(*value);
    }
  }
  refuse("a whole number", *this);
}

double Config::number() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  refuse("a number", *this);
}

const std::string& Config::string() const {
  if (const auto* value = std::get_if<std::string>(&value_)) return *value;
  refuse("a text", *this);
}

const Config::List& Config::list_items() const {
  if (const auto* value = std::get_if<List>(&value_)) return *value;
  refuse("a list", *this);
}

const Config::Map& Config::members() const {
  if (const auto* value = std::get_if<Map>(&value_)) return *value;
  refuse("a map", *this);
}

const Config* Config::find(std::string_view key) const {
  for (const auto& [name, value] : members()) {
    if (name == key) return &value;
  }
  return nullptr;
}

const Config& Config::at(std::string_view key) const {
  if (const Config* value = find(key)) return *value;
  std::vector<std::string_view> keys;
  for (const auto& member : members()) keys.push_back(member.first);
  throw ValueError(format("expected the key \"", key, "\", received ",
                          keys.empty() ? "an empty map" : "a map with " + joined(keys),
                          did_you_mean(key, keys)));
}

const Config& Config::at(std::size_t index) const {
  const List& items = list_items();
  if (index < items.size()) return items[index];
  throw ValueError(format("expected a list of more than ", index, ", received ", described()));
}

std::size_t Config::size() const { return is_map() ? members().size() : list_items().size(); }

Config& Config::set(std::string key, Config value) {
  if (is_null()) value_ = Map();
  members();  // This throws where the config is not a map.
  auto& own = std::get<Map>(value_);
  for (auto& member : own) {
    if (member.first != key) continue;
    member.second = std::move(value);
    return *this;
  }
  own.emplace_back(std::move(key), std::move(value));
  return *this;
}

Config& Config::append(Config value) {
  if (is_null()) value_ = List();
  list_items();  // This throws where the config is not a list.
  std::get<List>(value_).push_back(std::move(value));
  return *this;
}

}  // namespace stoker
