#include "restricted.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <stoker/error.h>

namespace stoker::tool {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{600};
constexpr std::size_t kLongestMessage = 4096;

[[noreturn]] void fail(const std::string& what) {
  throw IoError(what + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { reset(); }
  void reset() {
    if (number_ >= 0) close(std::exchange(number_, -1));
  }
  int number() const { return number_; }

 private:
  int number_;
};

// A folder of its own beside the output, so that the child has no other files of its folder.
class Workplace {
 public:
  explicit Workplace(const fs::path& output) {
    const fs::path folder = output.has_parent_path() ? output.parent_path() : fs::path(".");
    std::string pattern = (folder / ".stoker-restricted-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) fail("no folder can be made in " + folder.string());
    folder_ = pattern;
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

// ---- What the child does to itself ----

void limit(int resource, std::uint64_t value) {
  const rlimit both{value, value};
  if (setrlimit(static_cast<__rlimit_resource_t>(resource), &both) != 0) fail("setrlimit");
}

// The addresses that the process has by now, among them those of a sanitizer, which are terabytes.
std::uint64_t bytes_of_addresses() {
  std::uint64_t pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages)) fail("/proc/self/statm");
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void limit_resources(const fs::path& input) {
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, static_cast<std::uint64_t>(kPatience.count()));
  // A thread takes a stack and a heap of its own, which are mostly addresses without memory.
  const std::uint64_t threads = std::uint64_t{std::thread::hardware_concurrency()} << 28;
  limit(RLIMIT_AS,
        bytes_of_addresses() + (std::uint64_t{4} << 30) + 4 * fs::file_size(input) + threads);
}

// No descriptor of the parent's is left but the pipe's, a terminal least of all.
void leave_files(int pipe) {
  const Descriptor nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (nothing.number() < 0) fail("/dev/null");
  for (const int standard : {0, 1, 2}) {
    if (dup2(nothing.number(), standard) < 0) fail("dup2");
  }
  const auto first = static_cast<unsigned>(pipe);
  if (first > 3) close_range(3, first - 1, 0);
  close_range(first + 1, ~0U, 0);
}

void allow(const Descriptor& rules, const fs::path& path, std::uint64_t access) {
  const Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (place.number() < 0) fail(path.string());
  const landlock_path_beneath_attr rule{.allowed_access = access, .parent_fd = place.number()};
  if (syscall(SYS_landlock_add_rule, rules.number(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    fail("a rule of Landlock for " + path.string());
  }
}

void confine_files(const fs::path& input, const fs::path& folder) {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) fail("the kernel has no Landlock (Linux 5.13), which confines the process");
  constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  // Newer kernels than the headers of Linux 6.1 know of two rights more.
  constexpr std::uint64_t kTruncate = std::uint64_t{1} << 14;
  constexpr std::uint64_t kDeviceControl = std::uint64_t{1} << 15;
  std::uint64_t handled = (std::uint64_t{LANDLOCK_ACCESS_FS_MAKE_SYM} << 1) - 1;
  if (version >= 2) handled |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) handled |= kTruncate;
  if (version >= 5) handled |= kDeviceControl;
  const landlock_ruleset_attr attributes{.handled_access_fs = handled};
  const Descriptor rules(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (rules.number() < 0) fail("a set of rules of Landlock");
  allow(rules, input, LANDLOCK_ACCESS_FS_READ_FILE);
  for (const char* about : {"/proc", "/sys"}) {
    if (fs::exists(about)) allow(rules, about, kRead);
  }
  allow(rules, folder,
        (kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
         LANDLOCK_ACCESS_FS_REMOVE_FILE | kTruncate) &
            handled);
  if (syscall(SYS_landlock_restrict_self, rules.number(), 0) != 0) fail("Landlock");
}

// What is refused: sockets, programs, other processes, and what would undo or go round the rules.
constexpr int kRefused[] = {
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kill,
    SYS_tkill,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_memfd_create,
    SYS_quotactl,
    SYS_swapon,
    SYS_shmget,
    SYS_msgget,
    SYS_semget,
    SYS_mq_open,
#ifdef SYS_fork  // AArch64 has neither, nor setrlimit.
    SYS_fork,
    SYS_vfork,
    SYS_setrlimit,
#endif
};

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;
#endif

void confine_calls() {
  if (kArchitecture == 0) {
    throw IoError("system calls can be confined on x86-64 and AArch64 alone");
  }
  constexpr auto load = [](std::size_t offset) -> sock_filter {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  };
  constexpr auto answer = [](std::uint32_t action) -> sock_filter {
    return BPF_STMT(BPF_RET | BPF_K, action);
  };
  constexpr std::uint32_t kPermissionDenied = SECCOMP_RET_ERRNO | EPERM;
  constexpr std::uint32_t kX32 = 0x40000000;  // The calls of x86's 32-bit pointers begin here.
  std::vector<sock_filter> filter{
      load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      answer(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, 0, 1),
      answer(SECCOMP_RET_KILL_PROCESS),
      // The flags of clone3 lie in memory, where a filter cannot look. The C library takes clone.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      answer(SECCOMP_RET_ERRNO | ENOSYS),
  };
  for (const int call : kRefused) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
    filter.push_back(answer(kPermissionDenied));
  }
  // A new process is refused, a new thread is not. Only the lower half of the flags has a meaning.
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
  filter.push_back(load(offsetof(seccomp_data, args)));
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
  filter.push_back(answer(kPermissionDenied));
  filter.push_back(answer(SECCOMP_RET_ALLOW));
  // Limits may be asked for, but not changed: the third argument is the new one, or null.
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 5));
  filter.push_back(load(offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t)));
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2));
  filter.push_back(load(offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t) + 4));
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0));
  filter.push_back(answer(kPermissionDenied));
  filter.push_back(answer(SECCOMP_RET_ALLOW));
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                           .filter = filter.data()};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) fail("seccomp");
}

