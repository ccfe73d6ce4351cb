// This file reads and writes JSON. Reading uses the events of nlohmann/json's parser, which show
// the order of keys, whole numbers and repeated keys.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/format.h"
#include "stoker/config.h"
#include "stoker/error.h"

namespace stoker {
namespace {

// A function that walks a tree needs a stack frame for each level.
constexpr std::size_t kMostLevels = 256;

std::string place_of(std::string_view text, std::size_t position) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i + 1 < position && i < text.size(); ++i) {
    ++column;
    if (text[i] != '\n') continue;
    ++line;
    column = 1;
  }
  return format("line ", line, ", column ", column);
}

// Builds a Config from the parser's events for one text.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(std::string_view text) : text_(text) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr auto kMost = static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max());
    return value <= kMost ? add(static_cast<std::int64_t>(value)) : add(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Open& owner = open_.back();
    if (owner.has(name)) {
      throw ValueError(format("JSON: the key \"", name, "\" stands twice in one map"));
    }
    owner.members.emplace_back(std::move(name), Config());
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    // The message has this form: "[json.exception.parse_error.101] parse error at line 1, column 2:
    // syntax error ..."
    const std::string what = error.what();
    const std::size_t reason = what.find(": ");
    throw ValueError(format("JSON: ", place_of(text_, position), ": expected JSON, received \"",
                            token, "\" (",
                            reason == std::string::npos ? what : what.substr(reason + 2), ")"));
  }

  Config result;

 private:
  // A list or a map that has begun. A map's last member gets the value that comes next.
  struct Open {
    bool is_map;
    Config::List items{};
    Config::Map members{};
    std::unordered_set<std::string> keys{};

    // Texts of strangers have maps of a million keys, which no one may compare one by one.
    bool has(const std::string& key) {
      constexpr std::size_t kFew = 16;
      if (members.size() < kFew) {
        return std::ranges::find(members, key, &Config::Map::value_type::first) != members.end();
      }
      if (keys.empty()) {
        for (const auto& [name, value] : members) keys.insert(name);
      }
      return !keys.insert(key).second;
    }
  };

  bool add(Config value) {
    if (open_.empty()) {
      result = std::move(value);
    } else if (open_.back().is_map) {
      open_.back().members.back().second = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }
  bool open(bool is_map) {
    if (open_.size() == kMostLevels) {
      throw ValueError(format("JSON: expected at most ", kMostLevels, " levels, received more"));
    }
    open_.push_back({is_map});
    return true;
  }
  bool close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    return add(closed.is_map ? Config(std::move(closed.members)) : Config(std::move(closed.items)));
  }

  std::string_view text_;
  std::vector<Open> open_;
};

void write_number(double value, std::string& out) {
  if (!std::isfinite(value)) {
    throw ValueError(format("JSON: expected a finite number, received ", value));
  }
  char digits[32];
  const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  const std::string_view text(digits, static_cast<std::size_t>(end - digits));
  out += text;
  // A number without a point would be read back as a whole number.
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

enum class NotFinite { refuse, name };

class Writer {
 public:
  explicit Writer(int indent, NotFinite not_finite = NotFinite::refuse)
      : indent_(indent), not_finite_(not_finite) {}

  void write(const Config& value, int level) {
    if (value.is_list()) return write_list(value.list_items(), level);
    if (value.is_map()) return write_map(value.members(), level);
    if (value.is_null()) {
      out += "null";
    } else if (value.is_boolean()) {
      out += value.boolean() ? "true" : "false";
    } else if (value.is_integer()) {
      out += std::to_string(value.integer());
    } else if (value.is_number() && not_finite_ == NotFinite::name &&
               !std::isfinite(value.number())) {
      out += format(value.number());
    } else if (value.is_number()) {
      write_number(value.number(), out);
    } else {
      write_text(value.string());
    }
  }

  std::string out;

 private:
  void write_text(const std::string& text) {
    // Bytes that are not UTF-8 become the replacement character, because JSON is text.
    out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  void write_list(const Config::List& items, int level) {
    out += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      separate(i == 0, level + 1);
      write(items[i], level + 1);
    }
    if (!items.empty()) new_line(level);
    out += ']';
  }
  void write_map(const Config::Map& members, int level) {
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      separate(i == 0, level + 1);
      write_text(members[i].first);
      out += ": ";
      write(members[i].second, level + 1);
    }
    if (!members.empty()) new_line(level);
    out += '}';
  }
  void separate(bool is_first, int level) {
    if (!is_first) out += indent_ > 0 ? "," : ", ";
    new_line(level);
  }
  void new_line(int level) {
    if (indent_ <= 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent_) * static_cast<std::size_t>(level), ' ');
  }

  const int indent_;
  const NotFinite not_finite_;
};

}  // namespace

Config Config::from_json(std::string_view text) {
  Builder builder(text);
  if (!nlohmann::json::sax_parse(text, &builder)) throw ValueError("JSON: expected a value");
  return std::move(builder.result);
}

std::ostream& operator<<(std::ostream& out, const Config& config) {
  Writer writer(0, NotFinite::name);
  writer.write(config, 0);
  return out << writer.out;
}

std::string Config::to_json(int indent) const {
  Writer writer(indent);
  writer.write(*this, 0);
  return std::move(writer.out);
}

}  // namespace stoker
