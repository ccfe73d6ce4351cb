// A guard on a model: a call that writes to it excludes all others.
#pragma once

#include <memory>
#include <mutex>
#include <string>

namespace stoker::train {

// Calls that read take weights and scalars, several threads one after another. All others write, an
// evaluation too, which has metric totals and the arena to itself.
enum class Access { read, write };

class UseGuard {
 public:
  // Throws ValueError naming both calls while another one excludes this one.
  void enter(const std::string& model, const char* what, Access access);
  void leave(Access access);

 private:
  std::mutex mutex_;
  const char* writer_ = nullptr;  // the call that writes
  const char* reader_ = nullptr;  // one of those that read
  int readers_ = 0;
  std::mutex reading_;  // held while one reads: the device's stream serves one thread
};

// Holds a model for the length of a call that uses it.
class Use {
 public:
  Use(UseGuard& guard, const std::string& model, const char* what, Access access);
  ~Use();
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  UseGuard& guard_;
  const Access access_;
};

// Closes all models of the process: no use begins any more, and a call that would begin one stays
// where it is for ever, since the program is about to end.
void close_to_new_uses();
// Waits until no use is left, for at most so long; whether none is.
bool wait_until_unused(double seconds);

}  // namespace stoker::train
