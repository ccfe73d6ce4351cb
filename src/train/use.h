// A guard on a store of weights and on the models that share it: a call that writes weights
// excludes all others.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace stoker::train {

// Calls that read take weights and scalars, several threads one after another. Calls that compute
// leave weights alone, but need the arena and the totals of their model or predictor for
// themselves. Calls that write train, or replace weights.
enum class Access { read, compute, write };

// Who makes a call, for the rules and for messages; all of it outlives the call.
struct User {
  const std::string& model;
  const char* what;  // the call
  const void* who;   // the model or predictor that has memory of its own
};

class UseGuard {
 public:
  // Throws ValueError naming both calls while another one excludes this one.
  void enter(const User& user, Access access);
  void leave(const User& user, Access access);

 private:
  struct Entry {
    const std::string* model;
    const char* what;
    const void* who;
    Access access;
  };

  std::mutex mutex_;
  std::vector<Entry> entries_;
};

// Holds what a guard guards for the length of a call.
class Use {
 public:
  Use(UseGuard& guard, const User& user, Access access);
  ~Use();
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  UseGuard& guard_;
  const User user_;
  const Access access_;
};

// Closes all models of the process: no use begins any more, and a call that would begin one stays
// where it is for ever, since the program is about to end.
void close_to_new_uses();
// Waits until no use is left, for at most so long; whether none is.
bool wait_until_unused(double seconds);

}  // namespace stoker::train
