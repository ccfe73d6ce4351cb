#include "faults/failing_calls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>

namespace stoker::test {
namespace {

// The calls run before constructors and after destructors, so that all of this is plain memory.
constinit std::atomic<bool> is_on{false};
constinit std::mutex mutex;
constinit char folder[4096] = {};
constinit Call failing_call = Call::open;
constinit Fault failing_fault = Fault::io_error;
constinit std::uint64_t left = 0;
constinit bool failed = false;
constinit char failed_path[4096] = {};
constinit std::atomic<bool> writes_wait{false};
constinit std::atomic<bool> has_waited{false};

bool is_below_folder(const char* path) {
  return std::strncmp(path, folder, std::strlen(folder)) == 0;
}

// Returns the fault that this call is to have.
std::optional<Fault> fault_of(Call call, const char* path) {
  if (!is_on.load(std::memory_order_acquire)) return std::nullopt;
  const std::lock_guard lock(mutex);
  if (call != failing_call || left == 0 || !is_below_folder(path) || --left > 0) {
    return std::nullopt;
  }
  failed = true;
  std::strncpy(failed_path, path, sizeof failed_path - 1);
  return failing_fault;
}

// The name of the file behind a descriptor; empty where there is none.
struct NameOf {
  char text[4096] = {};
  explicit NameOf(int descriptor) {
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    const long count = syscall(SYS_readlink, link, text, sizeof text - 1);
    text[std::max(0L, count)] = '\0';
  }
};

std::optional<Fault> fault_of(Call call, int descriptor) {
  if (!is_on.load(std::memory_order_acquire)) return std::nullopt;
  return fault_of(call, NameOf(descriptor).text);
}

int error_of(Fault fault) {
  return fault == Fault::no_space ? ENOSPC : fault == Fault::io_error ? EIO : EINTR;
}

// Gives the failure of a call, or nullopt where the call is to be made.
template <class Path>
bool fails(Call call, const Path& path) {
  const std::optional<Fault> fault = fault_of(call, path);
  if (!fault) return false;
  errno = error_of(*fault);
  return true;
}

// Waits where writes below the folder do.
void wait_to_write(int descriptor) {
  if (!writes_wait.load(std::memory_order_acquire)) return;
  {
    const NameOf name(descriptor);
    const std::lock_guard lock(mutex);
    if (!is_below_folder(name.text)) return;
  }
  has_waited = true;
  while (writes_wait.load(std::memory_order_acquire)) {
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
}

// Reads and writes: `count` becomes smaller where the call is to be short.
bool fails(Call call, int descriptor, std::size_t& count) {
  const std::optional<Fault> fault = fault_of(call, descriptor);
  if (!fault) return false;
  if (*fault == Fault::short_count) {
    count = std::max<std::size_t>(std::min<std::size_t>(count, 1), count / 2);
    return false;
  }
  errno = error_of(*fault);
  return true;
}

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

const char* name_of(Call call) {
  constexpr const char* kNames[] = {"open",     "read", "write",  "sync",        "close", "rename",
                                    "truncate", "mode", "remove", "make_folder", "map"};
  return kNames[static_cast<std::size_t>(call)];
}

const char* name_of(Fault fault) {
  constexpr const char* kNames[] = {"no_space", "io_error", "interrupted", "short_count"};
  return kNames[static_cast<std::size_t>(fault)];
}

bool can_end_so(Call call, Fault fault) {
  if (fault == Fault::short_count) return call == Call::read || call == Call::write;
  if (fault == Fault::interrupted) {
    return call == Call::open || call == Call::read || call == Call::write || call == Call::sync ||
           call == Call::close || call == Call::truncate || call == Call::mode;
  }
  return true;
}

FailingCalls::FailingCalls(const std::string& where, Call call, Fault fault, std::uint64_t n) {
  const std::lock_guard lock(mutex);
  std::strncpy(folder, where.c_str(), sizeof folder - 1);
  failing_call = call;
  failing_fault = fault;
  left = n;
  failed = false;
  is_on.store(true, std::memory_order_release);
}

FailingCalls::~FailingCalls() { is_on.store(false, std::memory_order_release); }

bool FailingCalls::has_failed() const {
  const std::lock_guard lock(mutex);
  return failed;
}

std::string FailingCalls::path() const {
  const std::lock_guard lock(mutex);
  return failed_path;
}

WaitingWrites::WaitingWrites(const std::string& where) {
  const std::lock_guard lock(mutex);
  std::strncpy(folder, where.c_str(), sizeof folder - 1);
  has_waited = false;
  writes_wait.store(true, std::memory_order_release);
}

WaitingWrites::~WaitingWrites() { release(); }

void WaitingWrites::release() { writes_wait.store(false, std::memory_order_release); }

bool WaitingWrites::has_one() const { return has_waited; }

}  // namespace stoker::test

// ---- In front of the C library ----
using stoker::test::Call;
using stoker::test::fails;
using stoker::test::next;
using stoker::test::wait_to_write;

extern "C" {

// NOLINTBEGIN(readability-identifier-naming)
int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if (fails(Call::open, path)) return -1;
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
int open64(const char* path, int flags, ...) __attribute__((alias("open")));

FILE* fopen(const char* path, const char* mode) {
  if (fails(Call::open, path)) return nullptr;
  return next<FILE*(const char*, const char*)>("fopen")(path, mode);
}
FILE* fopen64(const char* path, const char* mode) __attribute__((alias("fopen")));

ssize_t read(int descriptor, void* to, std::size_t count) {
  if (fails(Call::read, descriptor, count)) return -1;
  return syscall(SYS_read, descriptor, to, count);
}

ssize_t pread(int descriptor, void* to, std::size_t count, off_t offset) {
  if (fails(Call::read, descriptor, count)) return -1;
  return syscall(SYS_pread64, descriptor, to, count, offset);
}
ssize_t pread64(int descriptor, void* to, std::size_t count, off64_t offset)
    __attribute__((alias("pread")));

std::size_t fread(void* to, std::size_t size, std::size_t count, FILE* file) {
  std::size_t bytes = size * count;
  if (fails(Call::read, fileno(file), bytes)) {
    file->_flags |= _IO_ERR_SEEN;
    return 0;
  }
  // A stream reads on by itself after a short read.
  return next<std::size_t(void*, std::size_t, std::size_t, FILE*)>("fread")(to, size, count, file);
}

ssize_t write(int descriptor, const void* from, std::size_t count) {
  wait_to_write(descriptor);
  if (fails(Call::write, descriptor, count)) return -1;
  return syscall(SYS_write, descriptor, from, count);
}

ssize_t writev(int descriptor, const iovec* parts, int count) {
  if (fails(Call::write, descriptor)) return -1;
  return syscall(SYS_writev, descriptor, parts, count);
}

ssize_t pwrite(int descriptor, const void* from, std::size_t count, off_t offset) {
  if (fails(Call::write, descriptor, count)) return -1;
  return syscall(SYS_pwrite64, descriptor, from, count, offset);
}
ssize_t pwrite64(int descriptor, const void* from, std::size_t count, off64_t offset)
    __attribute__((alias("pwrite")));

int fsync(int descriptor) {
  if (fails(Call::sync, descriptor)) return -1;
  if (stoker::test::is_on) return 0;
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}

int fdatasync(int descriptor) {
  if (fails(Call::sync, descriptor)) return -1;
  if (stoker::test::is_on) return 0;
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

// Linux has released the descriptor also where it says that something failed.
int close(int descriptor) {
  const bool is_failure = fails(Call::close, descriptor);
  const int reason = errno;
  const auto result = static_cast<int>(syscall(SYS_close, descriptor));
  if (!is_failure) return result;
  errno = reason;
  return -1;
}

int rename(const char* from, const char* to) noexcept {
  if (fails(Call::rename, to)) return -1;
  return static_cast<int>(syscall(SYS_rename, from, to));
}

int ftruncate(int descriptor, off_t size) noexcept {
  if (fails(Call::truncate, descriptor)) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, descriptor, size));
}
int ftruncate64(int descriptor, off64_t size) noexcept __attribute__((alias("ftruncate")));

int fchmod(int descriptor, mode_t mode) noexcept {
  if (fails(Call::mode, descriptor)) return -1;
  return static_cast<int>(syscall(SYS_fchmod, descriptor, mode));
}

int unlink(const char* path) noexcept {
  if (fails(Call::remove, path)) return -1;
  return static_cast<int>(syscall(SYS_unlink, path));
}

int remove(const char* path) noexcept {
  if (fails(Call::remove, path)) return -1;
  const long result = syscall(SYS_unlink, path);
  return static_cast<int>(result != 0 && errno == EISDIR ? syscall(SYS_rmdir, path) : result);
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (fails(Call::make_folder, path)) return -1;
  return static_cast<int>(syscall(SYS_mkdir, path, mode));
}

void* mmap(void* at, std::size_t bytes, int protection, int flags, int descriptor,
           off_t offset) noexcept {
  if (descriptor >= 0 && fails(Call::map, descriptor)) return MAP_FAILED;
  return reinterpret_cast<void*>(
      syscall(SYS_mmap, at, bytes, protection, flags, descriptor, offset));
}
void* mmap64(void* at, std::size_t bytes, int protection, int flags, int descriptor,
             off64_t offset) noexcept __attribute__((alias("mmap")));
// NOLINTEND(readability-identifier-naming)

}  // extern "C"
