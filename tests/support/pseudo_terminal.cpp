#include "support/pseudo_terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <iostream>
#include <stdexcept>

namespace stoker::test {
namespace {

constexpr std::chrono::seconds kPatience(30);

winsize size_of(int columns, int rows) {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = static_cast<unsigned short>(rows);
  return size;
}

}  // namespace

PseudoTerminal::PseudoTerminal(int columns, int rows, bool reflows)
    : screen_(columns, rows, reflows) {
  const winsize size = size_of(columns, rows);
  if (openpty(&person_, &program_, nullptr, nullptr, &size) != 0) {
    throw std::runtime_error("openpty failed");
  }
  fcntl(person_, F_SETFL, O_NONBLOCK);
  fcntl(person_, F_SETFD, FD_CLOEXEC);
}

PseudoTerminal::~PseudoTerminal() {
  if (person_ >= 0) close(person_);
  if (program_ >= 0) close(program_);
}

TerminalEmulator& PseudoTerminal::read() {
  std::array<char, 4096> bytes;
  for (;;) {
    const ssize_t got = ::read(person_, bytes.data(), bytes.size());
    if (got <= 0) return screen_;
    screen_.write({bytes.data(), static_cast<std::size_t>(got)});
  }
}

void PseudoTerminal::resize(int columns, int rows) {
  read();
  const winsize size = size_of(columns, rows);
  ioctl(person_, TIOCSWINSZ, &size);
  screen_.resize(columns, rows);
}

// A terminal takes a few kilobytes, so what is written is read at once.
std::streamsize PseudoTerminal::Buffer::xsputn(const char* bytes, std::streamsize size) {
  std::streamsize written = 0;
  while (written < size) {
    const ssize_t took =
        ::write(terminal_.program_, bytes + written,
                static_cast<std::size_t>(std::min<std::streamsize>(size - written, 1024)));
    if (took < 0) break;
    written += took;
    terminal_.read();
  }
  return written;
}

int PseudoTerminal::Buffer::overflow(int c) {
  const char byte = static_cast<char>(c);
  return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
}

TerminalChild::TerminalChild(int columns, int rows, const std::function<int()>& run)
    : PseudoTerminal(columns, rows) {
  tcgetattr(program_, &first_);
  process_ = fork();
  if (process_ == 0) {
    login_tty(program_);
    _exit(run());
  }
  close(program_);
  program_ = -1;
}

TerminalChild::~TerminalChild() {
  if (has_ended_) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

bool TerminalChild::read_some(int timeout_ms) {
  pollfd wait{person_, POLLIN, 0};
  if (poll(&wait, 1, timeout_ms) <= 0) return false;
  std::array<char, 4096> bytes;
  const ssize_t got = ::read(person_, bytes.data(), bytes.size());
  if (got <= 0) return false;
  const std::string_view text(bytes.data(), static_cast<std::size_t>(got));
  output_ += text;
  screen_.write(text);
  return true;
}

bool TerminalChild::wait_for(const std::function<bool(TerminalEmulator&)>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition(screen_)) {
    if (read_some(20)) continue;
    if (!has_ended_ && waitpid(process_, &status_, WNOHANG) == process_) has_ended_ = true;
    if (has_ended_ || std::chrono::steady_clock::now() > deadline) {
      while (read_some(0)) {
      }
      if (condition(screen_)) return true;
      if (!has_ended_) print_screen();
      return false;
    }
  }
  return true;
}

void TerminalChild::print_screen() const {
  std::cout << "the screen is by now\n";
  for (const std::string& line : screen_.screen()) std::cout << "  |" << line << '\n';
}

bool TerminalChild::wait_for_text(const std::string& text) {
  return wait_for([&](TerminalEmulator& screen) { return screen.lines_with(text) > 0; });
}

int TerminalChild::wait_until_ended() {
  wait_for([&](TerminalEmulator&) { return has_ended_; });
  while (read_some(0)) {
  }
  return has_ended_ ? status_ : -1;
}

int TerminalChild::wait_until_ended_unread() {
  const timespec pause{0, 10'000'000};
  for (int i = 0; i < 3000 && !has_ended_; ++i) {
    has_ended_ = waitpid(process_, &status_, WNOHANG) == process_;
    if (!has_ended_) nanosleep(&pause, nullptr);
  }
  return has_ended_ ? status_ : -1;
}

void TerminalChild::type(const std::string& keys) {
  if (::write(person_, keys.data(), keys.size()) < 0) throw std::runtime_error("write failed");
}

void TerminalChild::send(int signal) {
  if (!has_ended_) kill(process_, signal);
}

void TerminalChild::hang_up() {
  close(person_);
  person_ = -1;
}

termios TerminalChild::settings() const {
  termios now{};
  tcgetattr(person_, &now);
  return now;
}

bool are_same(const termios& a, const termios& b) {
  return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag &&
         a.c_lflag == b.c_lflag && std::equal(std::begin(a.c_cc), std::end(a.c_cc), b.c_cc);
}

}  // namespace stoker::test
