// A tree of plain values. Layers, losses, metrics, optimizers and models describe themselves by
// one, and can be made from it. It reads and writes JSON. The classes and keys are Keras 3's
// (keras.saving.serialize_keras_object).
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace stoker {

// Null, a truth value, a whole number, a number, a text, a list, or a map whose keys keep their
// order. A Config is a value: copies are independent. Asking for another kind than it holds throws
// a ValueError that says what is there.
class Config {
 public:
  using List = std::vector<Config>;
  using Map = std::vector<std::pair<std::string, Config>>;

  Config();  // null
  Config(std::nullptr_t);
  // These two are templates so that no pointer is converted to a truth value.
  template <std::same_as<bool> T>
  Config(T value) : Config(Boolean{value}) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Config(T value) : Config(Integer{value}) {}
  Config(double value);
  Config(const char* value);
  Config(std::string_view value);
  Config(std::string value);
  Config(List values);
  Config(Map members);
  Config(const Config& other);
  Config(Config&& other) noexcept;
  Config& operator=(const Config& other);
  Config& operator=(Config&& other) noexcept;
  ~Config();
  // Makes a map, as from {{"class_name", "Dense"}, {"config", config}}.
  static Config map(std::initializer_list<std::pair<std::string, Config>> members = {});
  static Config list(std::initializer_list<Config> values = {});

  // Returns the value of a JSON text. Throws ValueError, with line and column, for what is not
  // JSON, for a key that stands twice in one map, and for more than 256 levels.
  static Config from_json(std::string_view text);
  // Returns JSON on one line, or indented by so many spaces for each level. Numbers have as many
  // digits as it takes to read back the same double. Throws ValueError for a number that is
  // infinite or NaN, which JSON cannot express.
  std::string to_json(int indent = 0) const;

  bool is_null() const;
  bool is_boolean() const;
  bool is_integer() const;
  bool is_number() const;  // an integer or a double
  bool is_string() const;
  bool is_list() const;
  bool is_map() const;

  bool boolean() const;
  std::int64_t integer() const;  // also for a number without a fraction
  double number() const;
  const std::string& string() const;
  const List& list_items() const;
  const Map& members() const;

  // Both return the value of a map with that key. If there is none, find() returns null, and at()
  // throws a ValueError that names the nearest key.
  const Config* find(std::string_view key) const;
  const Config& at(std::string_view key) const;
  const Config& operator[](std::string_view key) const { return at(key); }
  // Returns an item of a list; throws ValueError beyond its end.
  const Config& at(std::size_t index) const;
  const Config& operator[](std::size_t index) const { return at(index); }
  std::size_t size() const;  // of a list or a map
  // Sets a key of a map; a new key comes last. A null becomes a map.
  Config& set(std::string key, Config value);
  // Adds a value at the end of a list; a null becomes a list.
  Config& append(Config value);

  // Describes the value for messages: "a list", "the text \"relu\"".
  std::string described() const;

  friend bool operator==(const Config& a, const Config& b);
  // Writes JSON, with words for values that JSON cannot express.
  friend std::ostream& operator<<(std::ostream& out, const Config& config);

 private:
  struct Boolean {
    bool value;
  };
  struct Integer {
    template <class T>
    Integer(T number) : value(static_cast<std::int64_t>(number)) {}
    std::int64_t value;
  };
  Config(Boolean value);
  Config(Integer value);

  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, List, Map> value_;
};

}  // namespace stoker
