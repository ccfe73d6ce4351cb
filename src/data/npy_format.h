// Declarations that the readers and writers of .npy and .npz share.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/format.h"
#include "stoker/error.h"
#include "stoker/npy.h"

namespace stoker::npy {

using Bytes = std::span<const std::byte>;

// Every .npy file begins with this.
constexpr std::string_view kMagic = "\x93NUMPY";

[[noreturn]] inline void fail(const std::string& name, const std::string& what) {
  throw IoError(format(name, ": ", what));
}

template <class T>
T number_at(Bytes bytes, std::size_t offset, const std::string& name) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
    fail(name, format("truncated: expected ", sizeof(T), " bytes at offset ", offset));
  }
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// Returns the array in the bytes of a .npy file; `name` is for messages.
Tensor parse(Bytes bytes, const NpyOptions& options, const std::string& name);

}  // namespace stoker::npy
