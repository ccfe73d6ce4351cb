// Sequences: ECMA-48, and xterm's private modes ("XTerm Control Sequences", Moy and others).
#include "support/terminal_emulator.h"

#include <algorithm>
#include <utility>

#include "report/columns.h"

namespace stoker::test {
namespace {

std::string text_of(const std::vector<std::string>& cells) {
  std::string text;
  for (const std::string& cell : cells) text += cell;
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::vector<int> numbers_of(std::string_view parameters) {
  std::vector<int> numbers{0};
  for (const char c : parameters) {
    if (c == ';') {
      numbers.push_back(0);
    } else if (c >= '0' && c <= '9') {
      numbers.back() = 10 * numbers.back() + (c - '0');
    }
  }
  return numbers;
}

}  // namespace

TerminalEmulator::TerminalEmulator(int columns, int rows, bool reflows)
    : columns_(columns), rows_(rows), reflows_(reflows), bottom_(rows - 1) {
  screen_.rows.assign(static_cast<std::size_t>(rows), blank());
}

TerminalEmulator::Row TerminalEmulator::blank() const {
  return {std::vector<Cell>(static_cast<std::size_t>(columns_)), false};
}

void TerminalEmulator::write(std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (partial_.empty() && (byte < 0x20 || byte == 0x7F) && byte != 0x1B) {
      control(byte);
      continue;
    }
    partial_ += c;
    if (partial_[0] == '\x1b') {
      escape(partial_);
      continue;
    }
    const auto first = static_cast<unsigned char>(partial_[0]);
    const std::size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (partial_.size() < size) continue;
    put(std::exchange(partial_, ""));
  }
}

void TerminalEmulator::put(const std::string& character) {
  std::string_view text = character;
  const int width = report::columns_of(report::take_character(text));
  if (width <= 0) return;  // Marks that combine are not kept.
  if (screen_.pending_wrap || screen_.column + width > columns_) {
    here().wraps = true;
    screen_.column = 0;
    screen_.pending_wrap = false;
    line_feed();
  }
  here().cells[static_cast<std::size_t>(screen_.column)].text = character;
  if (width == 2) here().cells[static_cast<std::size_t>(screen_.column + 1)].text = "";
  screen_.column += width;
  if (screen_.column >= columns_) {
    screen_.column = columns_ - 1;
    screen_.pending_wrap = true;
  }
  last_ = character;
}

void TerminalEmulator::scroll(int top, int bottom, int lines) {
  auto& rows = screen_.rows;
  for (int i = 0; i < lines; ++i) {
    if (top == 0 && !is_alternate_) scrolled_.push_back(rows.front());
    rows.erase(rows.begin() + top);
    rows.insert(rows.begin() + bottom, blank());
  }
  for (int i = 0; i > lines; --i) {
    rows.erase(rows.begin() + bottom);
    rows.insert(rows.begin() + top, blank());
  }
}

void TerminalEmulator::line_feed() {
  screen_.pending_wrap = false;
  if (screen_.row == bottom_) {
    scroll(top_, bottom_, 1);
  } else if (screen_.row + 1 < rows_) {
    ++screen_.row;
  }
}

void TerminalEmulator::control(unsigned char byte) {
  switch (byte) {
    case '\r':
      screen_.column = 0;
      screen_.pending_wrap = false;
      break;
    case '\n':
      line_feed();
      break;
    case '\b':
      screen_.column = std::max(0, screen_.column - 1);
      screen_.pending_wrap = false;
      break;
    case '\t':
      screen_.column = std::min(columns_ - 1, (screen_.column / 8 + 1) * 8);
      break;
    case '\a':
    case 0x0E:
    case 0x0F:
      break;
    default:
      unknown_ += "control " + std::to_string(byte) + " ";
  }
}

// Handles the sequence, once it is whole.
void TerminalEmulator::escape(std::string_view text) {
  if (text.size() < 2) return;
  if (text[1] == '[') {
    const char last = text.back();
    if (text.size() > 2 && last >= 0x40 && last <= 0x7E) {
      const std::string parameters(text.substr(2, text.size() - 3));
      partial_.clear();
      sequence(parameters, last);
    }
    return;
  }
  if (text[1] == '(' || text[1] == ')') {
    if (text.size() == 3) partial_.clear();
    return;
  }
  if (text[1] == ']') {
    if (text.back() == '\a') partial_.clear();
    return;
  }
  switch (text[1]) {
    case '7':
      saved_row_ = screen_.row;
      saved_column_ = screen_.column;
      break;
    case '8':
      screen_.row = std::min(saved_row_, rows_ - 1);
      screen_.column = std::min(saved_column_, columns_ - 1);
      break;
    case 'M':
      if (screen_.row == top_) {
        scroll(top_, bottom_, -1);
      } else {
        screen_.row = std::max(0, screen_.row - 1);
      }
      break;
    case '=':
    case '>':
      break;
    default:
      unknown_ += "ESC " + std::string(text.substr(1)) + " ";
  }
  partial_.clear();
}

void TerminalEmulator::erase_line(int how) {
  auto& cells = here().cells;
  const auto column = static_cast<std::size_t>(screen_.column);
  const std::size_t begin = how == 0 ? column : 0;
  const std::size_t end = how == 1 ? column + 1 : cells.size();
  for (std::size_t i = begin; i < end; ++i) cells[i] = {};
  if (how != 1) here().wraps = false;
}

void TerminalEmulator::erase_display(int how) {
  if (how != 3) erase_line(how);
  for (int row = 0; row < rows_; ++row) {
    const bool is_erased = how == 2 || (how == 0 ? row > screen_.row : row < screen_.row);
    if (is_erased) screen_.rows[static_cast<std::size_t>(row)] = blank();
  }
}

void TerminalEmulator::sequence(std::string_view parameters, char final) {
  const std::vector<int> numbers = numbers_of(parameters);
  const int count = std::max(1, numbers[0]);
  if (final != 'm') screen_.pending_wrap = false;
  auto& cells = here().cells;
  const auto column = cells.begin() + screen_.column;
  const int room = columns_ - screen_.column;
  switch (final) {
    case 'A':
      screen_.row = std::max(0, screen_.row - count);
      break;
    case 'B':
      screen_.row = std::min(rows_ - 1, screen_.row + count);
      break;
    case 'C':
      screen_.column = std::min(columns_ - 1, screen_.column + count);
      break;
    case 'D':
      screen_.column = std::max(0, screen_.column - count);
      break;
    case 'G':
      screen_.column = std::min(columns_, count) - 1;
      break;
    case 'd':
      screen_.row = std::min(rows_, count) - 1;
      break;
    case 'H':
    case 'f':
      screen_.row = std::min(rows_, count) - 1;
      screen_.column = std::min(columns_, numbers.size() > 1 ? std::max(1, numbers[1]) : 1) - 1;
      break;
    case 'J':
      erase_display(numbers[0]);
      break;
    case 'K':
      erase_line(numbers[0]);
      break;
    case 'X':
      for (int i = 0; i < std::min(count, room); ++i) column[i] = {};
      break;
    case 'P':
      for (int i = 0; i < std::min(count, room); ++i) {
        cells.erase(cells.begin() + screen_.column);
        cells.emplace_back();
      }
      break;
    case '@':
      for (int i = 0; i < std::min(count, room); ++i) {
        cells.insert(cells.begin() + screen_.column, Cell{});
        cells.pop_back();
      }
      break;
    case 'L':
      scroll(screen_.row, bottom_, -count);
      break;
    case 'M':
      scroll(screen_.row, bottom_, count);
      break;
    case 'S':
      scroll(top_, bottom_, count);
      break;
    case 'T':
      scroll(top_, bottom_, -count);
      break;
    case 'b':
      for (int i = 0; i < count; ++i) put(std::string(last_));
      break;
    case 'r':
      top_ = count - 1;
      bottom_ = numbers.size() > 1 ? numbers[1] - 1 : rows_ - 1;
      screen_.row = screen_.column = 0;
      break;
    case 'm':
      for (const int number : numbers) {
        has_seen_color_ = has_seen_color_ || (number >= 30 && number <= 37) || number > 40;
      }
      break;
    case 'h':
    case 'l':
      if (parameters == "?25") shows_cursor_ = final == 'h';
      if (parameters == "?1049" && is_alternate_ != (final == 'h')) {
        is_alternate_ = final == 'h';
        std::swap(screen_, normal_);
        if (is_alternate_) {
          screen_ = {std::vector<Row>(static_cast<std::size_t>(rows_), blank()), normal_.row,
                     normal_.column, false};
        }
      }
      break;
    case 't':
      break;
    default:
      unknown_ += "CSI " + std::string(parameters) + final + " ";
  }
}

// Joins rows to lines of text, and cuts these for the new width. The cursor stays with the
// character on which it stands.
void TerminalEmulator::reflow(int columns, int rows) {
  struct Text {
    std::vector<Cell> cells;
    int cursor = -1;
  };
  std::vector<Row> all = std::move(scrolled_);
  scrolled_.clear();
  const int cursor_row = static_cast<int>(all.size()) + screen_.row;
  all.insert(all.end(), screen_.rows.begin(), screen_.rows.end());
  std::vector<Text> texts(1);
  for (int i = 0; i < static_cast<int>(all.size()); ++i) {
    Text& text = texts.back();
    if (i == cursor_row) text.cursor = static_cast<int>(text.cells.size()) + screen_.column;
    Row& row = all[static_cast<std::size_t>(i)];
    text.cells.insert(text.cells.end(), row.cells.begin(), row.cells.end());
    if (!row.wraps) texts.emplace_back();
  }
  columns_ = columns;
  std::vector<Row> wrapped;
  int new_row = 0;
  for (Text& text : texts) {
    while (!text.cells.empty() && text.cells.back().text == " " &&
           static_cast<int>(text.cells.size()) > text.cursor + 1) {
      text.cells.pop_back();
    }
    std::size_t begin = 0;
    do {
      const std::size_t end =
          std::min(text.cells.size(), begin + static_cast<std::size_t>(columns));
      const int cursor = text.cursor - static_cast<int>(begin);
      if (text.cursor >= 0 && cursor >= 0 && cursor < columns) {
        new_row = static_cast<int>(wrapped.size());
        screen_.column = cursor;
      }
      Row row = blank();
      std::copy(text.cells.begin() + static_cast<std::ptrdiff_t>(begin),
                text.cells.begin() + static_cast<std::ptrdiff_t>(end), row.cells.begin());
      row.wraps = end < text.cells.size();
      wrapped.push_back(std::move(row));
      begin = end;
    } while (begin < text.cells.size());
  }
  const auto is_blank = [](const Row& row) {
    return std::ranges::all_of(row.cells, [](const Cell& cell) { return cell.text == " "; });
  };
  while (static_cast<int>(wrapped.size()) > std::max(rows, new_row + 1) &&
         is_blank(wrapped.back())) {
    wrapped.pop_back();
  }
  const int gone = std::max(0, static_cast<int>(wrapped.size()) - rows);
  scrolled_.assign(wrapped.begin(), wrapped.begin() + gone);
  screen_.rows.assign(wrapped.begin() + gone, wrapped.end());
  screen_.row = std::max(0, new_row - gone);
}

void TerminalEmulator::resize(int columns, int rows) {
  if (reflows_ && !is_alternate_) {
    reflow(columns, rows);
  } else {
    columns_ = columns;
    while (static_cast<int>(screen_.rows.size()) > rows &&
           screen_.row + 1 < static_cast<int>(screen_.rows.size())) {
      screen_.rows.pop_back();
    }
    while (static_cast<int>(screen_.rows.size()) > rows) {
      if (!is_alternate_) scrolled_.push_back(screen_.rows.front());
      screen_.rows.erase(screen_.rows.begin());
      screen_.row = std::max(0, screen_.row - 1);
    }
  }
  rows_ = rows;
  for (Screen* screen : {&screen_, &normal_}) {
    if (screen == &normal_ && !is_alternate_) continue;
    screen->rows.resize(static_cast<std::size_t>(rows), blank());
    for (Row& row : screen->rows) row.cells.resize(static_cast<std::size_t>(columns));
    screen->row = std::min(screen->row, rows - 1);
    screen->column = std::min(screen->column, columns - 1);
    screen->pending_wrap = false;
  }
  top_ = 0;
  bottom_ = rows - 1;
}

std::vector<std::string> TerminalEmulator::screen() const {
  std::vector<std::string> lines;
  for (const Row& row : screen_.rows) {
    std::vector<std::string> cells;
    for (const Cell& cell : row.cells) cells.push_back(cell.text);
    lines.push_back(text_of(cells));
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::vector<std::string> TerminalEmulator::everything() const {
  std::vector<std::string> lines;
  for (const Row& row : scrolled_) {
    std::vector<std::string> cells;
    for (const Cell& cell : row.cells) cells.push_back(cell.text);
    lines.push_back(text_of(cells));
  }
  const std::vector<std::string> shown = screen();
  lines.insert(lines.end(), shown.begin(), shown.end());
  return lines;
}

int TerminalEmulator::lines_with(std::string_view text) const {
  int count = 0;
  for (const std::string& line : everything()) count += line.find(text) != std::string::npos;
  return count;
}

}  // namespace stoker::test
