#include "support/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>

namespace stoker::test {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json document() {
    Json value = any();
    skip_space();
    if (at_ != text_.size()) fail("the end");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    throw std::runtime_error("JSON: expected " + expected + " at byte " + std::to_string(at_));
  }
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool take(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void require(std::string_view word) {
    if (!take(word)) fail(std::string(word));
  }
  char next() {
    if (at_ == text_.size()) fail("more text");
    return text_[at_++];
  }

  Json any() {
    if (take("{")) return object();
    if (take("[")) return array();
    if (take("\"")) return Json(string());
    if (take("null")) return {};
    if (take("true")) return Json(true);
    if (take("false")) return Json(false);
    return number();
  }
  Json object() {
    Json::Members members;
    if (take("}")) return Json(members);
    do {
      require("\"");
      std::string name = string();
      require(":");
      members.emplace_back(std::move(name), any());
    } while (take(","));
    require("}");
    return Json(std::move(members));
  }
  Json array() {
    Json::Items items;
    if (take("]")) return Json(items);
    do {
      items.push_back(any());
    } while (take(","));
    require("]");
    return Json(std::move(items));
  }
  // What follows the opening quote.
  std::string string() {
    std::string result;
    for (char c = next(); c != '"'; c = next()) {
      if (c == '\\') {
        append_escaped(result);
      } else {
        result += c;
      }
    }
    return result;
  }
  void append_escaped(std::string& result) {
    const char c = next();
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (const std::size_t i = kLetters.find(c); i != std::string_view::npos) {
      result += kMeanings[i];
    } else if (c == 'u') {
      append_ascii(result);
    } else {
      fail("an escape");
    }
  }
  // \u00xx; the cases hold no other characters.
  void append_ascii(std::string& result) {
    unsigned code = 0;
    const std::string_view digits = text_.substr(at_, 4);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (error != std::errc() || end != digits.data() + 4 || code > 0x7f) fail("ASCII");
    at_ += 4;
    result += static_cast<char>(code);
  }
  Json number() {
    double value = 0.0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) fail("a value");
    at_ += static_cast<std::size_t>(end - begin);
    return Json(value);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Json Json::parse(std::string_view text) { return Parser(text).document(); }

std::int64_t Json::integer() const {
  const double value = number();
  if (value != std::floor(value) || std::fabs(value) > 0x1p53) {
    throw std::runtime_error("JSON: expected a whole number, received " + std::to_string(value));
  }
  return static_cast<std::int64_t>(value);
}

const Json* Json::find(std::string_view name) const {
  for (const auto& [key, value] : members()) {
    if (key == name) return &value;
  }
  return nullptr;
}

const Json& Json::operator[](std::string_view name) const {
  if (const Json* member = find(name)) return *member;
  throw std::runtime_error("JSON: there is no member \"" + std::string(name) + "\"");
}

}  // namespace stoker::test
