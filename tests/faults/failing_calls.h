// System calls on files that fail on demand. A program that links failing_calls.cpp has its own
// functions in front of the C library's, so that also the libraries which it loads call them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stoker::test {

enum class Call : std::uint8_t {
  open,
  read,  // also pread and fread
  write,
  sync,
  close,
  rename,
  truncate,
  mode,
  remove,
  make_folder,
  map,
};

enum class Fault : std::uint8_t {
  no_space,
  io_error,
  interrupted,  // by a signal, before anything was done
  short_count,  // half of the bytes are read or written
};

const char* name_of(Call call);
const char* name_of(Fault fault);
// Whether POSIX lets the call end so.
bool can_end_so(Call call, Fault fault);

// While an object of this class lives, the n-th call (from 1) of a kind on files below a folder
// fails, whatever thread makes it. One object may live at a time. Nothing below the folder is
// synced meanwhile, since no test looks at what a power failure leaves.
class FailingCalls {
 public:
  FailingCalls(const std::string& folder, Call call, Fault fault, std::uint64_t n);
  ~FailingCalls();
  FailingCalls(const FailingCalls&) = delete;
  FailingCalls& operator=(const FailingCalls&) = delete;

  // Whether there was an n-th call, and on what; looked at when the calls have been made.
  bool has_failed() const;
  std::string path() const;
};

// While an object of this class lives, writes to files below a folder wait, as those to a slow disk
// do, until release() is called or the object goes.
class WaitingWrites {
 public:
  explicit WaitingWrites(const std::string& folder);
  ~WaitingWrites();
  WaitingWrites(const WaitingWrites&) = delete;
  WaitingWrites& operator=(const WaitingWrites&) = delete;

  void release();
  bool has_one() const;  // Whether a write waits, or has waited.
};

}  // namespace stoker::test
