// Draws tables as Keras does, and formats numbers for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace stoker::train {

std::string grouped(std::int64_t number);   // 1,234,567
std::string byte_size(std::int64_t bytes);  // 1.18 MB

class Table {
 public:
  // Widths include a blank on either side. Columns from `first_right` on are aligned to the right.
  Table(std::ostream& out, std::vector<std::size_t> widths, std::size_t first_right);

  void header(const std::vector<std::string>& cells);
  // Text that is too long for its cell is cut off.
  void row(const std::vector<std::string>& cells);
  void end();

 private:
  void rule(const char* left, const char* line, const char* middle, const char* right);
  void write(const std::vector<std::string>& cells, const char* bar);

  std::ostream& out_;
  std::vector<std::size_t> widths_;
  std::size_t first_right_;
  bool has_rows_ = false;
};

}  // namespace stoker::train
