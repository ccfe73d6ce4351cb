// Calls to the system that signals interrupt.
#pragma once

#include <cerrno>

namespace stoker {

// Calls f() again for as long as a signal interrupts it. Like the system's calls, f returns a
// negative number where it fails.
template <class F>
auto retried(F&& f) {
  auto result = f();
  while (result < 0 && errno == EINTR) result = f();
  return result;
}

}  // namespace stoker
