#include "data/isolation/helper_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::isolation {
namespace {

using Clock = std::chrono::steady_clock;

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_to_start(int error) {
  throw IoError(format("no process to decode it could be started: ", reason(error)));
}

// The first descriptors are where the helper will have its own.
Descriptor above_standard(Descriptor descriptor) {
  if (descriptor.number() < 0) fail_to_start(errno);
  Descriptor moved(fcntl(descriptor.number(), F_DUPFD_CLOEXEC, kMemory + 1));
  if (moved.number() < 0) fail_to_start(errno);
  return moved;
}

// What posix_spawn() is told, which has to be destroyed.
struct Start {
  Start() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  ~Start() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  Start(const Start&) = delete;
  Start& operator=(const Start&) = delete;
  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
};

}  // namespace

SharedMemory::SharedMemory()
    : descriptor_(above_standard(
          Descriptor(memfd_create("stoker-decode", MFD_CLOEXEC | MFD_ALLOW_SEALING)))) {
  if (fcntl(descriptor_.number(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) fail_to_start(errno);
}

SharedMemory::~SharedMemory() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

void SharedMemory::grow(std::uint64_t bytes) {
  if (bytes <= bytes_.size()) return;
  constexpr std::uint64_t kStep = std::uint64_t{1} << 20;
  const std::uint64_t wanted =
      std::max(bytes, bytes_.size() + bytes_.size() / 2) / kStep * kStep + kStep;
  if (ftruncate(descriptor_.number(), static_cast<off_t>(wanted)) != 0) fail_to_start(errno);
  void* mapped = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_.number(), 0);
  if (mapped == MAP_FAILED) fail_to_start(errno);
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
  bytes_ = {static_cast<std::byte*>(mapped), wanted};
}

HelperProcess::HelperProcess(const std::string& program, std::uint64_t max_pixels,
                             std::chrono::milliseconds patience)
    : patience_(patience) {
  start(program, max_pixels);
  // From here on the destructor would not be called by itself.
  try {
    const Reply reply = hear();
    if (reply.answer == Answer::not_ready) {
      throw IoError(format("the process to decode it cannot be confined: ", reply.message));
    }
    if (reply.answer != Answer::ready) throw IoError("stoker-decode is of another version");
  } catch (...) {
    end();
    throw;
  }
}

HelperProcess::~HelperProcess() { end(); }

void HelperProcess::start(const std::string& program, std::uint64_t max_pixels) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) fail_to_start(errno);
  Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  ours = above_standard(std::move(ours));
  theirs = above_standard(std::move(theirs));
  Start how;
  posix_spawn_file_actions_adddup2(&how.files, theirs.number(), kSocket);
  posix_spawn_file_actions_addopen(&how.files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&how.files, 1, 2);
  posix_spawn_file_actions_adddup2(&how.files, memory_.descriptor(), kMemory);
  posix_spawn_file_actions_addclosefrom_np(&how.files, kMemory + 1);
  // In a session of its own, the helper does not get the interrupt that a user sends to a training.
  posix_spawnattr_setflags(&how.attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&how.attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&how.attributes, &signals);
  std::string name = "stoker-decode";
  std::string pixels = std::to_string(max_pixels);
  std::string seconds = std::to_string(patience_.count() / 1000 + 5);
  char* arguments[] = {name.data(), pixels.data(), seconds.data(), nullptr};
  pid_t process = 0;
  const int error =
      posix_spawn(&process, program.c_str(), &how.files, &how.attributes, arguments, environ);
  if (error != 0) {
    throw IoError(
        format(program, ": the process to decode it could not be started: ", reason(error)));
  }
  process_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  if (process_.number() < 0) {
    const int why = errno;
    kill(process, SIGKILL);
    while (waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
    }
    fail_to_start(why);
  }
  socket_ = std::move(ours);
}

Reply HelperProcess::ask(Request& request) {
  request.number = ++requests_;
  ssize_t sent = 0;
  do {
    sent = send(socket_.number(), &request, sizeof request, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  // Where the helper is gone, hear() says how it ended.
  return hear();
}

Reply HelperProcess::hear() {
  const auto until = Clock::now() + patience_;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waiting{socket_.number(), POLLIN, 0};
    const int ready = left > 0 ? poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      end();
      throw IoError(format("the process that decoded it took more than ",
                           static_cast<double>(patience_.count()) / 1000, " s and was ended"));
    }
    Reply reply;
    const ssize_t got = recv(socket_.number(), &reply, sizeof reply, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) throw IoError(format("the process that decoded it ", end()));
    if (got != sizeof reply || reply.magic != kMagic || reply.number != requests_) {
      end();
      throw IoError(
          "the process that decoded it gave an answer that makes no sense, and was ended");
    }
    reply.message[sizeof reply.message - 1] = '\0';
    std::replace_if(
        std::begin(reply.message), std::end(reply.message) - 1,
        [](unsigned char c) { return c != 0 && (c < 0x20 || c == 0x7f); }, ' ');
    return reply;
  }
}

// Returns how it ended, if it had before.
std::string HelperProcess::end() {
  if (process_.number() < 0) return "has ended";
  siginfo_t how{};
  // A helper whose socket is closed is about to end by itself: its own end is the one to tell.
  constexpr int kMoment = 1000;
  if (socket_.number() >= 0) {
    pollfd closed{socket_.number(), POLLIN, 0};
    char byte = 0;
    const bool is_closed =
        poll(&closed, 1, 0) > 0 && recv(socket_.number(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) <= 0;
    pollfd process{process_.number(), POLLIN, 0};
    if (is_closed) poll(&process, 1, kMoment);
  }
  syscall(SYS_pidfd_send_signal, process_.number(), SIGKILL, nullptr, 0);
  int waited = 0;
  do {
    waited =
        waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(process_.number()), &how, WEXITED);
  } while (waited < 0 && errno == EINTR);
  process_.reset();
  socket_.reset();
  if (waited < 0) return "has ended";  // Somebody else in this program has waited for it.
  if (how.si_code == CLD_EXITED) return format("ended by itself, with ", how.si_status);
  const char* name = sigdescr_np(how.si_status);
  return format("was ended by the signal ", how.si_status, " (", name == nullptr ? "?" : name, ")");
}

}  // namespace stoker::isolation
