#include "train/runtime/use.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "core/format.h"
#include "device/device.h"
#include "stoker/error.h"

namespace stoker::train {
namespace {

// This state is never destroyed, because threads may still wait on it while the program ends.
struct Uses {
  std::mutex mutex;
  std::condition_variable ended;
  int count = 0;
  bool is_closed = false;
};
Uses& uses() {
  static Uses* const all = new Uses;
  return *all;
}

// A call within another one of the same thread does not wait, because the program can't end before
// the other one does.
thread_local int uses_of_thread = 0;

void begin_use() {
  {
    const std::lock_guard lock(uses().mutex);
    if (!uses().is_closed || uses_of_thread > 0) {
      ++uses().count;
      ++uses_of_thread;
      return;
    }
  }
  for (;;) pause();
}

void end_use() {
  const std::lock_guard lock(uses().mutex);
  --uses_of_thread;
  if (--uses().count == 0) uses().ended.notify_all();
}

bool writes(Access access) { return access == Access::write || access == Access::train; }

bool exclude_each_other(const Use& a, const Use& b) {
  if (writes(a.access()) || writes(b.access())) return true;
  const bool is_own = a.user().who != nullptr && a.user().who == b.user().who;
  return is_own && !(a.access() == Access::read && b.access() == Access::read);
}

[[noreturn]] void throw_excluded(const User& user, const User& other) {
  if (other.who != nullptr && other.who == user.who) {
    throw ValueError(format("Model \"", user.model, "\": ", user.what,
                            ": expected a model that nobody uses, but ", other.what,
                            " is under way on it. Wait until that has ended, or give each "
                            "thread, and a generator that asks a model, a model of its own"));
  }
  throw ValueError(format("Model \"", user.model, "\": ", user.what,
                          ": expected weights that nobody uses, but ", other.what,
                          " is under way on model \"", other.model,
                          "\", which shares layers with this one. Wait until that has ended"));
}

[[noreturn]] void throw_within(const User& user, const User& other) {
  throw ValueError(format("Model \"", user.model, "\": ", user.what, ": a callback of ", other.what,
                          other.who == user.who ? " called it"
                                                : " on a model with the same layers "
                                                  "called it",
                          ". Callbacks may evaluate, predict, and read or set weights and the "
                          "learning rate, but neither train nor compile; stop_training() ends a "
                          "fit"));
}

}  // namespace

void UseGuard::enter(const Use& use) {
  std::vector<device::Stream*> outer;  // The streams of calls within which this one is made.
  {
    const std::lock_guard lock(mutex_);
    for (const Use* other : entries_) {
      if (!exclude_each_other(use, *other)) continue;
      if (!other->is_open_to_this_thread()) throw_excluded(use.user(), other->user());
      const bool may_be_within = use.access() != Access::train && use.access() != Access::configure;
      if (!may_be_within) throw_within(use.user(), other->user());
      if (other->user().stream != use.user().stream) outer.push_back(other->user().stream);
    }
    entries_.push_back(&use);
  }
  // Steps that another model has launched may still write the weights.
  try {
    for (device::Stream* stream : outer) stream->synchronize();
  } catch (...) {
    leave(use);
    throw;
  }
}

void UseGuard::leave(const Use& use) {
  const std::lock_guard lock(mutex_);
  std::erase(entries_, &use);
}

Use::Use(UseGuard& guard, const User& user, Access access)
    : guard_(guard), user_(user), access_(access) {
  begin_use();
  try {
    guard_.enter(*this);
  } catch (...) {
    end_use();
    throw;
  }
}

Use::~Use() {
  guard_.leave(*this);
  end_use();
}

void close_to_new_uses() {
  const std::lock_guard lock(uses().mutex);
  uses().is_closed = true;
}

bool wait_until_unused(double seconds) {
  std::unique_lock lock(uses().mutex);
  return uses().ended.wait_for(lock, std::chrono::duration<double>(seconds),
                               [] { return uses().count == 0; });
}

}  // namespace stoker::train
