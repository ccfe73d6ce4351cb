#include "feed/ring/claim.h"

#include <mutex>
#include <set>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

// The claims of the whole process, since feeds of the same source do not know of each other. They
// are never destroyed, because an abandoned thread gives its claim back whenever its call returns.
struct Claims {
  std::mutex mutex;
  std::set<const Source*> held;
};

Claims& claims() {
  static Claims* const all = new Claims;
  return *all;
}

}  // namespace

SourceClaim::SourceClaim(const Source& source, const char* what)
    : held_(source.pure() ? nullptr : &source.innermost()) {
  if (held_ == nullptr) return;
  Claims& all = claims();
  const std::lock_guard lock(all.mutex);
  if (!all.held.insert(held_).second) {
    throw ValueError(format(
        what,
        ": the generator serves another fit, evaluation, prediction or stream, or a call of "
        "it that timed out has not returned, and it would be called by two threads at a time. Give "
        "each one of its own, or say pure(f) if that is safe"));
  }
}

SourceClaim::~SourceClaim() {
  if (held_ == nullptr) return;
  Claims& all = claims();
  const std::lock_guard lock(all.mutex);
  all.held.erase(held_);
}

}  // namespace stoker::feed
