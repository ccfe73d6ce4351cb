// Reads a file into a table of texts.
#include "stoker/csv.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "core/foreign.h"
#include "core/format.h"
#include "data/byte_source.h"
#include "data/limits.h"
#include "stoker/error.h"

namespace stoker {
namespace {

// The characters of a file, one after another.
class Characters {
 public:
  static constexpr int kEnd = -1;

  explicit Characters(data::ByteSource& source) : source_(source), buffer_(kBufferBytes) {
    refill();
  }

  int peek() {
    if (at_ == filled_) refill();
    return at_ == filled_ ? kEnd : static_cast<unsigned char>(buffer_[at_]);
  }
  void pass() { ++at_; }
  // Skips these bytes if the file goes on with them.
  bool pass_if(std::string_view text) {
    const bool found = std::string_view(buffer_.data(), filled_).starts_with(text);
    if (found) at_ = text.size();
    return found;
  }
  // Returns how many times more of the file was read.
  std::uint64_t refills() const { return refills_; }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 16;

  void refill() {
    filled_ = source_.read(std::as_writable_bytes(std::span(buffer_)));
    at_ = 0;
    ++refills_;
  }

  data::ByteSource& source_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t refills_ = 0;
};

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t") == text.npos; }

// The part of the table that has been read so far.
struct Table {
  std::string content;
  std::vector<std::size_t> ends;
  std::vector<std::int64_t> lines;

  std::uint64_t bytes() const {
    return content.size() + 8 * std::uint64_t{ends.size() + lines.size()};
  }
};

class RowReader {
 public:
  RowReader(data::ByteSource& source, const std::string& path, const CsvOptions& options)
      : path_(path),
        delimiter_(static_cast<unsigned char>(options.delimiter)),
        limit_(path, options.limits, source.file_bytes()),
        text_(source) {
    if (text_.pass_if("\xff\xfe") || text_.pass_if("\xfe\xff")) {
      throw IoError(format(path, ": expected UTF-8 or another superset of ASCII, received UTF-16, ",
                           "which is not read. Save it as UTF-8"));
    }
    text_.pass_if("\xef\xbb\xbf");  // a byte order mark
  }

  // Appends the next row that is not blank to the table, and returns its number of fields, or 0 at
  // the end of the file.
  std::size_t read(Table& table) {
    while (text_.peek() != Characters::kEnd) {
      const std::size_t content = table.content.size();
      const std::size_t fields = table.ends.size();
      row_line_ = line_;
      bool is_quoted = false;
      while (read_field(table, is_quoted)) {
      }
      const std::size_t count = table.ends.size() - fields;
      const bool is_empty =
          count == 1 && !is_quoted && is_blank(std::string_view(table.content).substr(content));
      if (!is_empty) return count;
      table.content.resize(content);
      table.ends.resize(fields);
    }
    return 0;
  }

  std::int64_t row_line() const { return row_line_; }
  [[noreturn]] void fail(std::int64_t line, const std::string& what) const {
    throw DataError(format(path_, ", line ", line, ": ", what));
  }
  const data::MemoryLimit& limit() const { return limit_; }

 private:
  bool is_at_line_end() {
    const int c = text_.peek();
    return c == '\n' || c == '\r' || c == Characters::kEnd;
  }

  // Returns false for the last field of a row.
  bool read_field(Table& table, bool& is_quoted) {
    if (text_.peek() == '"') {
      is_quoted = true;
      read_quoted(table);
    }
    while (!is_at_line_end() && text_.peek() != delimiter_) {
      table.content += static_cast<char>(text_.peek());
      text_.pass();
      check(table);
    }
    table.ends.push_back(table.content.size());
    check(table);
    if (text_.peek() == delimiter_) {
      text_.pass();
      return true;
    }
    end_line();
    return false;
  }

  // A line ends with LF, CR LF, CR, or the file.
  void end_line() {
    ++line_;
    const bool is_return = text_.peek() == '\r';
    if (text_.peek() != Characters::kEnd) text_.pass();
    if (is_return && text_.peek() == '\n') text_.pass();
  }

  void read_quoted(Table& table) {
    const std::int64_t quote_line = line_;
    text_.pass();
    for (int before = 0;;) {
      const int c = text_.peek();
      if (c == Characters::kEnd) fail(quote_line, "a quote without an end");
      text_.pass();
      if (c == '"' && text_.peek() != '"') break;
      if (c == '"') text_.pass();
      if (c == '\r' || (c == '\n' && before != '\r')) ++line_;
      before = c;
      table.content += static_cast<char>(c);
      check(table);
    }
    if (is_at_line_end() || text_.peek() == delimiter_) return;
    fail(line_, format("expected '", static_cast<char>(delimiter_),
                       "' or the end of the line behind a quoted field, received '",
                       static_cast<char>(text_.peek()), "'"));
  }

  // Checks the limits, once for each piece of the file, which is often enough.
  void check(const Table& table) {
    if (text_.refills() == checked_) return;
    checked_ = text_.refills();
    limit_.check(table.bytes());
  }

  const std::string& path_;
  const int delimiter_;
  const data::MemoryLimit limit_;
  Characters text_;
  std::uint64_t checked_ = 0;
  std::int64_t line_ = 1;
  std::int64_t row_line_ = 1;
};

// Makes the names differ, and none of them empty.
std::vector<std::string> unique(std::vector<std::string> names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) names[i] = format("Unnamed: ", i);
  }
  std::set<std::string> taken(names.begin(), names.end());
  std::map<std::string, std::int64_t> seen;
  for (std::string& name : names) {
    std::int64_t& number = seen[name];
    if (number++ == 0) continue;
    std::string other;
    do {
      other = format(name, ".", number++ - 1);
    } while (!taken.insert(other).second);
    --number;
    name = other;
  }
  return names;
}

}  // namespace

Csv read_csv(const std::string& path, CsvOptions options) {
  if (options.delimiter == '"' || options.delimiter == '\n' || options.delimiter == '\r') {
    throw ValueError(
        "CsvOptions: expected a delimiter other than a quote or the end of a line, received one "
        "of them");
  }
  return with_own_errors(path, [&] {
    data::ByteSource source(path);
    RowReader reader(source, path, options);
    Table table;
    const std::size_t width = reader.read(table);
    if (width == 0) throw DataError(format(path, ": expected at least one line, received none"));
    // A name takes about this much memory, with the copies that are held while the names are made
    // to differ.
    constexpr std::uint64_t kBytesOfName = 128;
    reader.limit().check(table.bytes() + kBytesOfName * width);

    Csv result;
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t begin = i == 0 ? 0 : table.ends[i - 1];
      result.names_.push_back(options.header ? table.content.substr(begin, table.ends[i] - begin)
                                             : std::to_string(i));
    }
    if (options.header) {
      result.names_ = unique(std::move(result.names_));
      table = {};
    } else {
      table.lines.push_back(reader.row_line());
    }
    while (const std::size_t fields = reader.read(table)) {
      if (fields != width) {
        reader.fail(reader.row_line(),
                    format("expected ", width, " fields, as in the first line, received ", fields));
      }
      table.lines.push_back(reader.row_line());
    }
    result.path_ = path;
    result.options_ = std::move(options);
    result.content_ = std::move(table.content);
    result.ends_ = std::move(table.ends);
    result.lines_ = std::move(table.lines);
    result.rows_ = static_cast<std::int64_t>(result.lines_.size());
    return result;
  });
}

}  // namespace stoker
