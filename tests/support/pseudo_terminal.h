// A pseudo-terminal, and a program that runs on one. Link with -lutil.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <functional>
#include <ostream>
#include <streambuf>
#include <string>

#include "support/terminal_emulator.h"

namespace stoker::test {

// A terminal whose screen is an emulator's. What is written to it is seen after read().
class PseudoTerminal {
 public:
  PseudoTerminal(int columns, int rows, bool reflows = true);
  ~PseudoTerminal();
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  int descriptor() const { return program_; }  // the program's end
  std::ostream& out() { return out_; }         // writes to it
  // Takes what was written so far to the screen, and returns the screen.
  TerminalEmulator& read();
  void resize(int columns, int rows);

 protected:
  int person_ = -1;  // the end of the person who looks
  int program_ = -1;
  TerminalEmulator screen_;

 private:
  class Buffer : public std::streambuf {
   public:
    explicit Buffer(PseudoTerminal& terminal) : terminal_(terminal) {}

   private:
    int overflow(int c) override;
    std::streamsize xsputn(const char* bytes, std::streamsize size) override;
    PseudoTerminal& terminal_;
  };

  Buffer buffer_{*this};
  std::ostream out_{&buffer_};
};

// A child process that runs a function on a pseudo-terminal of its own, which is its controlling
// terminal, standard input, output and error.
class TerminalChild : public PseudoTerminal {
 public:
  // The child ends with the function's result as its status.
  TerminalChild(int columns, int rows, const std::function<int()>& run);
  ~TerminalChild();

  // Reads until the condition holds for the screen. Returns false where the child ended before, or
  // did not get there within half a minute.
  bool wait_for(const std::function<bool(TerminalEmulator&)>& condition);
  bool wait_for_text(const std::string& text);
  // Reads until the child has ended; returns its status as waitpid() has it, or -1 after half a
  // minute.
  int wait_until_ended();
  // The same without reading, as where nobody looks at the terminal.
  int wait_until_ended_unread();
  void type(const std::string& keys);
  void send(int signal);
  // Closes the person's end, as a window that is closed does.
  void hang_up();
  // The terminal's settings at present, and when the child was started.
  termios settings() const;
  const termios& first_settings() const { return first_; }
  const std::string& output() const { return output_; }  // all that was written

 private:
  bool read_some(int timeout_ms);
  void print_screen() const;

  pid_t process_ = -1;
  int status_ = -1;
  bool has_ended_ = false;
  termios first_{};
  std::string output_;
};

// Whether the settings of two terminals are the same.
bool are_same(const termios& a, const termios& b);

}  // namespace stoker::test
