// Sources that cost nothing, to measure what is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "stoker/source.h"

namespace stoker::train {

// Copies of batches in the host's memory.
struct KeptBatches {
  struct One {
    std::vector<std::vector<std::byte>> fields;
    std::int64_t rows = 0;
  };
  BatchSpec spec;
  std::vector<One> batches;
};

// Gives the batches over and over. Batch n is a copy of batch n modulo their number.
std::shared_ptr<Source> replay(std::shared_ptr<const KeptBatches> kept);

// Gives the first of the batches over and over, from memory of the device: it is copied there once
// for each of the device's slots.
std::shared_ptr<Source> repeat_on_device(std::shared_ptr<const KeptBatches> kept);

}  // namespace stoker::train
