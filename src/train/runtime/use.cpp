#include "train/runtime/use.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "core/format.h"
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

void begin_use() {
  {
    const std::lock_guard lock(uses().mutex);
    if (!uses().is_closed) {
      ++uses().count;
      return;
    }
  }
  for (;;) pause();
}

void end_use() {
  const std::lock_guard lock(uses().mutex);
  if (--uses().count == 0) uses().ended.notify_all();
}

}  // namespace

void UseGuard::enter(const User& user, Access access) {
  const std::lock_guard lock(mutex_);
  for (const Entry& other : entries_) {
    const bool is_own = other.who != nullptr && other.who == user.who;
    const bool both_read = access == Access::read && other.access == Access::read;
    const bool writes = access == Access::write || other.access == Access::write;
    if (!writes && (!is_own || both_read)) continue;
    if (is_own) {
      throw ValueError(format("Model \"", user.model, "\": ", user.what,
                              ": expected a model that nobody uses, but ", other.what,
                              " is under way on it. Wait until that has ended, or give each "
                              "thread, and a generator that asks a model, a model of its own"));
    }
    throw ValueError(format("Model \"", user.model, "\": ", user.what,
                            ": expected weights that nobody uses, but ", other.what,
                            " is under way on model \"", *other.model,
                            "\", which shares layers with this one. Wait until that has ended"));
  }
  entries_.push_back({&user.model, user.what, user.who, access});
}

void UseGuard::leave(const User& user, Access access) {
  const std::lock_guard lock(mutex_);
  const auto own = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.who == user.who && entry.access == access && entry.model == &user.model;
  });
  entries_.erase(own);
}

Use::Use(UseGuard& guard, const User& user, Access access)
    : guard_(guard), user_(user), access_(access) {
  begin_use();
  try {
    guard_.enter(user, access);
  } catch (...) {
    end_use();
    throw;
  }
}

Use::~Use() {
  guard_.leave(user_, access_);
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
