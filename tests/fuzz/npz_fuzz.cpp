#include <zlib.h>

#include <cstring>
#include <vector>

#include "fuzz/input.h"
#include "stoker/npy.h"

namespace {

// Gives the entries of an archive the checksums that their bytes have, as far as it finds them: no
// fuzzer would. Stored entries only.
void seal(std::vector<std::uint8_t>& file) {
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes && at + i < file.size(); ++i) {
      value |= std::uint64_t{file[at + i]} << (8 * i);
    }
    return value;
  };
  for (std::size_t at = 0; at + 46 <= file.size(); ++at) {
    if (number(at, 4) != 0x02014b50 || number(at + 10, 2) != 0) continue;
    const std::uint64_t size = number(at + 24, 4);
    const std::uint64_t local = number(at + 42, 4);
    const std::uint64_t begin = local + 30 + number(local + 26, 2) + number(local + 28, 2);
    if (begin > file.size() || size > file.size() - begin) continue;
    const auto crc =
        static_cast<std::uint32_t>(crc32(0, file.data() + begin, static_cast<uInt>(size)));
    std::memcpy(&file[at + 16], &crc, 4);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  std::vector<std::uint8_t> file(choice.bytes.begin(), choice.bytes.end());
  if (choice.bit(1)) seal(file);
  const std::string& path = fuzz::input().holding(file);
  fuzz::only_own_errors([&] {
    read_npz(path, {.convert = choice.bit(0), .limits = {.max_bytes = std::uint64_t{1} << 20}});
  });
  return 0;
}
