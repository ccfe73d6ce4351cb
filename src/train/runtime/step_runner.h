// Runs the steps of a loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "train/model_impl.h"

namespace stoker::train {

// Keeps the plans for the batches of one source, and finds them by their number of rows without
// allocating.
class StepRunner {
 public:
  StepRunner(Model::Impl& model, Mode mode, const Source& source);

  // Makes the plan for whole batches, which checks shapes before the source is asked for anything.
  Plan& prepare();
  Plan& plan(std::int64_t rows);
  void run(const feed::Batch& batch, device::RingState* ring, const StepPlace& place);
  // Checks for an error of the steps so far, and throws it.
  void check(const StepPlace& place);
  void check(const StepPlace& place, const plan::Scalars& found);

 private:
  Model::Impl& model_;
  Mode mode_;
  BatchSpec spec_;
  std::vector<std::size_t> offsets_;
  static constexpr std::size_t kMostKnown = 32;
  std::vector<std::shared_ptr<Plan>> known_;
  Plan* last_ = nullptr;
};

// Throws ValueError where a handle has no source.
void require_source(const std::shared_ptr<Source>& source, const char* what);
// Throws ValueError unless the source ends or `steps` is given.
void require_end(const Source& source, const std::optional<std::int64_t>& steps, const char* what,
                 const char* option);

}  // namespace stoker::train
