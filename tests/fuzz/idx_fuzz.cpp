#include "fuzz/input.h"
#include "stoker/idx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const std::string& path = fuzz::input().holding({data, size});
  fuzz::only_own_errors([&] { read_idx(path, {.max_bytes = std::uint64_t{1} << 20}); });
  return 0;
}
