#include "stoker/detail/mutex.h"

#include <mutex>

namespace stoker::detail {

struct Mutex::Impl {
  std::mutex mutex;
};

Mutex::Mutex() : impl_(std::make_unique<Impl>()) {}
Mutex::~Mutex() = default;

Lock::Lock(Mutex& mutex) : mutex_(mutex) { mutex_.impl_->mutex.lock(); }
Lock::~Lock() { mutex_.impl_->mutex.unlock(); }

}  // namespace stoker::detail
