// Batches of tensors that somebody else owns, which fit(x, y), evaluate and predict read from.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "stoker/array_source.h"

namespace stoker {

// Makes a source as array_source() does, but of rows [begin_row, end_row) only (-1: to the end),
// and without copying the tensors. They must stay where they are, unchanged, as long as the source
// is in use. Targets and sample weights are optional. Throws as array_source() does, ValueError for
// a bad range.
std::shared_ptr<Source> borrow_arrays(const std::vector<const Tensor*>& inputs,
                                      const std::vector<const Tensor*>& targets,
                                      const std::vector<const Tensor*>& sample_weights,
                                      ArrayOptions options, std::int64_t begin_row = 0,
                                      std::int64_t end_row = -1);

// Lets a source of borrow_arrays() shuffle by another seed, before it is asked for a batch. Other
// sources have seeds of their own, and stay as they are.
void reseed_borrowed_arrays(Source& source, std::uint64_t seed);

}  // namespace stoker
