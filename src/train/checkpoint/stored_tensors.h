// The tensors of a checkpoint's file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/safetensors.h"
#include "train/saving/staged_values.h"

namespace stoker::train {

// The tensors of a file, read whole where they fit into kMostStagedBytes, and otherwise each time
// that they are asked for.
class StoredTensors {
 public:
  explicit StoredTensors(io::SafetensorsReader& file) : file_(file) {
    std::uint64_t bytes = 0;
    for (const io::SafetensorsEntry& entry : file.header().entries) {
      bytes = std::max(bytes, entry.end);
    }
    if (bytes > kMostStagedBytes) return;
    all_.resize(static_cast<std::size_t>(bytes));
    for (const io::SafetensorsEntry& entry : file.header().entries) {
      file.read(entry, std::span(all_).subspan(static_cast<std::size_t>(entry.begin),
                                               static_cast<std::size_t>(entry.bytes())));
    }
  }

  io::SafetensorsReader& file() { return file_; }
  const io::SafetensorsHeader& header() const { return file_.header(); }
  void read(const io::SafetensorsEntry& entry, std::span<std::byte> to, std::uint64_t offset = 0) {
    if (all_.empty()) return file_.read(entry, to, offset);
    std::ranges::copy(
        std::span(all_).subspan(static_cast<std::size_t>(entry.begin + offset), to.size()),
        to.begin());
  }

 private:
  io::SafetensorsReader& file_;
  std::vector<std::byte> all_;
};

}  // namespace stoker::train
