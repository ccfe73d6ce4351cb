// Turns a table's texts into numbers.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <string_view>

#include "core/foreign.h"
#include "core/format.h"
#include "stoker/csv.h"
#include "stoker/error.h"

namespace stoker {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

template <class T>
bool parse(std::string_view text, T& value) {
  if (text.starts_with('+')) {  // from_chars does not accept the sign
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value);
  if (result.ptr != end) return false;
  if constexpr (std::is_floating_point_v<T>) {
    // A number is out of range if it is too large or too small, and only in the latter case there
    // is a nearest float.
    long double wide = 0.0L;
    if (result.ec == std::errc::result_out_of_range &&
        std::from_chars(text.data(), end, wide).ec == std::errc() && std::abs(wide) < 1.0L) {
      value = static_cast<float>(wide);
      return true;
    }
  }
  return result.ec == std::errc();
}

// Knows which texts stand for a missing number.
class MissingWords {
 public:
  explicit MissingWords(const CsvOptions& options) : words_(options.missing_words) {
    for (const std::string& word : words_) {
      if (!word.empty()) begins_[static_cast<unsigned char>(word.front())] = true;
    }
  }
  bool contain(std::string_view text) const {
    if (text.empty()) return true;
    return begins_[static_cast<unsigned char>(text.front())] &&
           std::ranges::find(words_, text) != words_.end();
  }

 private:
  const std::vector<std::string>& words_;
  std::array<bool, 256> begins_{};
};

constexpr const char* kAdvice = "number ({.missing = ...} says what a missing one counts as)";

// Returns the whole number that a missing one counts as, or none if `missing` is no whole number.
std::optional<std::int32_t> whole(float missing) {
  const auto value = static_cast<double>(missing);
  if (!(value >= std::numeric_limits<std::int32_t>::min() &&
        value <= std::numeric_limits<std::int32_t>::max()) ||
      value != std::floor(value)) {
    return std::nullopt;
  }
  return static_cast<std::int32_t>(value);
}

}  // namespace

std::size_t Csv::column(const std::string& name) const {
  const auto found = std::ranges::find(names_, name);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  std::string known;
  for (const std::string& one : names_) known += (known.empty() ? "" : ", ") + one;
  throw ValueError(format(path_, ": there is no column \"", name, "\"; there is: ", known));
}

std::string_view Csv::text(std::int64_t row, std::size_t column) const {
  const std::size_t field = static_cast<std::size_t>(row) * names_.size() + column;
  const std::size_t begin = field == 0 ? 0 : ends_[field - 1];
  return std::string_view(content_).substr(begin, ends_[field] - begin);
}

void Csv::fail(std::int64_t row, std::size_t column, const std::string& expected) const {
  throw DataError(format(path_, ", line ", lines_[static_cast<std::size_t>(row)], ", column \"",
                         names_[column], "\": expected ", expected, ", received \"",
                         text(row, column), '"'));
}

Tensor Csv::floats(const std::vector<std::string>& columns) const {
  return with_own_errors<DataError>(path_, [&] {
    std::vector<std::size_t> wanted(columns.empty() ? names_.size() : columns.size());
    std::iota(wanted.begin(), wanted.end(), std::size_t{0});
    std::ranges::transform(columns, wanted.begin(),
                           [this](const std::string& name) { return column(name); });
    const MissingWords missing(options_);
    Tensor result({rows_, static_cast<std::int64_t>(wanted.size())});
    auto out = result.data<float>().begin();
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (const std::size_t index : wanted) {
        const std::string_view field = trimmed(text(row, index));
        float value = 0.0f;
        const bool is_missing = missing.contain(field);
        if (!is_missing && !parse(field, value)) fail(row, index, "a number");
        if (is_missing || std::isnan(value)) {
          if (!options_.missing) fail(row, index, format("a ", kAdvice));
          value = *options_.missing;
        }
        *out++ = value;
      }
    }
    return result;
  });
}

Tensor Csv::ints(const std::string& name) const {
  return with_own_errors<DataError>(path_, [&] {
    const std::size_t index = column(name);
    const MissingWords missing(options_);
    Tensor result({rows_}, DType::int32);
    const std::span<std::int32_t> out = result.data<std::int32_t>();
    for (std::int64_t row = 0; row < rows_; ++row) {
      std::int32_t& value = out[static_cast<std::size_t>(row)];
      const std::string_view field = trimmed(text(row, index));
      float real = 0.0f;
      const bool is_missing = missing.contain(field) ||
                              (!parse(field, value) && parse(field, real) && std::isnan(real));
      if (is_missing) {
        if (!options_.missing) fail(row, index, format("a whole ", kAdvice));
        const std::optional<std::int32_t> counts_as = whole(*options_.missing);
        if (!counts_as) {
          fail(row, index,
               format("a whole number that fits int32, or one that {.missing = ", *options_.missing,
                      "} counts as, which is none"));
        }
        value = *counts_as;
      } else if (!parse(field, value)) {
        fail(row, index, "a whole number that fits int32");
      }
    }
    return result;
  });
}

std::vector<std::string> Csv::texts(const std::string& name) const {
  return with_own_errors<DataError>(path_, [&] {
    const std::size_t index = column(name);
    std::vector<std::string> result;
    for (std::int64_t row = 0; row < rows_; ++row) result.emplace_back(text(row, index));
    return result;
  });
}

Tensor Csv::categories(const std::string& name, std::vector<std::string>& values) const {
  return with_own_errors<DataError>(path_, [&] {
    const std::vector<std::string> all = texts(name);
    const std::set<std::string> distinct(all.begin(), all.end());
    values.assign(distinct.begin(), distinct.end());
    Tensor result({rows_}, DType::int32);
    const std::span<std::int32_t> out = result.data<std::int32_t>();
    for (std::size_t row = 0; row < all.size(); ++row) {
      out[row] =
          static_cast<std::int32_t>(std::ranges::lower_bound(values, all[row]) - values.begin());
    }
    return result;
  });
}

}  // namespace stoker
