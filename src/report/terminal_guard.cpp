#include "report/terminal_guard.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "report/output_capture.h"
#include "report/patient_write.h"

namespace stoker::report {
namespace {

constexpr std::array<int, 11> kSignals = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGABRT,
                                          SIGSEGV, SIGBUS,  SIGFPE, SIGILL,  SIGXCPU};

enum class Shown : int {
  nothing,    // There is no guard, or it was closed.
  display,    // The display has the terminal.
  suspended,  // A signal is being handled; the terminal is as it was before.
  returning,  // The display may take the terminal again.
  restored    // The terminal was restored for good.
};

// Signal handlers have no other state. What is no atomic is written while `shown` is `nothing`.
std::atomic<Shown> shown{Shown::nothing};
std::atomic<bool> is_drawing{false};
std::atomic<bool> has_drawer{false};
static_assert(std::atomic<Shown>::is_always_lock_free);
pthread_t drawer;
pid_t owner = 0;
int descriptor = -1;
termios before, during;
std::array<char, 256> enter, leave;
std::size_t enter_size = 0, leave_size = 0;
OutputCapture* output = nullptr;
std::array<struct sigaction, kSignals.size()> previous;
std::array<bool, kSignals.size()> is_ours;

// A signal has to end the program also where nobody reads the terminal.
constexpr int kPatience = 200;  // milliseconds

// A process in the background must not touch the terminal, which would stop it. Where the terminal
// is not the process's own, there is no such thing.
bool is_in_foreground() {
  const pid_t group = tcgetpgrp(descriptor);
  return group < 0 || group == getpgrp();
}

// A frame is a single write in most cases, and is soon over.
void wait_for_frame() {
  if (has_drawer && pthread_equal(pthread_self(), drawer) != 0) return;
  constexpr int kTries = 200;
  const timespec millisecond{0, 1'000'000};
  for (int i = 0; i < kTries && is_drawing.load(); ++i) nanosleep(&millisecond, nullptr);
}

// Takes the terminal from the display. Returns false where the display did not have it.
bool take_terminal(Shown next) {
  if (getpid() != owner) return false;  // A child that was forked shares nothing but the screen.
  Shown expected = Shown::display;
  if (!shown.compare_exchange_strong(expected, next)) return false;
  wait_for_frame();
  if (is_in_foreground()) {
    write_patiently(descriptor, {leave.data(), leave_size}, kPatience);
    tcsetattr(descriptor, TCSANOW, &before);
  }
  output->stop();
  return true;
}

std::size_t index_of(int signal) {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i] == signal) return i;
  }
  return 0;
}

void handle(int signal, siginfo_t* info, void* context);

void install(int signal) {
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

// Stops the process as if there were no handler (Stevens, "Advanced Programming in the UNIX
// Environment", 10.21), and returns when it goes on.
void stop_process() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTSTP, &action, nullptr);
  sigset_t stop, others;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  raise(SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &stop, &others);
  pthread_sigmask(SIG_SETMASK, &others, nullptr);
  install(SIGTSTP);
}

void handle(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const struct sigaction& old = previous[index_of(signal)];
  const bool was_shown = take_terminal(Shown::suspended);
  const bool is_default = (old.sa_flags & SA_SIGINFO) == 0 && old.sa_handler == SIG_DFL;
  if (is_default && signal != SIGTSTP) {
    if (was_shown) output->flush(kPatience);
    // The signal arrives again as this returns, and ends the program.
    sigaction(signal, &old, nullptr);
    raise(signal);
    errno = error;
    return;
  }
  if (is_default) {
    stop_process();
  } else if ((old.sa_flags & SA_SIGINFO) != 0) {
    old.sa_sigaction(signal, info, context);
  } else {
    old.sa_handler(signal);
  }
  Shown expected = Shown::suspended;
  if (was_shown) shown.compare_exchange_strong(expected, Shown::returning);
  errno = error;
}

// A signal that is ignored stays ignored.
bool is_wanted(int signal, const struct sigaction& action, bool guards_interrupt) {
  if (signal == SIGINT && !guards_interrupt) return false;
  return (action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_IGN;
}

std::size_t keep(const std::string& text, std::array<char, 256>& in) {
  const std::size_t size = std::min(text.size(), in.size());
  std::memcpy(in.data(), text.data(), size);
  return size;
}

}  // namespace

TerminalGuard::TerminalGuard(TerminalModes modes, OutputCapture& captured, bool guards_interrupt) {
  static const bool registered = std::atexit([] { restore_terminal(); }) == 0;
  (void)registered;
  owner = getpid();
  descriptor = modes.descriptor;
  before = modes.before;
  during = modes.during;
  enter_size = keep(modes.enter, enter);
  leave_size = keep(modes.leave, leave);
  output = &captured;
  has_drawer = false;
  shown = Shown::display;
  output->start();
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], nullptr, &previous[i]);
    is_ours[i] = is_wanted(kSignals[i], previous[i], guards_interrupt);
    if (is_ours[i]) install(kSignals[i]);
  }
}

bool TerminalGuard::close() {
  if (!is_open_) return false;
  is_open_ = false;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (!is_ours[i]) continue;
    struct sigaction now {};
    sigaction(kSignals[i], nullptr, &now);
    // Otherwise the program has set another handler since.
    if (now.sa_sigaction == handle) sigaction(kSignals[i], &previous[i], nullptr);
  }
  const Shown was = shown.exchange(Shown::nothing);
  output->stop();
  return was == Shown::display;
}

TerminalGuard::Frame TerminalGuard::begin_frame() {
  if (!has_drawer) {
    drawer = pthread_self();
    has_drawer = true;
  }
  is_drawing = true;
  Shown now = shown.load();
  if (now == Shown::display) return Frame::draw;
  if (now == Shown::returning && is_in_foreground() &&
      shown.compare_exchange_strong(now, Shown::display)) {
    tcsetattr(descriptor, TCSANOW, &during);
    write_patiently(descriptor, {enter.data(), enter_size}, kForEver);
    output->start();
    return Frame::repaint;
  }
  is_drawing = false;
  return Frame::none;
}

void TerminalGuard::end_frame() { is_drawing = false; }

void restore_terminal() noexcept {
  if (take_terminal(Shown::restored)) output->flush(kForEver);
}

}  // namespace stoker::report
