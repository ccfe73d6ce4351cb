// What a reader and its helper (tools/decode/) say to each other: messages over a socket of whole
// messages, about memory that both have mapped. The two are of one build.
#pragma once

#include <cstdint>

namespace stoker::isolation {

constexpr std::uint64_t kMagic = 0x31656466746f6b73;
// The helper's descriptors.
constexpr int kSocket = 0;
constexpr int kMemory = 3;

// The file's bytes are at the beginning of the memory.
struct Request {
  std::uint64_t magic = kMagic;
  std::uint64_t number = 0;  // of the request, counted from 1
  std::uint64_t file_bytes = 0;
  std::uint64_t pixels_at = 0;     // where the pixels shall go
  std::uint64_t memory_bytes = 0;  // all that is mapped
  std::uint64_t max_pixels = 0;
  std::int64_t max_scans = 0;
  std::int64_t height = 0;  // to be resized to, or 0 for the image's own size
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

enum class Answer : std::uint64_t {
  ready,      // once, at the beginning
  pixels,     // they lie in the memory
  no_room,    // the memory is too small for an image of this size
  refused,    // the file is not what it should be: the message says why
  not_ready,  // instead of ready
};

// Comes from a process that a file may have taken over, so that none of it is believed.
struct Reply {
  std::uint64_t magic = kMagic;
  std::uint64_t number = 0;  // of the request
  Answer answer = Answer::ready;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  char message[464] = "";
};

}  // namespace stoker::isolation
