// Memory as a device gives it: at multiples of 256 bytes, which kernels count on that load and
// store several elements at once.
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t kAlignment = 256;

}  // namespace

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment);
}
void* operator new(std::size_t bytes) {
  if (void* data = operator new(bytes, std::nothrow)) return data;
  throw std::bad_alloc();
}
void operator delete(void* data, const std::nothrow_t&) noexcept { std::free(data); }
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, std::size_t) noexcept { std::free(data); }
