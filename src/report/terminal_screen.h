// The whole terminal as a screen of lines, by ncurses, which is seen in terminal_screen.cpp alone.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "report/line.h"
#include "report/output_capture.h"
#include "report/terminal.h"
#include "report/terminal_guard.h"

namespace stoker::report {

// While a screen is open it has the terminal: what the program prints is kept, and the terminal is
// given back whatever ends the program (TerminalGuard). Its calls come from one thread at a time;
// that draw() and key() come from should have signals blocked.
class TerminalScreen {
 public:
  // Returns null where the terminal can't move its cursor, is in the background, or has a screen
  // already. `guards_interrupt` is TerminalGuard's.
  static std::unique_ptr<TerminalScreen> open(const Terminal& terminal, bool guards_interrupt);
  // Gives the terminal back.
  ~TerminalScreen();
  TerminalScreen(const TerminalScreen&) = delete;
  TerminalScreen& operator=(const TerminalScreen&) = delete;

  TerminalSize size() const;
  // Shows the lines, of which there are as many as size() has rows. What is on the screen already
  // is not sent again. While the program is stopped or in the background it does nothing.
  void draw(const std::vector<Line>& lines);
  // Returns the next key that was typed, as a character, or 0. It never waits.
  char key();
  // Makes the next draw() send everything.
  void repaint();

  // Becomes readable when a key was typed; below 0 where there is no keyboard.
  int keyboard() const;
  // Takes what the program has printed and returns all of it, or the last part where that is much.
  // Somebody has to call it all the time, at least whenever the descriptor becomes readable.
  std::string_view printed() {
    output_.read();
    return output_.text();
  }
  int printed_descriptor() const { return output_.descriptor(); }

  // Gives the terminal back before the destructor does.
  void close();

 private:
  struct Curses;
  TerminalScreen(std::unique_ptr<Curses> curses, const TerminalModes& modes, bool guards_interrupt);

  std::unique_ptr<Curses> curses_;
  OutputCapture output_;
  TerminalGuard guard_;
  bool is_open_ = true;
};

}  // namespace stoker::report
