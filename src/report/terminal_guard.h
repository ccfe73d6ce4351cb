// Gives a terminal back, whatever ends the program.
#pragma once

#include <termios.h>

#include <string>

namespace stoker::report {

class OutputCapture;

// What a display has changed of a terminal, and how it is undone.
struct TerminalModes {
  int descriptor = -1;
  termios before{};     // the settings without the display
  termios during{};     // and with it
  std::string enter{};  // control sequences that bring the display's screen
  std::string leave{};  // and the ones that bring the other one back
};

// While an object of this class lives, the terminal is restored before a signal ends the program
// (SIGINT, SIGTERM, SIGHUP, SIGQUIT, and those of crashes and of abort()), before exit(), and while
// the program is stopped (SIGTSTP). A handler that the program has itself is called as before, with
// the terminal restored; when it returns, the display comes back. Nothing helps against SIGKILL and
// _exit(). There is one guard at a time.
//
// One thread draws, in the way that begin_frame() asks for. It should have signals blocked.
class TerminalGuard {
 public:
  // The terminal must show the display already. With `guards_interrupt` SIGINT is among the
  // signals; otherwise whoever handles it calls restore_terminal() before the program ends.
  TerminalGuard(TerminalModes modes, OutputCapture& output, bool guards_interrupt);
  ~TerminalGuard() { close(); }
  TerminalGuard(const TerminalGuard&) = delete;
  TerminalGuard& operator=(const TerminalGuard&) = delete;

  // Ends the guard. Returns whether the terminal still shows the display, which the caller then has
  // to end.
  bool close();

  enum class Frame { none, draw, repaint };
  // Returns whether the thread may draw now, and whether it has to draw everything, because the
  // display has come back. After `none` nothing may be written; otherwise end_frame() follows.
  Frame begin_frame();
  void end_frame();

 private:
  bool is_open_ = true;
};

// Restores the terminal for good if there is a guard. It is safe within signal handlers.
void restore_terminal() noexcept;

}  // namespace stoker::report
