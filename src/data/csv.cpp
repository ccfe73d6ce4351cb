#include "stoker/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string_view>

#include "core/format.h"
#include "data/byte_source.h"
#include "stoker/error.h"

namespace stoker {
namespace {

std::string read_text(const std::string& path) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 33;
  data::ByteSource source(path);
  std::string text;
  std::size_t filled = 0;
  do {
    text.resize(filled + (std::size_t{1} << 16) + filled / 2);
    filled += source.read(std::as_writable_bytes(std::span(text).subspan(filled)));
    if (filled > kMaxBytes) throw IoError(format(path, ": expected at most 2^33 bytes"));
  } while (filled == text.size());
  text.resize(filled);
  return text;
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  return text;
}

template <class T>
bool parse(std::string_view text, T& value) {
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value);
  if (result.ptr != end) return false;
  if constexpr (std::is_floating_point_v<T>) {
    // Out of range is too large or too small, and only the latter has a nearest float.
    long double wide = 0.0L;
    if (result.ec == std::errc::result_out_of_range &&
        std::from_chars(text.data(), end, wide).ec == std::errc() && std::abs(wide) < 1.0L) {
      value = static_cast<float>(wide);
      return true;
    }
  }
  return result.ec == std::errc();
}

}  // namespace

Csv read_csv(const std::string& path, CsvOptions options) {
  Csv table;
  table.path_ = path;
  table.options_ = options;
  const std::string text = read_text(path);
  std::string& content = table.content_;
  content.reserve(text.size());
  std::size_t at = text.starts_with("\xef\xbb\xbf") ? 3 : 0;  // a byte order mark
  std::int64_t line = 1;
  std::size_t width = 0;
  bool first = true;
  std::vector<Csv::Cell> row;
  const auto fail = [&](std::int64_t where, const std::string& what) {
    throw DataError(format(path, ", line ", where, ": ", what));
  };
  while (at < text.size()) {
    const std::int64_t row_line = line;
    row.clear();
    for (bool row_ends = false; !row_ends;) {
      const std::size_t begin = content.size();
      if (at < text.size() && text[at] == '"') {
        const std::int64_t quote_line = line;
        for (++at;; ++at) {
          if (at == text.size()) fail(quote_line, "a quote without an end");
          if (text[at] == '\n') ++line;
          if (text[at] != '"') {
            content += text[at];
          } else if (at + 1 < text.size() && text[at + 1] == '"') {
            content += text[at++];
          } else {
            ++at;
            break;
          }
        }
        if (at < text.size() && text[at] != options.delimiter && text[at] != '\n' &&
            text[at] != '\r') {
          fail(line,
               format("expected '", options.delimiter,
                      "' or the end of the line behind a quoted field, received '", text[at], "'"));
        }
      }
      while (at < text.size() && text[at] != options.delimiter && text[at] != '\n') {
        if (text[at] != '\r') content += text[at];
        ++at;
      }
      row.push_back({begin, content.size()});
      row_ends = at == text.size() || text[at] == '\n';
      if (at < text.size()) ++at;
    }
    ++line;
    const bool is_blank = row.size() == 1 && row[0].begin == row[0].end;
    if (is_blank) continue;
    if (first) width = row.size();
    if (row.size() != width) {
      fail(row_line,
           format("expected ", width, " fields, as in the first line, received ", row.size()));
    }
    if (first) {
      for (std::size_t i = 0; i < width; ++i) {
        table.names_.push_back(options.header
                                   ? content.substr(row[i].begin, row[i].end - row[i].begin)
                                   : std::to_string(i));
      }
    }
    if (!first || !options.header) {
      table.cells_.insert(table.cells_.end(), row.begin(), row.end());
      table.lines_.push_back(row_line);
      ++table.rows_;
    }
    first = false;
  }
  if (first) throw DataError(format(path, ": expected at least one line, received none"));
  return table;
}

std::size_t Csv::column(const std::string& name) const {
  const auto found = std::ranges::find(names_, name);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  std::string known;
  for (const std::string& one : names_) known += (known.empty() ? "" : ", ") + one;
  throw ValueError(format(path_, ": there is no column \"", name, "\"; there is: ", known));
}

std::string_view Csv::text(std::int64_t row, std::size_t column) const {
  const Cell& cell = cells_[static_cast<std::size_t>(row) * names_.size() + column];
  return std::string_view(content_).substr(cell.begin, cell.end - cell.begin);
}

void Csv::fail(std::int64_t row, std::size_t column, const std::string& expected) const {
  throw DataError(format(path_, ", line ", lines_[static_cast<std::size_t>(row)], ", column \"",
                         names_[column], "\": expected ", expected, ", received \"",
                         text(row, column), '"'));
}

Tensor Csv::floats(const std::vector<std::string>& columns) const {
  std::vector<std::size_t> wanted;
  for (const std::string& name : columns.empty() ? names_ : columns) {
    wanted.push_back(column(name));
  }
  Tensor result({rows_, static_cast<std::int64_t>(wanted.size())});
  auto out = result.data<float>().begin();
  for (std::int64_t row = 0; row < rows_; ++row) {
    for (const std::size_t index : wanted) {
      const std::string_view field = trimmed(text(row, index));
      float value = 0.0f;
      if (field.empty() && options_.missing) {
        value = *options_.missing;
      } else if (!parse(field, value)) {
        fail(
            row, index,
            field.empty() ? "a number ({.missing = ...} says what an empty field is)" : "a number");
      }
      *out++ = value;
    }
  }
  return result;
}

Tensor Csv::ints(const std::string& name) const {
  const std::size_t index = column(name);
  Tensor result({rows_}, DType::int32);
  const std::span<std::int32_t> out = result.data<std::int32_t>();
  for (std::int64_t row = 0; row < rows_; ++row) {
    std::int32_t& value = out[static_cast<std::size_t>(row)];
    const std::string_view field = trimmed(text(row, index));
    if (field.empty() && options_.missing) {
      value = static_cast<std::int32_t>(std::lround(*options_.missing));
    } else if (!parse(field, value)) {
      fail(row, index, "a whole number that fits int32");
    }
  }
  return result;
}

std::vector<std::string> Csv::texts(const std::string& name) const {
  const std::size_t index = column(name);
  std::vector<std::string> result;
  for (std::int64_t row = 0; row < rows_; ++row) result.emplace_back(text(row, index));
  return result;
}

Tensor Csv::categories(const std::string& name, std::vector<std::string>& values) const {
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
}

}  // namespace stoker
