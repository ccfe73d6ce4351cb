#include "fuzz/input.h"
#include "stoker/text_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  const std::string& path = fuzz::input().holding(choice.bytes);
  fuzz::only_own_errors([&] {
    int left = 1000;
    for (const auto& [line] : text_lines({path}, {.limits = {.max_bytes = 1 << 16}})) {
      if (!line.empty() && line.back() == '\n') std::abort();
      if (--left == 0) break;
    }
  });
  return 0;
}
