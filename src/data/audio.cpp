// Sound through libsndfile, which is the only place that sees it. Its many other formats are never
// offered a file.
#include "stoker/audio.h"

#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "core/foreign.h"
#include "core/format.h"
#include "core/input_file.h"
#include "data/audio_decode.h"
#include "data/limits.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using Bytes = std::span<const std::byte>;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw IoError(format(name, ": ", what));
}

bool has_text(Bytes bytes, std::size_t offset, std::string_view text) {
  return bytes.size() >= offset + text.size() &&
         std::memcmp(bytes.data() + offset, text.data(), text.size()) == 0;
}

// libsndfile reads what is there of a WAV file that is cut off and says nothing, so the sizes of
// its chunks are compared with the file first. Source: Microsoft, "Multimedia Programming Interface
// and Data Specifications 1.0".
void check_chunks(Bytes bytes, const std::string& name) {
  std::uint64_t at = 12;
  while (at + 8 <= bytes.size()) {
    std::uint32_t size = 0;
    std::memcpy(&size, bytes.data() + at + 4, sizeof size);
    const bool is_data = has_text(bytes, static_cast<std::size_t>(at), "data");
    const std::uint64_t left = bytes.size() - at - 8;
    if (size > left) {
      fail(name, format("offset ", at, ": truncated: expected a part of ", size,
                        " bytes, received ", left));
    }
    if (is_data) return;
    at += 8 + std::uint64_t{size} + size % 2;
  }
  fail(name, "expected a part with samples (\"data\"), received none");
}

// The bytes of a file, for libsndfile.
struct Memory {
  Bytes bytes;
  sf_count_t at = 0;

  static sf_count_t size(void* user) {
    return static_cast<sf_count_t>(static_cast<Memory*>(user)->bytes.size());
  }
  static sf_count_t seek(sf_count_t offset, int whence, void* user) {
    auto& memory = *static_cast<Memory*>(user);
    const sf_count_t base = whence == SEEK_SET   ? 0
                            : whence == SEEK_CUR ? memory.at
                                                 : static_cast<sf_count_t>(memory.bytes.size());
    sf_count_t to = 0;
    if (__builtin_add_overflow(base, offset, &to)) return -1;
    if (to < 0 || to > static_cast<sf_count_t>(memory.bytes.size())) return -1;
    return memory.at = to;
  }
  static sf_count_t read(void* to, sf_count_t count, void* user) {
    auto& memory = *static_cast<Memory*>(user);
    const auto left = static_cast<sf_count_t>(memory.bytes.size()) - memory.at;
    const sf_count_t taken = std::clamp<sf_count_t>(count, 0, left);
    if (taken > 0) {
      std::memcpy(to, memory.bytes.data() + memory.at, static_cast<std::size_t>(taken));
    }
    memory.at += taken;
    return taken;
  }
  static sf_count_t write(const void*, sf_count_t, void*) { return 0; }
  static sf_count_t tell(void* user) { return static_cast<Memory*>(user)->at; }
};

struct Close {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

bool is_known(int sample_format) {
  switch (sample_format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_PCM_16:
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT:
    case SF_FORMAT_DOUBLE:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
      return true;
    default:
      return false;
  }
}

}  // namespace

namespace data {

Sound decode_sound(Bytes bytes, const std::string& name, const ReadLimits& limits,
                   std::vector<float>& memory) {
  const MemoryLimit limit(name, limits, bytes.size());
  const bool is_wav = has_text(bytes, 0, "RIFF") && has_text(bytes, 8, "WAVE");
  if (!is_wav && !has_text(bytes, 0, "fLaC")) {
    fail(name, "expected a WAV or a FLAC file, received something else");
  }
  if (is_wav) check_chunks(bytes, name);
  Memory source{bytes};
  SF_VIRTUAL_IO calls{Memory::size, Memory::seek, Memory::read, Memory::write, Memory::tell};
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, Close> file(sf_open_virtual(&calls, SFM_READ, &info, &source));
  if (!file) fail(name, format("could not be decoded (", sf_strerror(nullptr), ")"));
  if (!is_known(info.format)) {
    fail(name, "expected samples as integers, floats, A-law or mu-law, received others");
  }
  constexpr int kMostChannels = 1024;
  if (info.channels < 1 || info.channels > kMostChannels || info.samplerate < 1) {
    fail(name, format("expected 1 to ", kMostChannels, " channels and a rate, received ",
                      info.channels, " channels and ", info.samplerate, " frames a second"));
  }
  const auto channels = static_cast<std::uint64_t>(info.channels);
  std::uint64_t wanted = 0;
  if (info.frames < 0 || __builtin_mul_overflow(static_cast<std::uint64_t>(info.frames),
                                                channels * sizeof(float), &wanted)) {
    fail(name, format("expected a length that fits the memory, received ", info.frames, " frames"));
  }
  limit.check(wanted);
  // Memory grows with what is there, whatever the header says.
  constexpr std::int64_t kPiece = 1 << 16;  // frames
  memory.clear();
  std::int64_t frames = 0;
  while (frames < info.frames) {
    const std::int64_t piece = std::min(kPiece, info.frames - frames);
    memory.resize(static_cast<std::size_t>(frames + piece) * channels);
    const sf_count_t read = sf_readf_float(
        file.get(), memory.data() + static_cast<std::size_t>(frames) * channels, piece);
    frames += std::clamp<sf_count_t>(read, 0, piece);
    if (read != piece || sf_error(file.get()) != SF_ERR_NO_ERROR) {
      fail(name, format("truncated or damaged: expected ", info.frames, " frames, received ",
                        frames, " of them (", sf_strerror(file.get()), ")"));
    }
  }
  return {frames, info.channels, info.samplerate};
}

}  // namespace data

Audio decode_audio(Bytes bytes, const std::string& name, const ReadLimits& limits) {
  return with_own_errors(name, [&] {
    std::vector<float> samples;
    const data::Sound sound = data::decode_sound(bytes, name, limits, samples);
    return Audio{Tensor::from<float>({sound.frames, sound.channels}, samples), sound.sample_rate};
  });
}

Audio read_audio(const std::string& path, const ReadLimits& limits) {
  return with_own_errors(path, [&] {
    std::vector<std::byte> memory;
    return decode_audio(read_whole_file(path, limits.max_bytes, memory), path, limits);
  });
}

}  // namespace stoker
