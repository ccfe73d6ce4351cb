#include "feed/ring/thread_times.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>

namespace stoker::feed {

ThreadTimes::ThreadTimes() : file_(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}

ThreadTimes::~ThreadTimes() {
  if (file_ >= 0) close(file_);
}

ThreadTimes::Reading ThreadTimes::read() const {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  Reading reading{.cpu_ns = std::int64_t{1'000'000'000} * time.tv_sec + time.tv_nsec};
  std::array<char, 96> text{};
  const ssize_t length = file_ < 0 ? -1 : pread(file_, text.data(), text.size() - 1, 0);
  if (length <= 0) return reading;
  // The file has the time on a core, the time of waiting for one, and how often (the kernel's
  // sched-stats.rst).
  const char* const end = text.data() + length;
  const auto* const second =
      static_cast<const char*>(std::memchr(text.data(), ' ', static_cast<std::size_t>(length)));
  if (second != nullptr) std::from_chars(second + 1, end, reading.delayed_ns);
  return reading;
}

}  // namespace stoker::feed
