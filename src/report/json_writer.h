// Writes JSON piece by piece, for texts that go into a script element of HTML.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace stoker::report {

// The caller opens and closes what it writes in pairs; commas come by themselves. "<" is written as
// an escape, so that no text ends the script element, and bytes that are no UTF-8 become the
// replacement character.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_list() { return open('['); }
  JsonWriter& end_list() { return close(']'); }
  // Begins a member of an object; the value follows.
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  // Writes a number to six digits, and "nan", "inf" or "-inf" for what JSON has no number for.
  JsonWriter& value(double number);
  template <std::integral T>
  JsonWriter& value(T number) {
    if constexpr (std::same_as<T, bool>) {
      return raw(number ? "true" : "false");
    } else {
      return raw(std::to_string(number));
    }
  }

  template <class T>
  JsonWriter& member(std::string_view name, const T& content) {
    return key(name).value(content);
  }

  const std::string& text() const { return text_; }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& raw(std::string_view text);
  void separate();
  void quote(std::string_view text);

  std::string text_;
  bool is_first_ = true;  // The next value needs no comma before it.
};

}  // namespace stoker::report
