// The inside of Hdf5File, which its two sources share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5.h"
#include "io/hdf5_handle.h"

namespace stoker::io {

// Empty where the product does not fit.
inline std::optional<std::uint64_t> product(std::uint64_t a, std::uint64_t b) {
  std::uint64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

constexpr std::size_t kMostChildren = 1 << 16;  // of a group; texts of an attribute

struct Hdf5File::Impl {
  std::string name;
  std::uint64_t bytes = 0;
  std::optional<std::filesystem::path> path{};  // Empty for a file in memory.
  std::span<const std::byte> image{};           // Empty for a file on disk.
  Hdf5Handle file{};

  ~Impl() {
    const Hdf5Lock lock;
    file.reset();
  }

  // Throws IoError: <name of the file>: "<path>": <what>.
  [[noreturn]] void fail(const std::string& path, const std::string& what) const;

  // ---- What follows is called with an Hdf5Lock ----

  void require_open() const;
  // Opens what lies at a path, one component after the other, so that no link but a hard one is
  // followed. The handle is empty where there is nothing.
  Hdf5Handle open(const std::string& path) const;
  Hdf5Handle open_group(const std::string& path) const {
    Hdf5Handle found = open(path);
    if (found && H5Iget_type(found.id()) != H5I_GROUP) return {};
    return found;
  }

  void check_storage(const Hdf5Dataset& dataset, hid_t id, hid_t creation) const;
  Hdf5Dataset describe(const std::string& path, hid_t id) const;
  std::vector<std::string> read_texts(const std::string& group, const std::string& attribute,
                                      hid_t id) const;
};

}  // namespace stoker::io
