#include "report/output_capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <system_error>

#include "report/patient_write.h"

namespace stoker::report {
namespace {

constexpr std::size_t kMost = std::size_t{1} << 19;

// The stream buffers are emptied, since what they hold was printed before.
void flush_streams() {
  std::cout.flush();
  std::fflush(stdout);
}

bool are_same_file(int a, int b) {
  struct stat one {
  }, other{};
  return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

}  // namespace

OutputCapture::OutputCapture() : text_(new char[kMost]) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
  read_ = ends[0];
  write_ = ends[1];
  fcntl(read_, F_SETFL, O_NONBLOCK);
  // A stream that is first used while a pipe stands in its place would become fully buffered for
  // good; the terminal's line buffering is what it would have otherwise.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  flush_streams();
  for (std::size_t i = 0; i < kTaken.size(); ++i) {
    if (!are_same_file(kTaken[i], kTaken[0])) continue;
    saved_[i] = fcntl(kTaken[i], F_DUPFD_CLOEXEC, 3);
  }
}

OutputCapture::~OutputCapture() {
  stop();
  for (const int descriptor : {read_, write_, saved_[0], saved_[1]}) {
    if (descriptor >= 0) close(descriptor);
  }
}

void OutputCapture::start() noexcept {
  for (std::size_t i = 0; i < kTaken.size(); ++i) {
    if (saved_[i] >= 0) dup2(write_, kTaken[i]);
  }
}

void OutputCapture::stop() noexcept {
  for (std::size_t i = 0; i < kTaken.size(); ++i) {
    if (saved_[i] >= 0) dup2(saved_[i], kTaken[i]);
  }
}

void OutputCapture::flush(int milliseconds) noexcept {
  // The thread that takes may be interrupted, by whoever calls this, so that waiting has an end.
  constexpr int kTries = 100;
  const timespec millisecond{0, 1'000'000};
  for (int i = 0; i < kTries && is_taking_.test_and_set(); ++i) nanosleep(&millisecond, nullptr);
  take();
  is_taking_.clear();
  write_patiently(saved_[0], text(), milliseconds);
}

void OutputCapture::read() noexcept {
  if (is_taking_.test_and_set()) return;
  take();
  is_taking_.clear();
}

void OutputCapture::take() noexcept {
  for (;;) {
    if (size_ == kMost) {
      // The first half goes, up to the end of a line.
      const std::string_view rest = text().substr(kMost / 2);
      const std::size_t line_end = rest.find('\n');
      const std::size_t kept = line_end == rest.npos ? rest.size() : rest.size() - line_end - 1;
      std::memmove(text_.get(), text_.get() + kMost - kept, kept);
      size_ = kept;
    }
    const ssize_t size = ::read(read_, text_.get() + size_, kMost - size_);
    if (size <= 0) return;
    size_ += static_cast<std::size_t>(size);
  }
}

}  // namespace stoker::report
