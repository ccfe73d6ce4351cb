// Images that are decoded in processes of their own, so that a file that crashes a decoder, or
// keeps it busy for ever, is an error like any other. docs/isolated-decoding.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "stoker/image.h"

namespace stoker {

struct IsolationOptions {
  ImageLimits limits{};
  double time_limit = 60.0;  // in seconds, for one image
  // The program that decodes, stoker-decode. If this is empty, the environment variable
  // STOKER_DECODE may name it; otherwise it lies beside oneDNN's library, where Stoker's
  // installation and build have it, or beside the program that runs.
  std::string helper{};
};

// Reads images as read_image() and read_image_into() do, with the same pixels and the same errors,
// by helper processes: one for each thread that reads at the same time, started when it is needed
// and kept for the next image. They can open no file and no socket, and end with the last copy of
// the reader, or with the program. Several threads may use a reader at a time. Linux 5.13 or later
// with Landlock, on x86-64 or AArch64.
class IsolatedImageReader {
 public:
  // Throws IoError if the helper's program is not found, ValueError for limits that are not above
  // 0.
  explicit IsolatedImageReader(const IsolationOptions& options = {});

  // A helper that crashes, is killed, or takes longer than the limit is an IoError that names the
  // file; the next image has a new one. So is a helper that cannot be started.
  Tensor read_image(const std::string& path, int channels = 3) const;
  void read_image_into(const std::string& path, std::span<std::uint8_t> to,
                       const ImageSize& size) const;
  // Do the same with a file's bytes; `name` is for messages.
  Tensor decode_image(std::span<const std::byte> file, const std::string& name,
                      int channels = 3) const;
  void decode_image_into(std::span<const std::byte> file, const std::string& name,
                         std::span<std::uint8_t> to, const ImageSize& size) const;

 private:
  class Pool;
  std::shared_ptr<Pool> pool_;
};

}  // namespace stoker
