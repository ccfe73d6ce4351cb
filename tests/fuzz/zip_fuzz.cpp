#include "fuzz/input.h"
#include "io/zip.h"
#include "stoker/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  const std::string& path = fuzz::input().holding(choice.bytes);
  constexpr std::uint64_t kMost = std::uint64_t{1} << 20;
  fuzz::only_own_errors([&] {
    const io::ZipReader zip(path, 16);
    for (const io::ZipMember& member : zip.members()) {
      fuzz::only_own_errors([&] {
        const auto contents = choice.bit(0) ? zip.map(member, kMost) : zip.read(member, kMost);
        if (member.name == "config.json") Config::from_json(contents.text());
      });
    }
  });
  return 0;
}
