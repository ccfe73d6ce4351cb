// Takes what the program prints while a display has the whole terminal.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>

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
  // Writes everything to the terminal, for a program that is about to end, and gives up where that
  // takes nothing for so many milliseconds (patient_write.h). It is safe within signal handlers too.
  void flush(int milliseconds) noexcept;

  int descriptor() const { return read_; }  // becomes readable when there is something to read
  // Takes what has been printed.
  void read() noexcept;
  // Returns what was taken, or the last part of it, some hundred kilobytes. One thread at a time
  // calls this and read().
  std::string_view text() const { return {text_.get(), size_}; }

 private:
  static constexpr std::array<int, 2> kTaken = {1, 2};
  void take() noexcept;

  int read_ = -1;
  int write_ = -1;
  std::array<int, 2> saved_{-1, -1};  // copies of the descriptors, for stop()
  std::unique_ptr<char[]> text_;
  std::atomic<std::size_t> size_{0};
  std::atomic_flag is_taking_;
};

}  // namespace stoker::report
