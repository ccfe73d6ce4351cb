// Sets a model back to what it was before it was trained for a measurement.
#pragma once

#include <cstdint>

#include "train/checkpoint/checkpoint.h"

namespace stoker::train {

class KeptState {
 public:
  // The model is held for training as long as this lives.
  explicit KeptState(Model::Impl& model);
  ~KeptState();
  KeptState(const KeptState&) = delete;
  KeptState& operator=(const KeptState&) = delete;

 private:
  Model::Impl& model_;
  const std::uint64_t fits_begun_;
  Snapshot snapshot_;
};

}  // namespace stoker::train