void write_all(int descriptor, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = write(descriptor, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    done += static_cast<std::size_t>(wrote);
  }
}

// Ends the process: the parent's objects are not the child's to destroy.
[[noreturn]] void be_the_child(pid_t parent, int pipe, const fs::path& input,
                               const fs::path& output,
                               const std::function<void(const fs::path&)>& work) {
  try {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("prctl");
    if (getppid() != parent) _exit(1);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("prctl");
    leave_files(pipe);
    limit_resources(input);
    confine_files(input, output.parent_path());
    confine_calls();
  } catch (const std::exception& error) {
    write_all(pipe, error.what());
    _exit(2);
  }
  try {
    work(output);
    _exit(0);
  } catch (const std::exception& error) {
    write_all(pipe, error.what());
  } catch (...) {
    write_all(pipe, "an exception that is none of the library's");
  }
  _exit(1);
}

// ---- What the parent does ----

// The child may be anybody's by now: what it says is kept short and free of control characters.
std::string hear(int pipe, Clock::time_point until) {
  std::string heard;
  char piece[512];
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd waiting{pipe, POLLIN, 0};
    const int ready = left.count() > 0 ? poll(&waiting, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    const ssize_t got = read(pipe, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    heard.append(piece, std::min(static_cast<std::size_t>(got), kLongestMessage - heard.size()));
  }
  std::ranges::replace_if(
      heard, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return heard;
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  return status;
}

void move_to(const fs::path& written, const fs::path& output) {
  if (!fs::is_regular_file(fs::symlink_status(written))) {
    throw DataError("the restricted process has not written " + output.string());
  }
  fs::rename(written, output);
  const Descriptor folder(
      open(output.has_parent_path() ? output.parent_path().c_str() : ".", O_RDONLY | O_DIRECTORY));
  if (folder.number() >= 0) fsync(folder.number());
}

}  // namespace

void run_restricted(const fs::path& input, const fs::path& output,
                    const std::function<void(const fs::path&)>& work) {
  if (!fs::is_regular_file(input)) {
    throw IoError("expected a file, received " + input.string());
  }
  const Workplace workplace(output);
  const fs::path written = workplace.folder() / output.filename();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  // Where a standard stream is closed, the pipe may have its number, which the child needs.
  writing = Descriptor(fcntl(writing.number(), F_DUPFD_CLOEXEC, 3));
  if (writing.number() < 0) fail("pipe");
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) fail("no process can be started");
  if (child == 0) be_the_child(parent, writing.number(), input, written, work);
  writing.reset();
  const auto until = Clock::now() + kPatience;
  const std::string heard = hear(reading.number(), until);
  const bool late = Clock::now() >= until;
  if (late) kill(child, SIGKILL);
  const int status = wait_for(child);
  if (WIFSIGNALED(status)) {
    throw DataError(input.string() + ": the process that read it was ended by the signal " +
                    std::to_string(WTERMSIG(status)) + " (" + strsignal(WTERMSIG(status)) + ")" +
                    (late ? " after " + std::to_string(kPatience.count()) + " s" : "") +
                    "; nothing was written");
  }
  if (WEXITSTATUS(status) == 2) throw IoError(heard);
  if (WEXITSTATUS(status) != 0) throw DataError(heard);
  move_to(written, output);
}

}  // namespace stoker::tool
