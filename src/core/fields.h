// The fields of a class, described once: describe(Fields&, Arguments&) names each of them, and
// reads it from a Config, writes it into one, or fills in what it has by default.
//
//   void describe(Fields& fields, DenseArguments& dense) {
//     fields.required("units", dense.units);
//     fields("activation", dense.options.activation);
//     fields.never("kernel_constraint");
//   }
//
// A type of value is known by its FieldType, which stands beside the type.
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

// How a value of type T stands in a Config. read() throws an Error that says what it expected;
// where, is put before it.
template <class T>
struct FieldType;

class Fields {
 public:
  // Reads from `config`, whose place, "layers[2].config", begins every error's message.
  static Fields reading(const Config& config, std::string place);
  // Writes into config().
  static Fields writing();

  bool reads() const { return source_ != nullptr; }
  const Config& config() const { return written_; }
  const std::string& place() const { return place_; }

  // Describes a field that keeps the value it has where the config has no such key.
  template <class T>
  void operator()(const char* name, T& value) {
    if (!reads()) {
      written_.set(name, FieldType<T>::write(value));
    } else if (const Config* given = take(name)) {
      value = read<T>(name, *given);
    }
  }
  // Describes a field that has to be there.
  template <class T>
  void required(const char* name, T& value) {
    if (reads()) {
      const Config* given = source_->find(name);
      if (given == nullptr || given->is_null()) throw_missing(name);
    }
    (*this)(name, value);
  }
  // Describes what Keras has and we do not offer: it may be null or false, and is not written.
  void never(std::initializer_list<const char*> names);
  // Describes what has one value here. It is written, since Keras may have another by default.
  void always(const char* name, const Config& value);
  // Does the same where Keras's default is that value, so that it need not be written.
  void only(const char* name, const Config& value);
  // Describes what Keras notes and nothing depends on: it may be anything, and is not written.
  void ignored(std::initializer_list<const char*> names);
  // Describes what Keras wants and nothing depends on, such as the name of a loss: it may be
  // anything, and this is written.
  void note(const char* name, const Config& value);

  // Returns the Arguments that the config describes, of which describe(Fields&, Arguments&) knows
  // the fields; throws ValueError for a key that none of them has.
  template <class Arguments>
  Arguments all() {
    Arguments arguments{};
    describe(*this, arguments);
    finish();
    return arguments;
  }
  // Throws ValueError, with the nearest name, for a key that was not asked for.
  void finish() const;

  // Calls f; an Error of ours leaves it as one of the same type, with the place before its message.
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

  // The value of a key that is known from now on.
  const Config* take(const char* name);
  [[noreturn]] void throw_missing(const char* name) const;

  template <class T>
  T read(const char* name, const Config& given) const {
    return with_place(format(place_, place_.empty() ? "" : ".", name),
                      [&]() -> T { return FieldType<T>::read(given); });
  }

  const Config* source_;  // null: writing
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
// Whatever it is.
template <>
struct FieldType<Config> {
  static Config read(const Config& config) { return config; }
  static Config write(const Config& value) { return value; }
};
// A seed; above 2^63 it is written as the negative number of the same bits.
template <>
struct FieldType<std::uint64_t> {
  static std::uint64_t read(const Config& config) {
    return static_cast<std::uint64_t>(config.integer());
  }
  static Config write(std::uint64_t value) { return static_cast<std::int64_t>(value); }
};
// A list of extents, in which null is one that is not known.
template <>
struct FieldType<Shape> {
  static Shape read(const Config& config);
  static Config write(const Shape& value);
};
// A list; null where there is none.
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
// Null where there is none.
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

// A Base that keeps the Options it was made with, of which describe(Fields&, Options&) knows the
// fields, and writes them.
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

// The class of that name in a table of classes. Throws ValueError, with the nearest name, where
// there is none; `kind` is what they are: "loss".
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
// {"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name": null}
Config object_config(const char* module, std::string class_name, Config config);

struct ObjectView {
  const std::string& class_name;
  const Config& config;
};
// Of such a map, where only class_name is needed: without a config it is empty. Throws ValueError
// for what is none, and for an object that Keras calls registered, which is a user's.
ObjectView object_of(const Config& config);

// One, a list, or a map by name; null: none.
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
    for (const auto& [name, value] : config.members()) {
      named.emplace_back(name, Fields::with_place(name, [&] { return FieldType<T>::read(value); }));
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
