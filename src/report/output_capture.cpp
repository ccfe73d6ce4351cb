#include "report/output_capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <system_error>

namespace stoker::report {
namespace {

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

OutputCapture::OutputCapture() {
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

void OutputCapture::flush() noexcept {
  char bytes[4096];
  for (;;) {
    const ssize_t size = ::read(read_, bytes, sizeof bytes);
    if (size <= 0 || ::write(saved_[0], bytes, static_cast<std::size_t>(size)) < 0) return;
  }
}

void OutputCapture::read(std::string& to) {
  char bytes[4096];
  for (;;) {
    const ssize_t size = ::read(read_, bytes, sizeof bytes);
    if (size <= 0) return;
    to.append(bytes, static_cast<std::size_t>(size));
  }
}

}  // namespace stoker::report
