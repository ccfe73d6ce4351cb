// Parameters of ops embedding and embedding_backward.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::backend::cuda {

// The kernel copies rows of table [entries, ..] by the class numbers in ids [count]; elements may
// be of any type.
struct embedding_params {
  const void* table = {};
  const void* ids = {};
  void* y = {};
  plan::Scalars* scalars = {};
  std::uint32_t* counters = {};  // two: blocks that are done, the first bad id
  std::int64_t count = {};       // less than 2^32 - 1
  std::int64_t row_bytes = {};
  std::int32_t entries = {};
  Labels kind = {};  // int32_classes or float_classes
  std::int32_t node = {};
};
// The uses of a table's rows, with the keys that they are sorted by. An id is its own key; one that
// the table does not have gets the key `entries`. A pass sorts by one digit of the keys and keeps
// the order of equal ones, so that after all passes the uses of an id stand side by side, in their
// order.
struct EmbeddingUses {
  const void* ids = {};            // the keys of the first pass
  const std::uint32_t* keys = {};  // the keys of later passes, as the pass before has placed them
  const std::uint32_t* uses = {};
  std::int64_t count = {};  // less than 2^32 - 1
  std::int32_t entries = {};
  std::int32_t chunk = {};  // uses of a block, a multiple of its threads
  std::int32_t shift = {};  // the place of the digit's lowest bit
  Labels kind = {};
};
// The kernel computes the place of each chunk's first key of each digit: places [chunks, kDigits].
struct embedding_count_params {
  EmbeddingUses from = {};
  std::uint32_t* places = {};
  std::uint32_t* counter = {};
};
// The kernel writes each use of an id to its place in the order by that digit.
struct embedding_place_params {
  EmbeddingUses from = {};
  const std::uint32_t* places = {};
  std::uint32_t* keys = {};
  std::uint32_t* uses = {};
};
// The kernel writes the rows of dtable [entries, columns] that keys name; all rows are zero before.
struct embedding_backward_params {
  const void* dy = {};             // [count, columns], of `element`
  const std::uint32_t* keys = {};  // sorted
  const std::uint32_t* uses = {};  // the rows of dy that the keys belong to
  float* dtable = {};
  std::int64_t count = {};
  std::int32_t entries = {};
  std::int32_t columns = {};
  Element element = {};
};

Grid grid_of(const embedding_params& params);
const Kernel& kernel_of(const embedding_params& params);
Grid grid_of(const embedding_count_params& params);
const Kernel& kernel_of(const embedding_count_params& params);
Grid grid_of(const embedding_place_params& params);
const Kernel& kernel_of(const embedding_place_params& params);
Grid grid_of(const embedding_backward_params& params);
const Kernel& kernel_of(const embedding_backward_params& params);

// The sizes of the sort by id for a table's gradient, which launches embedding_count and
// embedding_place by turns. Its memory holds, in this order, two pairs of keys and uses of
// numbers_bytes each, since a pass reads the one pair and writes the other, and then the counts.
struct EmbeddingSort {
  EmbeddingSort(std::int64_t uses, std::int32_t entries);

  int passes = 1;
  std::int32_t chunk = 0;  // uses of a block
  std::size_t numbers_bytes = 0;
  std::size_t counts_bytes = 0;

  std::size_t bytes() const { return 4 * numbers_bytes + counts_bytes; }
};

}  // namespace stoker::backend::cuda
