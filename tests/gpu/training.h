// Workloads of the benchmark suite `peers`, and two that are bound by copies: trained as a user
// does, and stage by stage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/plan/planned_step.h"
#include "feed/ring/slot_layout.h"
#include "stoker/stoker.h"
#include "train/model_access.h"

namespace stoker::gpu {

struct Workload {
  const char* name;
  std::int64_t batch;
  Shape input;
  Value (*network)(const Value&);
  bool regression = false;  // the mean squared error by SGD; otherwise 10 classes by Adam
};
// Throws ValueError when there is none of that name.
const Workload& workload_of(const std::string& name);

// On the device under test.
class Training {
 public:
  explicit Training(const Workload& workload);
  ~Training();

  // Seconds that so many steps took, in an epoch behind one of as many: the first one pays for the
  // ring, and for plans that are made when they are needed.
  double fit(std::int64_t steps);
  double loss() const { return loss_; }
  // Launches of a step. On CUDA each is a node of its graph; of cuDNN's, one or a few.
  int launches();
  std::size_t batch_bytes() const;

  // The stages of a step one by one, each as often as its turn comes in `steps` steps. Batches lie
  // on the device for the first; the others never touch the model. A worker of the feed fills a
  // batch and then looks for NaNs in it.
  void run_resident(std::int64_t steps);
  void fill(std::int64_t steps);
  void look_for_nan(std::int64_t steps);
  void upload(std::int64_t steps);

  // What each launch of a step takes on the device, as the median of so many steps.
  std::vector<backend::cuda::TimedLaunch> time_launches(int steps);

 private:
  class Batches;
  struct Resident;

  backend::Executable& executable();
  device::RingState* resident_ring();
  void rewind(device::RingState* ring);

  const Workload& workload_;
  Value input_;
  std::shared_ptr<Batches> source_;
  feed::SlotLayout layout_;
  Model public_;
  Model::Impl& model_;  // Its inside.
  std::shared_ptr<train::Plan> plan_;  // of a training step; the model may forget it
  std::unique_ptr<Resident> resident_;
  double loss_ = 0.0;
};

}  // namespace stoker::gpu
