#include <zlib.h>

#include <cstring>
#include <vector>

#include "fuzz/input.h"
#include "stoker/dataset.h"

namespace {

// This function puts right checksums into a file that has none, and where `mends` says so, right
// lengths into its header: no fuzzer would find them. Elements are of shape (n, 2) and float32, and
// () and int32.
std::vector<std::uint8_t> sealed(std::span<const std::uint8_t> plain, bool mends) {
  constexpr std::size_t kHeader = 32;
  if (plain.size() < kHeader) return {plain.begin(), plain.end()};
  std::uint64_t signature = 0;
  std::memcpy(&signature, plain.data() + 8, 8);
  signature = std::min<std::uint64_t>(signature, plain.size() - kHeader);

  std::vector<std::size_t> parts{kHeader + signature};
  std::size_t at = parts[0];
  while (at < plain.size()) {
    std::uint64_t extents[2] = {};
    const std::size_t left = plain.size() - at;
    std::memcpy(extents, plain.data() + at, std::min<std::size_t>(left, sizeof extents));
    const std::uint64_t elements =
        extents[0] < 1000 && extents[1] < 1000 ? extents[0] * extents[1] : 0;
    parts.push_back(std::min<std::size_t>(left, sizeof extents + 4 * elements + 4));
    at += parts.back();
  }
  std::vector<std::uint8_t> header(plain.begin(), plain.begin() + kHeader);
  if (mends) {
    const std::uint64_t count = parts.size() - 1;
    const std::uint64_t bytes = plain.size() - parts[0];
    std::memcpy(header.data() + 16, &count, 8);
    std::memcpy(header.data() + 24, &bytes, 8);
  }
  std::vector<std::uint8_t> file;
  std::vector<std::uint8_t> all = header;
  all.insert(all.end(), plain.begin() + kHeader, plain.end());
  at = 0;
  uLong crc = 0;
  for (const std::size_t size : parts) {
    crc = crc32(crc, all.data() + at, static_cast<uInt>(size));
    file.insert(file.end(), all.begin() + static_cast<std::ptrdiff_t>(at),
                all.begin() + static_cast<std::ptrdiff_t>(at + size));
    for (int shift = 0; shift < 32; shift += 8) {
      file.push_back(static_cast<std::uint8_t>(crc >> shift));
    }
    at += size;
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  std::vector<std::uint8_t> file(choice.bytes.begin(), choice.bytes.end());
  if (choice.bit(0)) file = sealed(choice.bytes, choice.bit(1));
  const std::string& path = fuzz::input().holding(file);
  static const Tensor x({3, 4, 2});
  static const Tensor y({3}, DType::int32);
  const auto elements = Dataset<float, std::int32_t>::from_tensor_slices({x, y});
  fuzz::only_own_errors([&] {
    // Into rows of a batch, where an element that is too large would be written past its own.
    elements.cache(path).batch(2).for_each([](auto, auto) {});
  });
  return 0;
}
