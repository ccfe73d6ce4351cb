// The fields of a class are described once: describe(Fields&, Arguments&) names each of them, and
// depending on the Fields it reads the field from a Config, writes it into one, or fills in its
// default.
//
//   void describe(Fields& fields, DenseArguments& dense) {
//     fields.required("units", dense.units);
//     fields("activation", dense.options.activation);
//     fields.never("kernel_constraint");
//   }
//
// The type of a value has a FieldType, which stands beside the type.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/nearest.h"
#include "stoker/config.h"
#include "stoker/error.h"
#include "stoker/several.h"
#include "stoker/shape.h"

namespace stoker {

// Converts between a value of type T and its form in a Config. read() throws an Error that says
// what it expected; the place is put before that message.
template <class T>
struct FieldType;

class Fields {
 public:
  // Reads from `config`. Every error's message begins with `place`, for example "layers[2].config".
  static Fields reading(const Config& config, std::string place);
  // Writes the fields into config().
  static Fields writing();

  bool reads() const { return source_ != nullptr; }
  const Config& config() const { return written_; }
  const std::string& place() const { return place_; }

  // Describes a field that keeps its present value where the config has no such key.
  template <class T>
  void operator()(const char* name, T& value) {
    if (!reads()) {
      written_.set(name, FieldType<T>::write(value));
    } else if (const Config* given = take(name)) {
      value = read<T>(name, *given);
    }
  }
  // Describes a field that has to be in the config.
  template <class T>
  void required(const char* name, T& value) {
    if (reads()) {
      const Config* given = source_->find(name);
      if (given == nullptr || given->is_null()) throw_missing(name);
    }
    (*this)(name, value);
  }
  // Describes fields that Keras has and this library does not offer. They may be null or false, and
  // are not written.
  void never(std::initializer_list<const char*> names);
  // Describes a field with only one value here. It is written, because Keras may have another
  // default.
  void always(const char* name, const Config& value);
  // Describes a field with only one value here that is also Keras's default, so it is not written.
  void only(const char* name, const Config& value);
  // Describes fields that Keras notes and nothing depends on. They may have any value, and are not
  // written.
  void ignored(std::initializer_list<const char*> names);
  // Describes a field that Keras expects and nothing depends on, such as the name of a loss. It may
  // have any value, and this one is written.
  void note(const char* name, const Config& value);

  // Returns the Arguments that the config holds, whose fields describe(Fields&, Arguments&) names.
  // Throws ValueError for a key that none of the fields has.
  template <class Arguments>
  Arguments all() {
    Arguments arguments{};
    describe(*this, arguments);
    finish();
    return arguments;
  }
  // Throws ValueError, with the nearest name, for a key that no field has asked for.
  void finish() const;

  // Calls f. An Error of ours is thrown on as the same type, with the place before its message.
  template <class F>
  static auto with_place(const std::string& place, F&& f) -> decltype(f()) {
    try {
      return f();
    } catch (const ValueError& error) {
      throw ValueError(format(place, ": ", error.what()));
    } catch (const ShapeError& error) {
      throw ShapeError(format(place, ": ", error.what()));
    } catch (const DTypeError& error) {
      throw DTypeError(format(place, ": ", error.what()));
    }
  }

 private:
  Fields(const Config* source, std::string place);

  // Returns the value of a key, which counts as known from now on.
  const Config* take(const char* name);
  [[noreturn]] void throw_missing(const char* name) const;

  template <class T>
  T read(const char* name, const Config& given) const {
    return with_place(format(place_, place_.empty() ? "" : ".", name),
                      [&]() -> T { return FieldType<T>::read(given); });
  }

