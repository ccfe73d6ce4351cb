#include "restricted.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <stoker/error.h>

#include "core/confinement.h"
#include "core/descriptor.h"

namespace stoker::tool {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{600};
constexpr std::size_t kLongestMessage = 4096;

[[noreturn]] void fail(const std::string& what) {
  throw IoError(what + ": " + std::strerror(errno));
}

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

void limit_resources(const fs::path& input) {
  confinement::limit(RLIMIT_CORE, 0);
  confinement::limit(RLIMIT_CPU, static_cast<std::uint64_t>(kPatience.count()));
  // A thread takes a stack and a heap of its own, which are mostly addresses without memory.
  const std::uint64_t threads = std::uint64_t{std::thread::hardware_concurrency()} << 28;
  confinement::limit_memory((std::uint64_t{4} << 30) + 4 * fs::file_size(input) + threads);
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

void limit_files(const fs::path& input, const fs::path& folder) {
  std::vector<confinement::Place> places = {{input, confinement::Access::read_file},
                                            {folder, confinement::Access::use_folder}};
  for (const char* about : {"/proc", "/sys"}) {
    if (fs::exists(about)) places.push_back({about, confinement::Access::read_folder});
  }
  confinement::limit_files(places);
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
    leave_files(pipe);
    limit_resources(input);
    limit_files(input, output.parent_path());
    confinement::limit_calls();
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
