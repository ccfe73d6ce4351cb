#include "fuzz/hdf5_leaks.h"
#include "fuzz/hdf5_walk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  int left = 200;
  fuzz::only_own_errors([&] {
    if (choice.bit(0)) {
      fuzz::walk(io::Hdf5File("image", std::as_bytes(choice.bytes)), "", 0, left);
    } else {
      fuzz::walk(io::Hdf5File(fuzz::input().holding(choice.bytes)), "", 0, left);
    }
  });
  return 0;
}
