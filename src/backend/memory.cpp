#include "backend/backend.h"

namespace stoker::backend {

std::byte* Memory::at(const graph::Home& home) const {
  const auto behind = [&](std::byte* begin) {
    return begin == nullptr ? nullptr : begin + home.offset;
  };
  switch (home.space) {
    case graph::Space::arena:
      return behind(arena);
    case graph::Space::input:
      return nullptr;
    case graph::Space::parameter:
      return behind(parameters);
    case graph::Space::gradient:
      return behind(gradients);
    case graph::Space::copy:
      return behind(copies);
    case graph::Space::slot:
      return behind(slots[static_cast<std::size_t>(home.index)]);
    case graph::Space::state:
      return behind(state);
    case graph::Space::metric:
      return behind(metrics);
    case graph::Space::scalar:
      return behind(reinterpret_cast<std::byte*>(scalars));
  }
  return nullptr;
}

}  // namespace stoker::backend
