// Writing to a terminal that nobody may be reading, as when its output was stopped by Ctrl-S.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace stoker::report {

inline constexpr int kForEver = -1;

// Writes the text in pieces, and gives up where the terminal takes none for so many milliseconds.
// It is safe within signal handlers.
inline void write_patiently(int descriptor, std::string_view text, int milliseconds) {
  constexpr std::size_t kPiece = 512;  // A terminal that is ready has room for so much.
  while (!text.empty()) {
    pollfd ready{descriptor, POLLOUT, 0};
    const int found = poll(&ready, 1, milliseconds);
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) return;
    const ssize_t written = ::write(descriptor, text.data(), std::min(text.size(), kPiece));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace stoker::report