  const Config* source_;  // Null when writing.
  std::string place_;
  Config written_ = Config::map();
  std::vector<std::string_view> known_;
};

// ---- Types of values ---------------------------------------------------------------------------
template <>
struct FieldType<bool> {
  static bool read(const Config& config) { return config.boolean(); }
  static Config write(bool value) { return value; }
};
template <>
struct FieldType<std::int64_t> {
  static std::int64_t read(const Config& config) { return config.integer(); }
  static Config write(std::int64_t value) { return value; }
};
template <>
struct FieldType<double> {
  static double read(const Config& config) { return config.number(); }
  static Config write(double value) { return value; }
};
template <>
struct FieldType<std::string> {
  static std::string read(const Config& config) { return config.string(); }
  static Config write(const std::string& value) { return value; }
};
// A Config is taken as it is.
template <>
struct FieldType<Config> {
  static Config read(const Config& config) { return config; }
  static Config write(const Config& value) { return value; }
};
// A seed above 2^63 is written as the negative number with the same bits.
template <>
struct FieldType<std::uint64_t> {
  static std::uint64_t read(const Config& config) {
    return static_cast<std::uint64_t>(config.integer());
  }
  static Config write(std::uint64_t value) { return static_cast<std::int64_t>(value); }
};
// A shape is a list of extents, in which null is an unknown extent.
template <>
struct FieldType<Shape> {
  static Shape read(const Config& config);
  static Config write(const Shape& value);
};
// A vector is a list, and is empty for null.
template <class T>
struct FieldType<std::vector<T>> {
  static std::vector<T> read(const Config& config) {
    std::vector<T> values;
    if (config.is_null()) return values;
    for (const Config& value : config.list_items()) values.push_back(FieldType<T>::read(value));
    return values;
  }
  static Config write(const std::vector<T>& values) {
    Config list;
    for (const T& value : values) list.append(FieldType<T>::write(value));
    return list;
  }
};
// An optional is null where it holds no value.
template <class T>
struct FieldType<std::optional<T>> {
  static std::optional<T> read(const Config& config) {
    if (config.is_null()) return std::nullopt;
    return FieldType<T>::read(config);
  }
  static Config write(const std::optional<T>& value) {
    return value ? FieldType<T>::write(*value) : Config();
  }
};

// A Base that keeps the Options it was made with and writes their fields, which describe(Fields&,
// Options&) names.
template <class Base, class Options>
class Described : public Base {
 public:
  void write_fields(Fields& fields) const final {
    Options copy = options_;
    describe(fields, copy);
  }

 protected:
  template <class... Arguments>
  explicit Described(Options options, Arguments&&... arguments)
      : Base(std::forward<Arguments>(arguments)...), options_(std::move(options)) {}

  const Options options_;
};

// A function of the program's own, as Keras writes it: the class "function", with the function's
// name as its config. function_of() returns the name, or null for everything else.
Config function_config(const std::string& name);
const std::string* function_of(const Config& config);

// Returns the class with that name from a table of classes. Throws ValueError, with the nearest
// name, where there is none. `kind` names the classes in the message: "loss".
template <class Classes>
const auto& class_named(const char* kind, std::string_view name, const Classes& classes) {
  std::vector<std::string_view> known;
  for (const auto& one : classes) {
    if (one.name == name) return one;
    known.push_back(one.name);
  }
  throw ValueError(format("there is no ", kind, " class \"", name, "\"", did_you_mean(name, known),
                          " (known are ", joined(known), ")"));
}

// ---- Objects -----------------------------------------------------------------------------------
// Makes {"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name":
// null}.
Config object_config(const char* module, std::string class_name, Config config);

struct ObjectView {
  const std::string& class_name;
  const Config& config;
};
// Takes such a map apart. Only class_name is needed, and config is empty where there is none.
// Throws ValueError for a config that is no such map, and for an object that Keras calls
// registered, because a user has defined its class.
ObjectView object_of(const Config& config);

// A Several is one value, a list, or a map by name; null stands for no value.
template <class T>
struct FieldType<Several<T>> {
  static Several<T> read(const Config& config) {
    if (config.is_null()) return {};
    if (config.is_list()) {
      std::vector<T> list;
      for (const Config& item : config.list_items()) list.push_back(FieldType<T>::read(item));
      return list;
    }
    if (!config.is_map() || config.find("class_name") != nullptr) {
      return FieldType<T>::read(config);
    }
    std::vector<std::pair<std::string, T>> named;
    for (const auto& member : config.members()) {
      const auto read = [&] { return FieldType<T>::read(member.second); };
      named.emplace_back(member.first, Fields::with_place(member.first, read));
    }
    return named;
  }
  static Config write(const Several<T>& several) {
    if (several.empty()) return {};
    if (several.is_single()) return FieldType<T>::write(several.entries()[0].value);
    Config result = several.is_named() ? Config::map() : Config::list();
    for (const auto& entry : several.entries()) {
      if (several.is_named()) {
        result.set(entry.name, FieldType<T>::write(entry.value));
      } else {
        result.append(FieldType<T>::write(entry.value));
      }
    }
    return result;
  }
};

}  // namespace stoker
