// Looks for NaNs in what a generator wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "stoker/dtype.h"

namespace stoker::feed {

// Returns the index of the first of `count` elements that is NaN; none for integers.
std::optional<std::int64_t> find_nan(const std::byte* data, DType dtype, std::int64_t count);

}  // namespace stoker::feed
