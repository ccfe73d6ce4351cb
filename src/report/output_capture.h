// Takes what the program prints while a display has the whole terminal.
#pragma once

#include <array>
#include <string>

namespace stoker::report {

// Between start() and stop() a pipe stands in place of standard output and, where that goes to the
// same terminal, of standard error. Somebody has to read() all the time, since a full pipe blocks
// whoever prints. start() and stop() are safe within signal handlers.
class OutputCapture {
 public:
  // Throws std::system_error where the system has no descriptors left. Does not start.
  OutputCapture();
  ~OutputCapture();
  OutputCapture(const OutputCapture&) = delete;
  OutputCapture& operator=(const OutputCapture&) = delete;

  void start() noexcept;
  // Gives the descriptors back. What was printed and not yet read stays for read().
  void stop() noexcept;
  // Copies what was not yet read to the terminal: for a program that is about to end.
  void flush() noexcept;

  int descriptor() const { return read_; }  // becomes readable when there is something to read
  // Appends what has been printed.
  void read(std::string& to);

 private:
  static constexpr std::array<int, 2> kTaken = {1, 2};
  int read_ = -1;
  int write_ = -1;
  std::array<int, 2> saved_{-1, -1};  // copies of the descriptors, for stop()
};

}  // namespace stoker::report
