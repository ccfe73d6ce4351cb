// Comma-separated values, with quotes as RFC 4180 has them.
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
  // What a missing number counts as, where a number is asked for; none: it is an error.
  std::optional<float> missing{};
  // What stands for a missing number, besides an empty field and anything that reads as NaN:
  // pandas's words, and UCI's question mark.
  std::vector<std::string> missing_words = {
      "?",    "NA",  "N/A", "n/a",  "#N/A", "#N/A N/A", "#NA",     "<NA>",    "NULL",    "null",
      "None", "NaN", "nan", "-NaN", "-nan", "1.#IND",   "-1.#IND", "1.#QNAN", "-1.#QNAN"};
  // The limits of the text and its fields in memory.
  ReadLimits limits{};
};

// A table in memory, as text until numbers are asked for.
class Csv {
 public:
  // A column without a name is "Unnamed: 3", by its number from 0, and of columns of one name the
  // later ones are "value.1", "value.2", ..., as in pandas.
  const std::vector<std::string>& names() const { return names_; }
  std::int64_t rows() const { return rows_; }
  // Throws ValueError, listing the names there are, for a column that is not.
  std::size_t column(const std::string& name) const;

  // Columns side by side: float32 (rows, columns). All of them, in the file's order, without an
  // argument. Throws DataError, naming line and column, for what is no number, and for a missing
  // one where the options don't say what it counts as.
  Tensor floats(const std::vector<std::string>& columns = {}) const;
  // int32 (rows). Also throws DataError for a missing number where CsvOptions::missing is no whole
  // number that fits.
  Tensor ints(const std::string& column) const;
  std::vector<std::string> texts(const std::string& column) const;
  // Numbers for texts: int32 (rows), and the texts that they stand for, sorted.
  Tensor categories(const std::string& column, std::vector<std::string>& values) const;

 private:
  friend Csv read_csv(const std::string& path, CsvOptions options);
  std::string_view text(std::int64_t row, std::size_t column) const;
  [[noreturn]] void fail(std::int64_t row, std::size_t column, const std::string& expected) const;

  std::string path_;
  CsvOptions options_;
  std::string content_;  // fields without their quotes, row by row, nothing between them
  std::vector<std::string> names_;
  std::vector<std::size_t> ends_;    // of the fields in content_
  std::vector<std::int64_t> lines_;  // of each row in the file, from 1
  std::int64_t rows_ = 0;
};

// Reads all of a file, which may be gzipped. A line ends in LF, CR LF or CR, the last one perhaps
// in nothing. Lines that are empty, or hold nothing but spaces and tabs, are passed over, in a
// table of one column too: write "" for an empty field there. Throws IoError for a file that is
// missing, damaged, larger than the limits or UTF-16; DataError, naming the line, for a row with
// another number of fields than the first, or a quote without an end; ValueError for a delimiter
// that can't be one.
Csv read_csv(const std::string& path, CsvOptions options = {});

}  // namespace stoker
