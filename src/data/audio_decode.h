// Decodes sound into memory that is kept for the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stoker/read_limits.h"

namespace stoker::data {

struct Sound {
  std::int64_t frames = 0;
  int channels = 0;
  int sample_rate = 0;
};

// Writes samples, frame by frame, to the front of `samples`. Throws as decode_audio() does.
Sound decode_sound(std::span<const std::byte> bytes, const std::string& name,
                   const ReadLimits& limits, std::vector<float>& samples);

}  // namespace stoker::data
