#include "train/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>

namespace stoker::train {
namespace {

// A signal handler has nothing but globals.
std::atomic<int> signals{0};
static_assert(std::atomic<int>::is_always_lock_free);

std::mutex mutex;
int scopes = 0;  // under mutex, as is the disposition while there are any

void handle(int) {
  if (signals.fetch_add(1) > 0) _exit(kInterruptedStatus);
}

}  // namespace

InterruptScope::InterruptScope(bool listen) : listens_(listen) {
  if (!listens_) return;
  const std::lock_guard lock(mutex);
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
}

InterruptScope::~InterruptScope() {
  if (!listens_) return;
  const std::lock_guard lock(mutex);
  if (--scopes > 0) return;
  struct sigaction current {};
  sigaction(SIGINT, nullptr, &current);
  if (current.sa_handler != handle) return;  // somebody else's by now
  current = {};
  current.sa_handler = SIG_DFL;
  sigaction(SIGINT, &current, nullptr);
}

void leave(const Interrupted& interrupted) {
  std::cout << std::endl;
  std::cerr << interrupted.what() << std::endl;
  std::exit(kInterruptedStatus);
}

bool InterruptScope::requested() const { return listens_ && signals.load() > 0; }

}  // namespace stoker::train
