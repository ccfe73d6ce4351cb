#include "fuzz/input.h"
#include "stoker/tfrecord.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  const std::string& path = fuzz::input().holding(choice.bytes);
  const RecordOptions options{.limits = {.max_bytes = std::uint64_t{1} << 20},
                              .image_limits = {.max_pixels = 1 << 16},
                              .on_error = choice.bit(0) ? OnError::skip : OnError::stop,
                              .max_failures = 20};
  const auto go_through = [](const auto& dataset) {
    int left = 100;
    for (const auto& element : dataset) {
      static_cast<void>(element);
      if (--left == 0) break;
    }
  };
  fuzz::only_own_errors([&] {
    go_through(tfrecord_examples<float, std::int32_t, std::uint8_t>(
        {path}, {{{"x", {2}}, {"y", {Shape::kUnknown}}, {"image", {2, 2, 1}, choice.bit(1)}}},
        options));
  });
  fuzz::only_own_errors([&] { go_through(tfrecord_records({path}, options)); });
  return 0;
}
