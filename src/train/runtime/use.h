// A guard for a store of weights and the models that share it: a call that writes weights excludes
// all others.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace stoker::train {

// `read` is for calls that read weights and scalars, which several threads may make one after
// another. `compute` is for calls that leave weights alone but need the arena and the totals of
// their model or predictor for themselves. `write` is for calls that train or replace weights.
enum class Access { read, compute, write };

// The maker of a call, for the rules and for messages. Everything it points to outlives the call.
struct User {
  const std::string& model;
  const char* what;  // The name of the call.
  const void* who;   // The model or predictor whose own memory the call uses.
};

class UseGuard {
 public:
  // Throws ValueError naming both calls while another call excludes this one.
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

// Holds a guard for the length of a call.
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

// Closes all models of the process. A call that begins a use after that blocks for ever, because
// the program is about to end.
void close_to_new_uses();
// Waits at most this long until no use is left, and returns whether none is.
bool wait_until_unused(double seconds);

}  // namespace stoker::train
