// Comma-separated values, with quotes as in RFC 4180.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stoker/read_limits.h"
#include "stoker/tensor.h"

namespace stoker {

struct CsvOptions {
  char delimiter = ',';
  bool header = true;  // the first line names the columns; otherwise they are "0", "1", ...
  // The number that a missing one counts as. Without a value a missing number is an error.
  std::optional<float> missing{};
  // The words that stand for a missing number, besides an empty field and anything that reads as
  // NaN: pandas's words, and UCI's question mark.
  std::vector<std::string> missing_words = {
      "?",    "NA",  "N/A", "n/a",  "#N/A", "#N/A N/A", "#NA",     "<NA>",    "NULL",    "null",
      "None", "NaN", "nan", "-NaN", "-nan", "1.#IND",   "-1.#IND", "1.#QNAN", "-1.#QNAN"};
  // The limits of the text and its fields in memory.
  ReadLimits limits{};
};

// A table in memory, as text until numbers are asked for.
class Csv {
 public:
  // Returns the names of the columns. A column without a name is called "Unnamed: 3", by its number
  // from 0. If several columns have the same name, the later ones are called "value.1", "value.2",
  // ..., as in pandas.
  const std::vector<std::string>& names() const { return names_; }
  std::int64_t rows() const { return rows_; }
  // Returns a column's number. If there is no such column, throws a ValueError that lists the
  // names.
  std::size_t column(const std::string& name) const;

  // Returns columns side by side, as float32 (rows, columns): all of them, in the file's order, if
  // none are named. Throws DataError, naming line and column, for a field that is no number, and
  // for a missing number if the options don't say what it counts as.
  Tensor floats(const std::vector<std::string>& columns = {}) const;
  // Returns a column as int32 (rows). Throws DataError as floats() does, and also for a missing
  // number if CsvOptions::missing is no whole number that fits.
  Tensor ints(const std::string& column) const;
  std::vector<std::string> texts(const std::string& column) const;
  // Returns numbers for the texts of a column, as int32 (rows). `values` gets the texts that they
  // stand for, sorted.
  Tensor categories(const std::string& column, std::vector<std::string>& values) const;

 private:
  friend Csv read_csv(const std::string& path, CsvOptions options);
  std::string_view text(std::int64_t row, std::size_t column) const;
  [[noreturn]] void fail(std::int64_t row, std::size_t column, const std::string& expected) const;

  std::string path_;
  CsvOptions options_;
  std::string content_;  // fields without their quotes, row by row, with nothing in between
  std::vector<std::string> names_;
  std::vector<std::size_t> ends_;    // the ends of the fields in content_
  std::vector<std::int64_t> lines_;  // the line of each row in the file, from 1
  std::int64_t rows_ = 0;
};

// Reads all of a file, which may be gzipped. A line ends in LF, CR LF or CR; the last one may end
// without any. Lines that are empty, or hold only spaces and tabs, are skipped, even in a table of
// one column, in which an empty field must be written as "". Throws IoError for a file that is
// missing, damaged, larger than the limits or UTF-16; DataError, naming the line, for a row with
// another number of fields than the first, or a quote without an end; ValueError for a delimiter
// that can't be one.
Csv read_csv(const std::string& path, CsvOptions options = {});

}  // namespace stoker
