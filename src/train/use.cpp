#include "train/use.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {
namespace {

// This state is never destroyed: threads may still wait here while the program ends.
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

void UseGuard::enter(const std::string& model, const char* what, Access access) {
  std::unique_lock lock(mutex_);
  const char* other = writer_ != nullptr ? writer_ : access == Access::write ? reader_ : nullptr;
  if (other != nullptr) {
    throw ValueError(format("Model \"", model, "\": ", what,
                            ": expected a model that nobody uses, but ", other,
                            " is under way on it. Wait until that has ended, or give each "
                            "thread, and a generator that asks a model, a model of its own"));
  }
  if (access == Access::write) {
    writer_ = what;
    return;
  }
  reader_ = what;
  ++readers_;
  lock.unlock();
  reading_.lock();
}

void UseGuard::leave(Access access) {
  if (access == Access::read) reading_.unlock();
  const std::lock_guard lock(mutex_);
  if (access == Access::write) {
    writer_ = nullptr;
  } else if (--readers_ == 0) {
    reader_ = nullptr;
  }
}

Use::Use(UseGuard& guard, const std::string& model, const char* what, Access access)
    : guard_(guard), access_(access) {
  begin_use();
  try {
    guard_.enter(model, what, access);
  } catch (...) {
    end_use();
    throw;
  }
}

Use::~Use() {
  guard_.leave(access_);
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
