#include <algorithm>
#include <vector>

#include "fuzz/input.h"
#include "io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const std::string& path = fuzz::input().holding({data, size});
  fuzz::only_own_errors([&] {
    io::SafetensorsReader file(path);
    for (const io::SafetensorsEntry& entry : file.header().entries) {
      // The tensors lie in the file, so that none is larger than the input.
      std::vector<std::byte> bytes(static_cast<std::size_t>(entry.bytes()));
      file.read(entry, bytes);
    }
    // What was read can be written again.
    io::SafetensorsHeader header = file.header();
    const std::string text = io::write_safetensors_header(header);
    if (header.entries.size() != file.header().entries.size() || text.empty()) std::abort();
  });
  return 0;
}
