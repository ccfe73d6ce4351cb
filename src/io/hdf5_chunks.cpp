#include "io/hdf5_chunks.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core/format.h"

namespace stoker::io {
namespace {

struct Free {
  void operator()(libdeflate_decompressor* inflater) const {
    libdeflate_free_decompressor(inflater);
  }
};

libdeflate_decompressor* inflater() {
  thread_local std::unique_ptr<libdeflate_decompressor, Free> kept;
  if (!kept) kept.reset(libdeflate_alloc_decompressor());
  if (!kept) throw std::bad_alloc();
  return kept.get();
}

// The checksum of libhdf5, which is Fletcher's over 16-bit numbers, high byte first.
std::uint32_t fletcher32(std::span<const std::byte> bytes) {
  const auto at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  std::uint32_t first = 0, second = 0;
  const std::size_t words = bytes.size() / 2;
  for (std::size_t i = 0; i < words;) {
    // So many additions do not overflow.
    const std::size_t end = std::min(words, i + 360);
    for (; i < end; ++i) {
      first += at(2 * i) << 8 | at(2 * i + 1);
      second += first;
    }
    first = (first & 0xffff) + (first >> 16);
    second = (second & 0xffff) + (second >> 16);
  }
  if (bytes.size() % 2 != 0) {
    first += at(bytes.size() - 1) << 8;
    second += first;
    first = (first & 0xffff) + (first >> 16);
    second = (second & 0xffff) + (second >> 16);
  }
  first = (first & 0xffff) + (first >> 16);
  second = (second & 0xffff) + (second >> 16);
  return second << 16 | first;
}

// Shuffled bytes stand by their place in an element: all first ones, all second ones, and so on.
template <std::size_t Bytes>
void unshuffle_fixed(const std::byte* from, std::byte* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < Bytes; ++k) to[i * Bytes + k] = from[k * count + i];
  }
}
void unshuffle(std::span<const std::byte> from, std::byte* to, std::size_t element) {
  const std::size_t count = from.size() / element;
  switch (element) {
    case 2:
      unshuffle_fixed<2>(from.data(), to, count);
      break;
    case 4:
      unshuffle_fixed<4>(from.data(), to, count);
      break;
    case 8:
      unshuffle_fixed<8>(from.data(), to, count);
      break;
    default:
      for (std::size_t k = 0; k < element; ++k) {
        for (std::size_t i = 0; i < count; ++i) to[i * element + k] = from[k * count + i];
      }
  }
  const std::size_t whole = count * element;
  if (whole < from.size()) std::memcpy(to + whole, from.data() + whole, from.size() - whole);
}

}  // namespace

std::string unpack_chunk(std::span<const Hdf5Filter> filters, std::uint32_t mask,
                         std::vector<std::byte>& packed, std::vector<std::byte>& to) {
  const std::size_t size = to.size();
  thread_local std::vector<std::byte> other;
  std::size_t checksums = 0;  // those that a writer appended before the filter at hand
  for (std::size_t i = 0; i < filters.size(); ++i) {
    if (filters[i].kind == Hdf5Filter::Kind::fletcher32 && (mask >> i & 1) == 0) ++checksums;
  }
  for (std::size_t i = filters.size(); i-- > 0;) {
    if ((mask >> i & 1) != 0) continue;
    switch (filters[i].kind) {
      case Hdf5Filter::Kind::deflate: {
        other.resize(size + 4 * checksums);
        std::size_t received = 0;
        const libdeflate_result result = libdeflate_zlib_decompress(
            inflater(), packed.data(), packed.size(), other.data(), other.size(), &received);
        if (result != LIBDEFLATE_SUCCESS || received != other.size()) {
          return format(
              "expected deflated data of ", other.size(), " bytes, received ",
              result == LIBDEFLATE_SUCCESS ? format(received, " bytes") : "damaged or longer data");
        }
        std::swap(packed, other);
        break;
      }
      case Hdf5Filter::Kind::shuffle: {
        if (filters[i].element_bytes <= 1) break;
        other.resize(packed.size());
        unshuffle(packed, other.data(), filters[i].element_bytes);
        std::swap(packed, other);
        break;
      }
      case Hdf5Filter::Kind::fletcher32: {
        if (packed.size() < 4) return "expected a checksum, received fewer than 4 bytes";
        std::uint32_t stored = 0;
        std::memcpy(&stored, packed.data() + packed.size() - 4, 4);
        packed.resize(packed.size() - 4);
        --checksums;
        const std::uint32_t computed = fletcher32(packed);
        // Early versions of libhdf5 wrote both halves with their bytes in the other order.
        const std::uint32_t early = (computed & 0x00ff00ff) << 8 | (computed >> 8 & 0x00ff00ff);
        if (stored != computed && stored != early) {
          return format("expected the checksum ", computed, ", received ", stored);
        }
        break;
      }
    }
  }
  if (packed.size() != size) {
    return format("expected a chunk of ", size, " bytes, received ", packed.size());
  }
  std::swap(packed, to);
  return {};
}

std::shared_ptr<Hdf5Chunk> Hdf5ChunkCache::find(const void* dataset, std::uint64_t number,
                                                std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.dataset != dataset || entry.number != number) continue;
    entry.asked = ++calls_;
    return entry.chunk;
  }
  auto chunk = std::make_shared<Hdf5Chunk>();
  while (!entries_.empty() && (entries_.size() == kMostEntries || held_ + bytes > max_bytes_)) {
    const auto oldest = std::ranges::min_element(entries_, {}, &Entry::asked);
    held_ -= oldest->bytes;
    // Nobody else can find it, so that its memory may serve the next.
    if (oldest->chunk.use_count() == 1) chunk->bytes = std::move(oldest->chunk->bytes);
    entries_.erase(oldest);
  }
  held_ += bytes;
  entries_.push_back({dataset, number, bytes, ++calls_, chunk});
  return chunk;
}

void Hdf5ChunkCache::drop(const std::shared_ptr<Hdf5Chunk>& chunk) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(entries_, chunk, &Entry::chunk);
  if (found == entries_.end()) return;
  held_ -= found->bytes;
  entries_.erase(found);
}

}  // namespace stoker::io
