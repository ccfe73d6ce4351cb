#include "core/atomic_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// The n-th candidate; short, whatever the target's name, and told apart by process.
std::filesystem::path temporary_name(const std::filesystem::path& path, int n) {
  return directory_of(path) / format(".stoker-", getpid(), "-", n, ".tmp");
}

// 0, or -1 with errno.
int sync_directory(const std::filesystem::path& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  int result = fsync(descriptor);
  // Some file systems cannot sync a directory and say so with EINVAL.
  if (result != 0 && errno == EINVAL) result = 0;
  const int reason = errno;
  close(descriptor);
  errno = reason;
  return result;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  for (int n = 0; descriptor_ < 0; ++n) {
    temporary_ = temporary_name(path_, n);
    // O_EXCL keeps two threads, or a file that a crash has left, apart.
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST && errno != EINTR) fail("create a file beside it");
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
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
  if (fsync(descriptor_) != 0) fail("sync it");
  // The descriptor is gone even when close reports an error.
  if (close(std::exchange(descriptor_, -1)) != 0) fail("close it");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename the finished file to it");
  temporary_.clear();
  if (sync_directory(directory_of(path_)) != 0) fail("sync its directory");
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
