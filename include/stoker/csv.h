// Comma-separated values, with quotes as RFC 4180 has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/tensor.h"

namespace stoker {

struct CsvOptions {
  char delimiter = ',';
  bool header = true;  // the first line names the columns; otherwise they are "0", "1", ...
  // What an empty field counts as, where a number is asked for; none: it is an error.
  std::optional<float> missing{};
};

// A table in memory, as text until numbers are asked for.
class Csv {
 public:
  const std::vector<std::string>& names() const { return names_; }
  std::int64_t rows() const { return rows_; }
  // Throws ValueError, listing the names there are, for a column that is not.
  std::size_t column(const std::string& name) const;

  // Columns side by side: float32 (rows, columns). All of them without an argument. Throws
  // DataError, naming line and column, for what is no number.
  Tensor floats(const std::vector<std::string>& columns = {}) const;
  // int32 (rows).
  Tensor ints(const std::string& column) const;
  std::vector<std::string> texts(const std::string& column) const;
  // Numbers for texts: int32 (rows), and the texts that they stand for, sorted.
  Tensor categories(const std::string& column, std::vector<std::string>& values) const;

 private:
  friend Csv read_csv(const std::string& path, CsvOptions options);
  struct Cell {
    std::size_t begin;
    std::size_t end;
  };
  std::string_view text(std::int64_t row, std::size_t column) const;
  [[noreturn]] void fail(std::int64_t row, std::size_t column, const std::string& expected) const;

  std::string path_;
  CsvOptions options_;
  std::string content_;  // fields without their quotes
  std::vector<std::string> names_;
  std::vector<Cell> cells_;          // row by row
  std::vector<std::int64_t> lines_;  // of each row in the file, from 1
  std::int64_t rows_ = 0;
};

// Reads all of a file of at most 2^33 bytes, which may be gzipped. Throws IoError for one that is
// missing, and DataError, naming the line, for a row with another number of fields than the first,
// or a quote without an end.
Csv read_csv(const std::string& path, CsvOptions options = {});

}  // namespace stoker
