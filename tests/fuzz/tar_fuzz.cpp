#include "fuzz/input.h"
#include "stoker/tar_samples.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  const std::string& path = fuzz::input().holding(choice.bytes);
  const RecordOptions options{.limits = {.max_bytes = std::uint64_t{1} << 20},
                              .image_limits = {.max_pixels = 1 << 16},
                              .on_error = choice.bit(0) ? OnError::skip : OnError::stop,
                              .max_failures = 20};
  fuzz::only_own_errors([&] {
    const auto samples =
        tar_samples<std::uint8_t, std::int32_t, float, std::uint8_t>({path},
                                                                     {{{"png", {2, 2, 1}},
                                                                       {"cls;json", {}, "class"},
                                                                       {"npy", {2, 1}},
                                                                       {"txt", {Shape::kUnknown}}}},
                                                                     options);
    int left = 100;
    for (const auto& element : samples) {
      static_cast<void>(element);
      if (--left == 0) break;
    }
  });
  return 0;
}
