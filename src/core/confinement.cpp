#include "core/confinement.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "stoker/error.h"

namespace stoker::confinement {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw IoError(what + ": " + std::strerror(errno));
}

void forgo_privileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("prctl");
}

void allow(const Descriptor& rules, const std::filesystem::path& path, std::uint64_t access) {
  const Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (place.number() < 0) fail(path.string());
  const landlock_path_beneath_attr rule{.allowed_access = access, .parent_fd = place.number()};
  if (syscall(SYS_landlock_add_rule, rules.number(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    fail("a rule of Landlock for " + path.string());
  }
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

}  // namespace

void limit(int resource, std::uint64_t value) {
  const rlimit both{value, value};
  if (setrlimit(static_cast<__rlimit_resource_t>(resource), &both) != 0) fail("setrlimit");
}

void limit_memory(std::uint64_t bytes) {
  // The addresses that the process has by now, among them those of a sanitizer, which are
  // terabytes.
  std::uint64_t pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages)) fail("/proc/self/statm");
  limit(RLIMIT_AS, pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + bytes);
}

void limit_files(std::span<const Place> places) {
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
  for (const Place& place : places) {
    std::uint64_t access = LANDLOCK_ACCESS_FS_READ_FILE;
    if (place.access == Access::read_folder) access = kRead;
    if (place.access == Access::use_folder) {
      access = (kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                LANDLOCK_ACCESS_FS_REMOVE_FILE | kTruncate) &
               handled;
    }
    allow(rules, place.path, access);
  }
  forgo_privileges();
  if (syscall(SYS_landlock_restrict_self, rules.number(), 0) != 0) fail("Landlock");
}

void limit_calls() {
  forgo_privileges();
  if (kArchitecture == 0) {
    throw IoError("system calls can be confined on x86-64 and AArch64 alone");
  }
  const auto load = [](std::size_t offset) -> sock_filter {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  };
  const auto answer = [](std::uint32_t action) -> sock_filter {
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

}  // namespace stoker::confinement
