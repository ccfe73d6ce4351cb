#include <string_view>

#include "fuzz/input.h"
#include "io/protobuf.h"

namespace {

// Any field of bytes may be a message.
void walk(std::string_view bytes, int level) {
  using namespace stoker;
  fuzz::only_own_errors([&] {
    io::ProtoReader reader(bytes);
    while (const auto field = reader.next()) {
      if (field->kind != io::ProtoField::Kind::bytes) continue;
      if (level < 8) walk(field->bytes, level + 1);
      fuzz::only_own_errors([&] {
        io::ProtoReader packed(field->bytes);
        while (packed.next_varint()) {
        }
      });
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  walk({reinterpret_cast<const char*>(data), size}, 0);
  return 0;
}
