#include "fuzz/input.h"
#include "stoker/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  const std::string& path = fuzz::input().holding(choice.bytes);
  fuzz::only_own_errors([&] { read_npy(path, {.convert = choice.bit(0)}); });
  return 0;
}
