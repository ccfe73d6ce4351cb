// A small JSON reader for test data: the whole text in memory, numbers as double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace stoker::test {

class Json {
 public:
  using Items = std::vector<Json>;
  using Members = std::vector<std::pair<std::string, Json>>;

  Json() = default;  // null
  template <class T>
  explicit Json(T value) : value_(std::move(value)) {}
  // Throws std::runtime_error, with the position, for what is not JSON.
  static Json parse(std::string_view text);

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_array() const { return std::holds_alternative<Items>(value_); }
  bool is_false() const {
    const bool* value = std::get_if<bool>(&value_);
    return value != nullptr && !*value;
  }
  // These throw std::bad_variant_access for a value of another kind.
  bool boolean() const { return std::get<bool>(value_); }
  double number() const { return std::get<double>(value_); }
  // Throws std::runtime_error unless it is whole.
  std::int64_t integer() const;
  const std::string& text() const { return std::get<std::string>(value_); }
  const Items& items() const { return std::get<Items>(value_); }
  const Members& members() const { return std::get<Members>(value_); }

  // An object's member; null when there is none of that name.
  const Json* find(std::string_view name) const;
  // Throws std::runtime_error when there is none.
  const Json& operator[](std::string_view name) const;

 private:
  std::variant<std::nullptr_t, bool, double, std::string, Items, Members> value_;
};

}  // namespace stoker::test
