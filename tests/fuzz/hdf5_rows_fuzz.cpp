#include "fuzz/hdf5_leaks.h"
#include "fuzz/input.h"
#include "stoker/hdf5_rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  const std::string& path = fuzz::input().holding(choice.bytes);
  const Hdf5RowsOptions options{.cache_bytes = 1 << 16};
  const auto go_through = [](const auto& dataset) {
    int left = 100;
    for (const auto& element : dataset) {
      static_cast<void>(element);
      if (--left == 0) break;
    }
  };
  fuzz::only_own_errors([&] {
    if (choice.bit(0)) {
      go_through(hdf5_rows<std::int32_t>({path}, {"x"}, options).batch(4));
    } else {
      go_through(hdf5_rows<float>({path}, {"x"}, options).batch(4));
    }
  });
  return 0;
}
