#include "train/loop/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <new>

#include "report/terminal_guard.h"
#include "train/runtime/use.h"

namespace stoker::train {
namespace {

// The time that other threads get to finish a step that is under way.
constexpr double kPatienceSeconds = 2.0;

// The counter is global because a signal handler has no other state.
std::atomic<int> signals{0};
static_assert(std::atomic<int>::is_always_lock_free);

// The mutex is never destroyed: other threads may lock it while the program ends.
std::mutex& mutex() {
  static std::mutex* const only = new std::mutex;
  return *only;
}
int scopes = 0;  // The mutex guards this and, while it is above 0, SIGINT's disposition.
thread_local int scopes_of_thread = 0;
std::atomic<bool> is_exiting{false};

void handle(int) {
  if (signals.fetch_add(1) == 0) return;
  report::restore_terminal();
  _exit(kInterruptedStatus);
}

}  // namespace

InterruptScope::InterruptScope(bool listen) : listens_(listen) {
  if (!listens_) return;
  const std::lock_guard lock(mutex());
  if (scopes == 0) {
    struct sigaction current {};
    sigaction(SIGINT, nullptr, &current);
    const bool is_default = (current.sa_flags & SA_SIGINFO) == 0 && current.sa_handler == SIG_DFL;
    if (!is_default) {
      listens_ = false;
      return;
    }
    signals.store(0);
    struct sigaction ours {};
    ours.sa_handler = handle;
    ours.sa_flags = SA_RESTART;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGINT, &ours, nullptr);
  }
  ++scopes;
  is_nested_ = scopes_of_thread++ > 0;
}

bool InterruptScope::close(bool exiting) {
  if (!std::exchange(listens_, false)) return was_requested_;
  const std::lock_guard lock(mutex());
  --scopes_of_thread;
  if (--scopes == 0 && !(exiting && signals.load() > 0)) {
    struct sigaction current {};
    sigaction(SIGINT, nullptr, &current);
    if (current.sa_handler == handle) {  // Otherwise the program has set another handler since.
      current = {};
      current.sa_handler = SIG_DFL;
      sigaction(SIGINT, &current, nullptr);
    }
  }
  was_requested_ = signals.load() > 0;
  return was_requested_;
}

bool InterruptScope::requested() const { return listens_ && signals.load() > 0; }

void rethrow_as_error(const char* what, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    std::throw_with_nested(DeviceError(format(what, ": the host has no memory left")));
  } catch (const std::exception& error) {
    std::throw_with_nested(DataError(format(what, ": ", error.what())));
  } catch (...) {
    std::throw_with_nested(
        DataError(format(what, ": the generator threw something that is no std::exception")));
  }
}

void exit_on_interrupt(const Interrupted& interrupted) {
  if (is_exiting.exchange(true)) {
    for (;;) pause();  // Another thread ends the program.
  }
  close_to_new_uses();
  const bool is_quiet = wait_until_unused(kPatienceSeconds);
  std::cout << std::endl;
  std::cerr << interrupted.what() << std::endl;
  if (is_quiet) std::exit(kInterruptedStatus);
  // The program ends without destructors of globals, which a thread that still computes may use.
  std::fflush(nullptr);
  _exit(kInterruptedStatus);
}

}  // namespace stoker::train
