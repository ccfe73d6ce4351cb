// What is behind a Model: its network, its device state, its plans, and the loops that run them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "feed/pipeline.h"
#include "stoker/model.h"
#include "train/arrays.h"
#include "train/compiled.h"
#include "train/network.h"
#include "train/state.h"
#include "train/step_graph.h"
#include "train/use.h"

namespace stoker {

namespace train {

class InterruptScope;

// A compiled step for batches of one shape.
struct Plan {
  std::unique_ptr<backend::Executable> executable;
  std::vector<graph::ValueId> outputs;  // when predicting
  MemoryVersion bound{};                // of the last bind
  // The mode, batch and rows that the plan was made for.
  Mode mode = Mode::train;
  BatchSpec spec{};
  std::vector<std::size_t> offsets{};
  std::int64_t rows = 0;
  std::uint64_t last_use = 0;  // Model::Impl::plan_uses then
};

// A batch handed over by hand (train_on_batch) and the memory it is staged in, kept for the next.
struct Staging {
  BatchSpec spec;
  std::unique_ptr<device::Buffer> host;
  std::unique_ptr<device::Buffer> device;  // null where steps read host memory
  std::unique_ptr<device::Buffer> ring;
  std::uint64_t batches = 0;
};

// The place of a step in its epoch, for messages.
struct StepPlace {
  std::int64_t epoch = 0;
  std::int64_t step = 0;  // within the epoch, of the last step launched
  // The device's step counter when the epoch began: where an error stopped the counter, it tells
  // the step, however many were launched since.
  std::optional<std::uint32_t> counter{};

  // The number of a step whose update overflowed: unlike one that was refused, it has been counted.
  std::int64_t overflowed_step(const plan::Scalars& scalars) const {
    return counter ? static_cast<std::int64_t>(scalars.step - *counter) - 1 : step;
  }
  std::int64_t step_of(const plan::Scalars& scalars) const {
    return counter ? static_cast<std::int64_t>(scalars.step - *counter) : step;
  }
};

}  // namespace train

struct Model::Impl {
  Impl(std::string name, std::shared_ptr<const train::Topology> topology, ModelOptions options);
  ~Impl();

  std::string name;
  ModelOptions options;
  bool is_sequential = false;  // constructed as one
  train::Network network;
  train::State state;
  std::uint64_t layout;  // of the store, for which the network's places and the plans are
  std::mutex reading;    // held while one thread reads: the device's stream serves one
  std::optional<train::Compiled> compiled;
  std::map<std::string, std::shared_ptr<train::Plan>> plans;
  std::uint64_t plan_uses = 0;
  std::uint64_t fits_begun = 0;  // at epoch 0
  std::optional<train::Staging> staging;
  // The report of train_on_batch since the last one, and the time at which its last call ended.
  FeedReport on_batch;
  std::int64_t on_batch_end_ns = 0;

  // ---- plans.cpp ----
  // Called at the begin of every use.
  void follow_store();
  void compile(CompileOptions options);
  void require_compiled(const char* what) const;
  // Waits for the device, so that plans and memory may go; a broken one has stopped.
  void synchronize() noexcept;
  // The plan for `rows` rows of such batches, made at the first call and kept until others have
  // been asked for more recently. Throws DeviceError, saying what would fit, when there is no
  // memory for its arena.
  std::shared_ptr<train::Plan> plan(train::Mode mode, const BatchSpec& spec,
                                    const std::vector<std::size_t>& offsets, std::int64_t rows);
  void forget_oldest_plan();
  // Makes a plan and nothing else. `compiled` has its metrics resolved.
  std::shared_ptr<train::Plan> make_plan(const train::Compiled* compiled, train::Mode mode,
                                         const BatchSpec& spec,
                                         const std::vector<std::size_t>& offsets,
                                         std::int64_t rows);
  // Training batches as the layers and the loss declare them.
  BatchSpec declared_batch(std::int64_t rows) const;
  // Launches a step on the ring's next batch; runs it at once in interpreter mode. Where the device
  // is not asynchronous, throws what the step recorded.
  void run(train::Plan& plan, device::RingState* ring, const train::StepPlace& place);
  // Waits for the device and throws what a step has recorded since the last look.
  void check(train::Plan& plan, const train::StepPlace& place);
  // The same with scalars that have been read already; waits only when there is something to throw.
  void check(train::Plan& plan, const train::StepPlace& place, const plan::Scalars& found);
  Logs read_logs() const;
  // The logs of totals and their corrections.
  Logs logs_of(std::span<const float> metrics) const;

  // ---- memory.cpp ----
  MemoryReport memory_report() const;
  MemoryReport memory_report(std::int64_t batch_size);
  // Gradients and optimizer slots. Throws DeviceError, saying what there is to do, when there is no
  // memory for them.
  void prepare_training(const optimizers::OptimizerBase& optimizer);
  // The feed of a loop whose whole batches run by `plan`; throws as plan() does.
  feed::Pipeline open_feed(const train::Plan& plan, const std::shared_ptr<Source>& source,
                           const feed::FeedOptions& feed_options);
  // After an allocation for steps of `plan` was refused: drops the plan, the arena and other memory
  // that comes back by itself, and throws DeviceError, saying what was needed and what would fit.
  // Weights, gradients and optimizer slots stay.
  [[noreturn]] void throw_out_of_memory(const train::Plan& plan, const std::string& refusal);

  // ---- fit.cpp ----
  History fit(std::shared_ptr<Source> source, const FitOptions& options,
              const train::InterruptScope& interrupt, std::shared_ptr<Source> validation = nullptr);
  // The seed of what the source of such a fit draws.
  std::uint64_t seed_of(const FitOptions& fit_options) const;
  History fit_tensors(const Tensors& x, const Tensors& y, const FitOptions& options,
                      const train::InterruptScope& interrupt);

  // ---- evaluate.cpp ----
  Logs evaluate(const std::shared_ptr<Source>& source, const EvaluateOptions& options,
                const train::InterruptScope& interrupt);
  std::vector<Tensor> predict(const std::shared_ptr<Source>& source, const PredictOptions& options,
                              const train::InterruptScope& interrupt);
  Logs run_on_batch(train::Mode mode, const Tensors& x, const Tensors& y,
                    const Tensors& sample_weight);
  std::vector<Tensor> predict_on_batch(const Tensors& x);
  // Throws ValueError unless the model has one output.
  void require_one_output(const char* what) const;

  void note_on_batch(std::int64_t begin_ns, std::int64_t rows);
  FeedReport take_on_batch_report();
  // Memory for a batch that `step` runs on.
  void stage(const train::Plan& step, const BatchSpec& spec, const feed::SlotLayout& layout);
  // Writes tensors that lie as `spec` says into the staged block, and onto the device.
  void fill_staged(const train::Plan& step, const BatchSpec& spec, const feed::SlotLayout& layout,
                   const std::vector<const Tensor*>& tensors);

  // ---- arrays.cpp ----
  train::Arrays arrays(const Tensors& x, const Tensors& y, const Tensors& sample_weight,
                       const char* what) const;
};

namespace train {

// The plans of one source's batches: finds them by their number of rows without allocating.
class StepRunner {
 public:
  StepRunner(Model::Impl& model, Mode mode, BatchSpec spec, std::vector<std::size_t> offsets);

  // Makes the plan for whole batches, so that shapes are checked before the source is asked.
  Plan& prepare();
  Plan& plan(std::int64_t rows);
  void run(const feed::Batch& batch, device::RingState* ring, const StepPlace& place);
  // Looks for an error of the steps so far, and throws it.
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

}  // namespace train
}  // namespace stoker
