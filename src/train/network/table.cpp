#include "train/network/table.h"

#include <array>
#include <cstdio>
#include <iomanip>
#include <ostream>

namespace stoker::train {

std::string grouped(std::int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string byte_size(std::int64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"B", "KB", "MB", "GB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %s", value, kUnits[unit]);
  return text;
}

Table::Table(std::ostream& out, std::vector<std::size_t> widths, std::size_t first_right)
    : out_(out), widths_(std::move(widths)), first_right_(first_right) {}

void Table::header(const std::vector<std::string>& cells) {
  rule("┏", "━", "┳", "┓");
  write(cells, "┃");
  rule("┡", "━", "╇", "┩");
}

void Table::row(const std::vector<std::string>& cells) {
  if (has_rows_) rule("├", "─", "┼", "┤");
  has_rows_ = true;
  write(cells, "│");
}

void Table::end() { rule("└", "─", "┴", "┘"); }

void Table::rule(const char* left, const char* line, const char* middle, const char* right) {
  for (std::size_t i = 0; i < widths_.size(); ++i) {
    out_ << (i == 0 ? left : middle);
    for (std::size_t k = 0; k < widths_[i]; ++k) out_ << line;
  }
  out_ << right << '\n';
}

void Table::write(const std::vector<std::string>& cells, const char* bar) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    std::string cell = cells[i];
    const std::size_t room = widths_[i] - 2;
    if (cell.size() > room) {
      cell.resize(room - 3);
      cell += "...";
    }
    out_ << bar << ' ' << (i >= first_right_ ? std::right : std::left)
         << std::setw(static_cast<int>(room)) << cell << ' ';
  }
  out_ << bar << '\n';
}

}  // namespace stoker::train
