#include <vector>

#include "fuzz/input.h"
#include "fuzz/zip_seal.h"
#include "stoker/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  std::vector<std::uint8_t> file(choice.bytes.begin(), choice.bytes.end());
  if (choice.bit(1)) fuzz::seal(file);
  const std::string& path = fuzz::input().holding(file);
  fuzz::only_own_errors([&] {
    read_npz(path, {.convert = choice.bit(0), .limits = {.max_bytes = std::uint64_t{1} << 20}});
  });
  return 0;
}
