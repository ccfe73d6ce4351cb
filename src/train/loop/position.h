// Where a fit stands, from which another one can go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stoker::train {

struct FitPosition {
  std::uint64_t seed = 0;        // The feed's, for shuffling and for generators.
  std::uint64_t fits_begun = 0;  // Model::Impl's.
  std::int64_t first_epoch = 0;  // The epoch at which the fit began.
  // The step that comes next: its epoch, its number in that, and the steps before it in all epochs.
  std::int64_t epoch = 0;
  std::int64_t step = 0;
  std::int64_t batches = 0;
  std::vector<std::byte> source_state{};  // What the source has saved; empty for one by number.
};

}  // namespace stoker::train
