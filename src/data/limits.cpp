#include "data/limits.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker::data {
namespace {

// Up to this size a file may unpack to any multiple of its own.
constexpr std::uint64_t kHarmless = std::uint64_t{1} << 28;

std::uint64_t expanded(std::uint64_t file_bytes, std::uint64_t expansion) {
  std::uint64_t bytes = 0;
  return __builtin_mul_overflow(file_bytes, expansion, &bytes) ? ~std::uint64_t{0} : bytes;
}

}  // namespace

MemoryLimit::MemoryLimit(std::string name, const ReadLimits& limits, std::uint64_t file_bytes)
    : name_(std::move(name)),
      limits_(limits),
      file_bytes_(file_bytes),
      most_(std::min(limits.max_bytes,
                     std::max(kHarmless, expanded(file_bytes, limits.max_expansion)))) {
  if (limits.max_bytes == 0 || limits.max_expansion == 0) {
    throw ValueError(format("ReadLimits: expected max_bytes and max_expansion of 1 or more, ",
                            "received ", limits.max_bytes, " and ", limits.max_expansion));
  }
}

void MemoryLimit::refuse(std::uint64_t bytes) const {
  if (bytes > limits_.max_bytes) {
    throw IoError(format(name_, ": expected at most ", bytes_text(limits_.max_bytes),
                         " bytes of content (ReadLimits::max_bytes), received ", bytes));
  }
  throw IoError(format(name_, ": expected at most ", limits_.max_expansion,
                       " bytes of content for each byte of the file (ReadLimits::max_expansion), ",
                       "received ", bytes, " for ", file_bytes_,
                       ". Raise the limit if you know the file"));
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::uint64_t kMany = std::uint64_t{1} << 20;
  if (bytes < kMany || !std::has_single_bit(bytes)) return std::to_string(bytes);
  return format("2^", std::countr_zero(bytes));
}

void check_limits(const ImageLimits& limits) {
  if (limits.max_pixels == 0) {
    throw ValueError("ImageLimits: expected max_pixels of 1 or more, received 0");
  }
  check::require("ImageLimits", "max_scans", limits.max_scans, check::at_least(1));
}

}  // namespace stoker::data
