#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/foreign.h"
#include "core/format.h"
#include "core/input_file.h"
#include "data/audio_decode.h"
#include "data/class_files.h"
#include "data/limits.h"
#include "stoker/audio.h"
#include "stoker/error.h"

namespace stoker {
namespace {

constexpr std::array<std::string_view, 2> kSuffixes{".wav", ".flac"};

void put_samples(const std::string& path, const AudioFolderOptions& options,
                 const VaryingOutput<float>& to) {
  thread_local std::vector<std::byte> bytes;
  thread_local std::vector<float> samples;
  const data::Sound sound = with_own_errors(path, [&] {
    return data::decode_sound(read_whole_file(path, options.limits.max_bytes, bytes), path,
                              options.limits, samples);
  });
  if (options.sample_rate && sound.sample_rate != *options.sample_rate) {
    throw IoError(format(path, ": expected ", *options.sample_rate, " frames a second, received ",
                         sound.sample_rate));
  }
  const bool mixes = options.channels == 1 && sound.channels > 1;
  if (!mixes && sound.channels != options.channels) {
    throw IoError(
        format(path, ": expected ", options.channels, " channels, received ", sound.channels));
  }
  const std::int64_t length = options.output_sequence_length.value_or(sound.frames);
  const std::span<float> out = to.take({length, options.channels});
  const auto channels = static_cast<std::size_t>(sound.channels);
  const auto frames = static_cast<std::size_t>(std::min(length, sound.frames));
  if (mixes) {
    for (std::size_t i = 0; i < frames; ++i) {
      float sum = 0.0f;
      for (std::size_t c = 0; c < channels; ++c) sum += samples[i * channels + c];
      out[i] = sum / static_cast<float>(channels);
    }
  } else {
    std::copy_n(samples.begin(), frames * channels, out.begin());
  }
  std::ranges::fill(out.subspan(frames * static_cast<std::size_t>(options.channels)), 0.0f);
}

}  // namespace

AudioFolder audio_folder(const std::string& path, const AudioFolderOptions& options) {
  constexpr const char* kWhere = "audio_folder";
  if (options.output_sequence_length) {
    check::require(kWhere, "output_sequence_length", *options.output_sequence_length,
                   check::at_least(1));
  }
  check::require(kWhere, "channels", options.channels, check::closed(1, 1024));
  if (options.sample_rate) {
    check::require(kWhere, "sample_rate", *options.sample_rate, check::at_least(1));
  }
  const data::MemoryLimit limits(kWhere, options.limits, 0);  // throws for those that make no sense
  const data::Split split{options.validation_split, options.subset, options.shuffle, options.seed};
  data::check_split(kWhere, split);
  return with_own_errors(path, [&] {
    data::ClassFiles found = data::find_class_files(path, kSuffixes);
    std::vector<std::string> files;
    std::vector<std::int32_t> labels;
    for (const std::size_t i : data::subset_of(found.files.size(), split)) {
      files.push_back(found.files[i]);
      labels.push_back(found.labels[i]);
    }
    const auto count = static_cast<std::int32_t>(files.size());
    Dataset<std::int32_t> order = range(count);
    if (options.shuffle) order = order.shuffle(count, options.seed);
    const Shape shape{options.output_sequence_length.value_or(Shape::kUnknown), options.channels};
    auto dataset = order.map<float, std::int32_t>(
        {shape, Shape{}},
        [files, labels, options](std::span<const std::int32_t> number, VaryingOutput<float> sound,
                                 VaryingOutput<std::int32_t> label) {
          const auto i = static_cast<std::size_t>(number[0]);
          put_samples(files[i], options, sound);
          label.take(Shape{})[0] = labels[i];
        },
        {.workers = options.workers,
         .on_error = options.on_error,
         .max_failures = options.max_failures,
         .name = "decode"});
    return AudioFolder{std::move(dataset), std::move(found.names), std::move(files),
                       std::move(labels)};
  });
}

}  // namespace stoker
