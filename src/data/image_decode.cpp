// Chooses the decoder of an image. This file needs no tensor and no file, as its user
// tools/decode/ doesn't.
#include "data/image_codec.h"

namespace stoker::image {

void check_channels(const std::string& name, std::int64_t channels) {
  if (channels == 1 || channels == 3 || channels == 4) return;
  throw ValueError(format(name, ": expected 1, 3 or 4 channels, received ", channels));
}

void decode(std::span<const std::byte> bytes, const Job& job, Target& target) {
  check_channels(job.name, job.channels);
  data::check_limits(job.limits);
  if (is_png(bytes)) return decode_png(bytes, job, target);
  if (is_jpeg(bytes)) return decode_jpeg(bytes, job, target);
  fail(job.name, "expected a PNG or a JPEG, received neither");
}

}  // namespace stoker::image
