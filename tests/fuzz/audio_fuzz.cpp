#include <cmath>

#include "fuzz/input.h"
#include "stoker/audio.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  fuzz::only_own_errors([&] {
    const Audio audio = decode_audio(std::as_bytes(std::span(data, size)), "audio",
                                     {.max_bytes = std::uint64_t{1} << 22});
    if (audio.samples.shape().rank() != 2 || audio.sample_rate < 1) std::abort();
  });
  return 0;
}
