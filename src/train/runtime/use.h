// A guard for a store of weights and the models that share it: a call that writes weights excludes
// all others.
#pragma once

#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace stoker::device {
class Stream;
}

namespace stoker::train {

class Use;

// `read` is for calls that read weights and scalars, which several threads may make one after
// another. `compute` is for calls that leave weights alone but need the arena and the totals of
// their model or predictor for themselves, and `configure` for those that change plans or optimizer
// too. `write` is for calls that replace weights, and `train` for those that train them.
enum class Access { read, compute, configure, write, train };

// The maker of a call, for the rules and for messages. Everything it points to outlives the call.
struct User {
  const std::string& model;
  const char* what;        // The name of the call.
  const void* who;         // The model or predictor whose own memory the call uses.
  device::Stream* stream;  // The stream on which the call works.
};

class UseGuard {
 public:
  // Throws ValueError naming both calls while another call excludes this one.
  void enter(const Use& use);
  void leave(const Use& use);

 private:
  std::mutex mutex_;
  std::vector<const Use*> entries_;
};

// Holds a guard for the length of a call.
class Use {
 public:
  Use(UseGuard& guard, const User& user, Access access);
  ~Use();
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  const User& user() const { return user_; }
  Access access() const { return access_; }

  // While one lives, the thread that makes the call runs callbacks, and may make further calls on
  // the same weights within it, unless they train or configure.
  class Opening {
   public:
    explicit Opening(Use& use) : use_(use), was_open_(use.is_open_) { use.is_open_ = true; }
    ~Opening() { use_.is_open_ = was_open_; }
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;

   private:
    Use& use_;
    const bool was_open_;
  };
  // Whether the calling thread makes this call and is in an Opening of it.
  bool is_open_to_this_thread() const { return thread_ == std::this_thread::get_id() && is_open_; }

 private:
  UseGuard& guard_;
  const User user_;
  const Access access_;
  const std::thread::id thread_ = std::this_thread::get_id();
  bool is_open_ = false;  // Only the thread above reads and writes this.
};

// Closes all models of the process. A call that begins a use after that blocks for ever, because
// the program is about to end.
void close_to_new_uses();
// Waits at most this long until no use is left, and returns whether none is.
bool wait_until_unused(double seconds);

}  // namespace stoker::train
