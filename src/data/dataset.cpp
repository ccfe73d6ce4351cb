// The parts of Dataset that do not depend on its element types.
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>

#include "core/atomic_file.h"
#include "core/format.h"
#include "data/permutation.h"
#include "data/source_random.h"
#include "stoker/dataset_core.h"

namespace stoker::detail {
namespace {

constexpr char kMagic[8] = {'S', 't', 'o', 'k', 'C', 'a', 'c', '1'};

struct CacheHeader {
  char magic[8] = {};
  std::uint64_t signature_bytes = 0;
  std::int64_t elements = 0;
  std::uint64_t bytes = 0;
};

}  // namespace

Random element_random(const Pass& pass, std::uint32_t stage, std::int64_t ordinal) {
  // The stage goes into the seed: each has numbers of its own.
  const std::uint64_t seed = pass.seed ^ (std::uint64_t{stage} + 1) * 0x9e3779b97f4a7c15U;
  return data::source_random(seed, pass.epoch, data::RandomStage::element, ordinal);
}

void throw_wrong_shape(const Shape& expected, const Shape& received) {
  throw ShapeError(format("Dataset: expected every element to have shape ", expected,
                          ", received one of ", received,
                          ". padded_batch() takes elements of different shapes"));
}

// Called while the original is being handled, which so becomes the nested one.
void throw_in_stage(const std::string& stage, std::int64_t ordinal) {
  std::string what = "something that is no std::exception";
  try {
    throw;
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  std::throw_with_nested(DataError(format("Dataset, ", stage, ", element ", ordinal, ": ", what)));
}

struct EpochOrder::Impl {
  Impl(std::int64_t size, std::uint64_t seed, bool again)
      : permutations(size, seed), reshuffle(again) {}
  data::Permutations permutations;
  bool reshuffle;
};

EpochOrder::EpochOrder(std::int64_t size, std::uint64_t seed, bool reshuffle)
    : impl_(std::make_unique<Impl>(size, seed, reshuffle)) {}
EpochOrder::~EpochOrder() = default;

std::int64_t EpochOrder::at(std::int64_t epoch, std::int64_t index) const {
  std::int64_t found = 0;
  at(epoch, std::span(&index, 1), std::span(&found, 1));
  return found;
}

void EpochOrder::at(std::int64_t epoch, std::span<const std::int64_t> indices,
                    std::span<std::int64_t> out) const {
  const auto order = impl_->permutations.of_epoch(impl_->reshuffle ? epoch : 0);
  const std::span<const std::int64_t> rows = order.rows();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    out[i] = rows[static_cast<std::size_t>(indices[i])];
  }
}

void write_cache(const std::string& path, const std::string& signature, std::int64_t elements,
                 std::span<const std::byte> bytes) {
  CacheHeader header;
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.signature_bytes = signature.size();
  header.elements = elements;
  header.bytes = bytes.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&header, 1)));
  file.write(signature);
  file.write(bytes);
  file.commit();
}

std::optional<std::vector<std::byte>> read_cache(const std::string& path,
                                                 const std::string& signature,
                                                 std::int64_t& elements) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return std::nullopt;
  const std::uintmax_t size = std::filesystem::file_size(path, none);
  std::ifstream file(path, std::ios::binary);
  CacheHeader header;
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  if (!file || std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    throw IoError(format(path,
                         ": expected a cache that Dataset::cache() wrote, received another "
                         "file. Name one that does not exist yet"));
  }
  if (header.signature_bytes > 4096 || header.elements < 0 ||
      size != sizeof header + header.signature_bytes + header.bytes) {
    throw IoError(format(path, ": a damaged cache: its length is not what it says. Remove it"));
  }
  std::string found(header.signature_bytes, '\0');
  file.read(found.data(), static_cast<std::streamsize>(found.size()));
  if (found != signature) {
    throw IoError(format(path, ": a cache of elements ", found, ", expected ", signature,
                         ". Remove it, or name another file"));
  }
  std::vector<std::byte> bytes(header.bytes);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw IoError(format(path, ": could not be read to its end"));
  elements = header.elements;
  return bytes;
}

}  // namespace stoker::detail
