// A small terminal in memory: what a person would see of what a program has written. It knows what
// progress bars and ncurses for "xterm-256color" and "linux" send; anything else is an error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stoker::test {

class TerminalEmulator {
 public:
  // A terminal that wraps lines anew when its width changes (as most do) `reflows`; others cut.
  TerminalEmulator(int columns, int rows, bool reflows = true);

  // Takes bytes, which may end within a sequence or a character.
  void write(std::string_view bytes);
  void resize(int columns, int rows);

  // The lines of the screen without blanks at their ends, and without empty lines at the bottom.
  std::vector<std::string> screen() const;
  // The same with the lines that have scrolled off before it.
  std::vector<std::string> everything() const;
  // The number of lines, of all, that contain a text.
  int lines_with(std::string_view text) const;

  bool is_alternate() const { return is_alternate_; }
  bool shows_cursor() const { return shows_cursor_; }
  bool has_seen_color() const { return has_seen_color_; }
  // Sequences that are not known; empty for a program that keeps to what is.
  const std::string& unknown() const { return unknown_; }

 private:
  struct Cell {
    std::string text = " ";  // empty for the second column of a wide character
  };
  struct Row {
    std::vector<Cell> cells;
    bool wraps = false;  // whether the row below continues this one
  };
  struct Screen {
    std::vector<Row> rows;
    int row = 0, column = 0;
    bool pending_wrap = false;
  };

  Row blank() const;
  void put(const std::string& character);
  void line_feed();
  void control(unsigned char byte);
  void escape(std::string_view sequence);
  void sequence(std::string_view parameters, char final);
  void erase_display(int how);
  void erase_line(int how);
  void scroll(int top, int bottom, int lines);
  void reflow(int columns, int rows);
  Row& here() { return screen_.rows[static_cast<std::size_t>(screen_.row)]; }

  int columns_;
  int rows_;
  const bool reflows_;
  Screen screen_;
  Screen normal_;  // while the alternate one is shown
  int saved_row_ = 0, saved_column_ = 0;
  int top_ = 0, bottom_;
  std::vector<Row> scrolled_;  // off the normal screen
  std::string partial_;        // the beginning of a sequence or of a character
  std::string last_;           // the last character, for REP
  bool is_alternate_ = false;
  bool shows_cursor_ = true;
  bool has_seen_color_ = false;
  std::string unknown_;
};

}  // namespace stoker::test
