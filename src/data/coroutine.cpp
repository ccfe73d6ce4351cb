#include "stoker/coroutine.h"

namespace stoker {

BatchCoroutine detail::BatchPromise::get_return_object() {
  return BatchCoroutine(BatchCoroutine::Handle::from_promise(*this));
}

BatchCoroutine::~BatchCoroutine() {
  if (handle_) handle_.destroy();
}

bool BatchCoroutine::resume() {
  handle_.resume();
  if (handle_.promise().error) std::rethrow_exception(handle_.promise().error);
  return !handle_.done();
}

std::optional<std::int64_t> BatchCoroutine::rows() const { return handle_.promise().rows; }

}  // namespace stoker
