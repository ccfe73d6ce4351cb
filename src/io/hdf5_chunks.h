// Chunks of an HDF5 file: what their filters are, and the ones that were unpacked last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace stoker::io {

// A filter of a dataset, in the order in which a writer applies them.
struct Hdf5Filter {
  enum class Kind : std::uint8_t { deflate, shuffle, fletcher32 };
  Kind kind = Kind::deflate;
  std::size_t element_bytes = 1;  // of shuffle
};

// Undoes the filters of a chunk, but for those whose bits are set in `mask`. `packed` is used up,
// and `to` has the chunk's size. Returns why that is not possible; empty if it was.
// Source: "HDF5 File Format Specification", version 3, and the filters of libhdf5.
std::string unpack_chunk(std::span<const Hdf5Filter> filters, std::uint32_t mask,
                         std::vector<std::byte>& packed, std::vector<std::byte>& to);

// A chunk as it is unpacked, or on its way there. Threads that want it meanwhile wait.
struct Hdf5Chunk {
  std::mutex filling;
  bool is_filled = false;
  std::vector<std::byte> bytes;
};

// The chunks that were asked for last, of any number of datasets. Rows that follow each other often
// lie in the same one. Any thread may use it.
class Hdf5ChunkCache {
 public:
  explicit Hdf5ChunkCache(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // Returns the chunk with this number of a dataset, which may not be filled yet, and keeps it in
  // the place of those that nobody has asked for the longest.
  std::shared_ptr<Hdf5Chunk> find(const void* dataset, std::uint64_t number, std::uint64_t bytes);
  // Forgets a chunk that could not be filled.
  void drop(const std::shared_ptr<Hdf5Chunk>& chunk);

 private:
  struct Entry {
    const void* dataset = nullptr;
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;
    std::uint64_t asked = 0;
    std::shared_ptr<Hdf5Chunk> chunk;
  };
  static constexpr std::size_t kMostEntries = 64;

  const std::uint64_t max_bytes_;
  std::mutex mutex_;
  std::uint64_t calls_ = 0;
  std::uint64_t held_ = 0;  // bytes
  std::vector<Entry> entries_;
};

}  // namespace stoker::io
