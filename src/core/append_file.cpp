#include "core/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/format.h"
#include "core/retried.h"
#include "stoker/error.h"

namespace stoker {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int reason) {
  throw IoError(format(path.native(), ": expected a file to write to, received: ",
                       std::generic_category().message(reason)));
}

int open_for_appending(const std::filesystem::path& path, int more_flags) {
  const int descriptor = retried([&] {
    return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | more_flags,
                0666);
  });
  if (descriptor < 0) fail(path, errno);
  return descriptor;
}

// Returns whether all of it was written, otherwise with errno set.
bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = retried([&] { return write(descriptor, text.data(), text.size()); });
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

void append_to_file(const std::filesystem::path& path, std::string_view text) {
  const int descriptor = open_for_appending(path, 0);
  struct stat before {};
  const bool is_file = fstat(descriptor, &before) == 0 && S_ISREG(before.st_mode);
  int reason = write_all(descriptor, text) ? 0 : errno;
  if (reason != 0 && is_file) {
    (void)retried([&] { return ftruncate(descriptor, before.st_size); });
  }
  // A network's file system may only say now that there is no space. What a signal interrupts is
  // closed all the same.
  if (close(descriptor) != 0 && errno != EINTR && reason == 0) {
    reason = errno;
    if (is_file) (void)retried([&] { return truncate(path.c_str(), before.st_size); });
  }
  if (reason != 0) fail(path, reason);
}

void empty_file(const std::filesystem::path& path) {
  const int descriptor = open_for_appending(path, O_TRUNC);
  if (close(descriptor) != 0 && errno != EINTR) fail(path, errno);
}

}  // namespace stoker
