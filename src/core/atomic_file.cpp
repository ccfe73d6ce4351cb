#include "core/atomic_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "core/retried.h"
#include "stoker/error.h"

namespace stoker {
namespace {

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// The n-th candidate for the temporary name. It is short whatever the target's name, and differs
// between processes.
std::filesystem::path temporary_name(const std::filesystem::path& path, int n) {
  return directory_of(path) / format(".stoker-", getpid(), "-", n, ".tmp");
}

// A directory that is synced after a file in it has changed its name. It is opened before that, so
// that the file is as it was where that fails.
class OpenDirectory {
 public:
  explicit OpenDirectory(const std::filesystem::path& path)
      : descriptor_(
            retried([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); })) {}
  ~OpenDirectory() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  OpenDirectory(const OpenDirectory&) = delete;
  OpenDirectory& operator=(const OpenDirectory&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  // Returns false with errno set. Some file systems cannot sync a directory and say so with EINVAL.
  bool sync() const {
    return retried([&] { return fsync(descriptor_); }) == 0 || errno == EINVAL;
  }

 private:
  int descriptor_;
};

// Whether names in this directory stand for descriptors of a process. Following such a link by name
// would miss the open file behind the descriptor.
bool holds_descriptors(const std::filesystem::path& directory) {
  std::error_code unknown;
  const std::string name = std::filesystem::canonical(directory, unknown).native();
  return !unknown && name.starts_with("/proc/") && name.ends_with("/fd");
}

struct Target {
  std::filesystem::path path;
  bool is_descriptor = false;
  bool has_loop = false;
};

// Follows symbolic links as far as there are any. The last link may lead to a file that does not
// exist yet.
Target target_of(std::filesystem::path path) {
  constexpr int kMostLinks = 40;  // The limit of Linux.
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code none;
    const std::filesystem::path next = std::filesystem::read_symlink(path, none);
    if (none) return {path};
    if (holds_descriptors(directory_of(path))) return {.path = path, .is_descriptor = true};
    path = next.is_absolute() ? next : directory_of(path) / next;
  }
  return {.path = path, .has_loop = true};
}

// While an object of this class lives, writing to a pipe whose reader has gone fails with an error
// instead of ending the process.
class WithoutPipeSignal {
 public:
  WithoutPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutPipeSignal() {
    const int reason = errno;
    const timespec at_once{};
    if (!was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = reason;
  }
  WithoutPipeSignal(const WithoutPipeSignal&) = delete;
  WithoutPipeSignal& operator=(const WithoutPipeSignal&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  const Target target = target_of(path_);
  target_ = target.path;
  struct stat old {};
  const bool exists = stat(target_.c_str(), &old) == 0;
  if (target.has_loop || (!exists && errno == ELOOP)) {
    errno = ELOOP;
    fail("follow its links");
  }
  if (exists && (target.is_descriptor || S_ISCHR(old.st_mode) || S_ISFIFO(old.st_mode))) {
    target.is_descriptor ? open_descriptor() : open_directly();
    return;
  }
  if (exists && (S_ISBLK(old.st_mode) || S_ISSOCK(old.st_mode))) {
    throw IoError(format("Writing ", path_.native(), ": expected a file, a pipe or a character ",
                         "device, received a ", S_ISSOCK(old.st_mode) ? "socket" : "block device"));
  }
  const bool replaces = exists && S_ISREG(old.st_mode);
  open_beside(replaces);
  if (!replaces) return;
  // The owner is set first, because a change of owner clears bits of the mode. Only root may give a
  // file to others, so a failure is no error.
  constexpr mode_t kModeBits = 07777;
  const bool is_ours = fchown(descriptor_, old.st_uid, old.st_gid) == 0;
  const mode_t mode = old.st_mode & (is_ours ? kModeBits : mode_t{0777});
  if (retried([&] { return fchmod(descriptor_, mode); }) != 0) {
    const int reason = errno;
    close(std::exchange(descriptor_, -1));
    unlink(temporary_.c_str());
    errno = reason;
    fail("give it the mode that it had");
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

// With `is_private` nobody else may read the file before it has the mode of the file that it
// replaces.
void AtomicFile::open_beside(bool is_private) {
  for (int n = 0; descriptor_ < 0; ++n) {
    temporary_ = temporary_name(target_, n);
    // O_EXCL keeps two threads from sharing a file, and from using one that a crash has left.
    descriptor_ =
        open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, is_private ? 0600 : 0666);
    if (descriptor_ < 0 && errno != EEXIST && errno != EINTR) fail("create a file beside it");
  }
}

// A descriptor of this process is duplicated and not opened anew. New bytes then follow those that
// the program has written, also in a file; and a socket cannot be opened at all.
void AtomicFile::open_descriptor() {
  const std::string number = target_.filename().native();
  int wanted = -1;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), wanted);
  std::error_code unknown;
  const auto directory = std::filesystem::canonical(directory_of(target_), unknown).native();
  const bool is_own = !unknown && directory.starts_with(format("/proc/", getpid(), "/"));
  if (!is_own || error != std::errc{} || end != number.data() + number.size()) {
    open_directly();
    return;
  }
  descriptor_ = fcntl(wanted, F_DUPFD_CLOEXEC, 0);
  if (descriptor_ < 0) fail("open it");
}

void AtomicFile::open_directly() {
  // With O_NONBLOCK, opening a pipe does not wait for a reader; with O_APPEND, a redirected output
  // keeps its contents.
  do {
    descriptor_ = open(target_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0 && errno == ENXIO) {
    throw IoError(format("Writing ", path_.native(),
                         ": expected a pipe that a program reads, received one that none has open. "
                         "Start the reader first"));
  }
  if (descriptor_ < 0) fail("open it");
  const int flags = fcntl(descriptor_, F_GETFL);
  if (flags >= 0) fcntl(descriptor_, F_SETFL, flags & ~O_NONBLOCK);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  const WithoutPipeSignal guard;
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write it");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text.data(), text.size())));
}

void AtomicFile::commit() {
  const bool is_direct = temporary_.empty();
  // Devices and pipes have nothing to sync, and say so with EINVAL.
  if (retried([&] { return fsync(descriptor_); }) != 0 && !(is_direct && errno == EINVAL)) {
    fail("sync it");
  }
  // close releases the descriptor also where it reports an error. One that a signal interrupts has
  // done all that is needed here, since the file is synced.
  if (close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) fail("close it");
  if (is_direct) return;
  const OpenDirectory directory(directory_of(target_));
  if (!directory.is_open()) fail("open its directory");
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename the finished file to it");
  temporary_.clear();
  if (!directory.sync()) fail("sync its directory, although the file is there");
}

void AtomicFile::fail(const char* action) const {
  throw IoError(format("Writing ", path_.native(), ": could not ", action, ": ",
                       std::generic_category().message(errno)));
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace stoker
