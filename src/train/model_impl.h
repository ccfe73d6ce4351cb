// The inside of a Model: its network, its state on the device, its plans, and the loops that run
// them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "feed/upload/pipeline.h"
#include "stoker/model.h"
#include "train/loop/position.h"
#include "train/network/network.h"
#include "train/runtime/arrays.h"
#include "train/runtime/compiled.h"
#include "train/runtime/state.h"
#include "train/runtime/step_graph.h"
#include "train/runtime/use.h"

namespace stoker {

namespace train {

class Loop;
struct Caller;

// A compiled step for batches of one shape.
struct Plan {
  std::unique_ptr<backend::Executable> executable;
  std::vector<graph::ValueId> outputs;  // Only set for predictions.
  MemoryVersion bound{};                // The version of memory at the last bind.
  // The mode, batch and rows that the plan was made for.
  Mode mode = Mode::train;
  BatchSpec spec{};
  std::vector<std::size_t> offsets{};
  std::int64_t rows = 0;
  std::uint64_t last_use = 0;  // The value of Model::Impl::plan_uses at the last use.
};

// A batch that the caller hands over (train_on_batch), and the memory in which it is staged. The
// memory is kept for the next batch.
struct Staging {
  BatchSpec spec;
  std::unique_ptr<device::Buffer> host;
  std::unique_ptr<device::Buffer> device;  // Null where steps read host memory.
  std::unique_ptr<device::Buffer> ring;
  std::uint64_t batches = 0;
};

// The place of a step in its epoch, for messages.
struct StepPlace {
  std::int64_t epoch = 0;
  std::int64_t step = 0;  // The last step that was launched, counted within the epoch.
  // The device's step counter when the epoch began. An error stops the counter, which then tells
  // the failed step, however many were launched since.
  std::optional<std::uint32_t> counter{};

  // The number of the step whose update overflowed. Unlike a step that was refused, it has been
  // counted.
  std::int64_t overflowed_step(const plan::Scalars& scalars) const {
    return counter ? static_cast<std::int64_t>(scalars.step - *counter) - 1 : step;
  }
  std::int64_t step_of(const plan::Scalars& scalars) const {
    return counter ? static_cast<std::int64_t>(scalars.step - *counter) : step;
  }
};

}  // namespace train

struct Model::Impl {
  // Where it does not initialize, fresh weights begin as zeros.
  Impl(std::string name, std::shared_ptr<const train::Topology> topology, ModelOptions options,
       bool initializes = true);
  ~Impl();

  std::string name;
  ModelOptions options;
  bool is_sequential = false;  // Whether the model was constructed as a Sequential.
  train::Network network;
  train::State state;
  // The layout of the store for which the network's places and the plans were made.
  std::uint64_t layout;
  // Held while one thread reads, because the device's stream serves one thread at a time.
  std::mutex reading;
  // The innermost call that uses the model alone, and its loop. Null where there is none.
  train::Use* use = nullptr;
  train::Loop* loop = nullptr;
  std::optional<train::FitPosition> resumes_at;  // Set while a fit begins that is to go on.
  std::array<std::atomic<bool>, 3> stops{};      // By train::Mode.
  std::optional<train::Compiled> compiled;
  std::map<std::string, std::shared_ptr<train::Plan>> plans;
  std::uint64_t plan_uses = 0;
  std::uint64_t fits_begun = 0;  // The number of fits that began at epoch 0.
  std::optional<train::Staging> staging;
  // The ring of one slot through which a Loader's batch is read, and when that is on the device.
  std::unique_ptr<device::Buffer> view_ring;
  std::unique_ptr<device::Event> view_ready;
  // The report of train_on_batch since the last report, and the time at which its last call ended.
  FeedReport on_batch;
  std::int64_t on_batch_end_ns = 0;

  // ---- plans.cpp ----
  // Takes over changes of the store. It is called at the beginning of every use.
  void follow_store();
  void compile(CompileOptions options);
  void require_compiled(const char* what) const;
  // Waits for the device, so that plans and memory can be freed. A broken device has stopped
  // anyway.
  void synchronize() noexcept;
  // The plan for `rows` rows of such batches. It is made at the first call, and dropped when enough
  // others have been used more recently. Throws DeviceError, which says what would fit, when there
  // is no memory for its arena.
  std::shared_ptr<train::Plan> plan(train::Mode mode, const BatchSpec& spec,
                                    const std::vector<std::size_t>& offsets, std::int64_t rows);
  void forget_oldest_plan();
  // Makes a plan and changes nothing else. `compiled` has its metrics resolved.
  std::shared_ptr<train::Plan> make_plan(const train::Compiled* compiled, train::Mode mode,
                                         const BatchSpec& spec,
                                         const std::vector<std::size_t>& offsets,
                                         std::int64_t rows);
  // The shape of training batches, as the layers and the loss declare them.
  BatchSpec declared_batch(std::int64_t rows) const;
  // Launches a step on the ring's next batch, or runs it at once in interpreter mode. Where the
  // device is not asynchronous, it throws the error that the step recorded.
  void run(train::Plan& plan, device::RingState* ring, const train::StepPlace& place);
  // Waits for the device and throws the error that steps have recorded since the last check.
  void check(train::Plan& plan, const train::StepPlace& place);
  // Does the same with scalars that have been read already. It waits only when there is an error to
  // throw.
  void check(train::Plan& plan, const train::StepPlace& place, const plan::Scalars& found);
  Logs read_logs();
  // Sets the logs that follow from totals and their corrections. It allocates nothing when `logs`
  // has their names already.
  void logs_of(std::span<const float> metrics, Logs& logs);

  // ---- memory.cpp ----
  MemoryReport memory_report() const;
  MemoryReport memory_report(std::int64_t batch_size);
  // Allocates gradients and optimizer slots. Throws DeviceError, which says what can be done, when
  // there is no memory for them.
  void prepare_training(const optimizers::OptimizerBase& optimizer);
  // Opens the feed of a loop whose whole batches run by `plan`. Throws as plan() does.
  std::unique_ptr<feed::Pipeline> open_feed(const train::Plan& plan,
                                            const std::shared_ptr<Source>& source,
                                            const feed::FeedOptions& feed_options);
  // Handles a refused allocation for steps of `plan`: drops the plan, the arena and other memory
  // that can be made again, and throws DeviceError, which says what was needed and what would fit.
  // Weights, gradients and optimizer slots stay.
  [[noreturn]] void throw_out_of_memory(const train::Plan& plan, const std::string& refusal);

  // ---- loop/fit.cpp ----
  History fit(std::shared_ptr<Source> source, const FitOptions& options,
              const train::Caller& caller, std::shared_ptr<Source> validation = nullptr);
  History fit_tensors(const Tensors& x, const Tensors& y, const FitOptions& options,
                      const train::Caller& caller);
  // Returns what the options name for validation, or null. The source borrows `given`, which it
  // fills.
  std::shared_ptr<Source> validation_of(const FitOptions& fit_options, train::Arrays& given) const;
  // The seed for the random numbers of the source of such a fit.
  std::uint64_t seed_of(const FitOptions& fit_options) const;

  // ---- loop/evaluate.cpp, loop/predict.cpp ----
  Logs evaluate(const std::shared_ptr<Source>& source, const EvaluateOptions& options,
                const train::Caller& caller);
  std::vector<Tensor> predict(const std::shared_ptr<Source>& source, const PredictOptions& options,
                              const train::Caller& caller);
  // Throws ValueError unless the model has one output.
  void require_one_output(const char* what) const;

  // Lets loops of this mode run, which stop after their step once stop() was called. Any thread may
  // call stop().
  void let_run(train::Mode mode) { stops[static_cast<std::size_t>(mode)] = false; }
  void stop(train::Mode mode) { stops[static_cast<std::size_t>(mode)] = true; }
  bool is_told_to_stop(train::Mode mode) const { return stops[static_cast<std::size_t>(mode)]; }

  // ---- loop/on_batch.cpp ----
  Logs run_on_batch(train::Mode mode, const Tensors& x, const Tensors& y,
                    const Tensors& sample_weight);
  std::vector<Tensor> predict_on_batch(const Tensors& x);
  // The same for a batch that lies in the slot of a Loader.
  Logs run_on_batch(train::Mode mode, const BatchView& batch);
  std::vector<Tensor> predict_on_batch(const BatchView& batch);
  std::shared_ptr<train::Plan> prepare_view(train::Mode mode, const BatchView& view,
                                            const char* what);
  void note_on_batch(std::int64_t begin_ns, std::int64_t rows);
  FeedReport take_on_batch_report();
  // Allocates memory for a batch that `step` runs on.
  void stage(const train::Plan& step, const BatchSpec& spec, const feed::SlotLayout& layout);
  // Writes the tensors, whose layout is `spec`, into the staged block, and onto the device.
  void fill_staged(const train::Plan& step, const BatchSpec& spec, const feed::SlotLayout& layout,
                   const std::vector<const Tensor*>& tensors);

  // ---- arrays.cpp ----
  train::Arrays arrays(const Tensors& x, const Tensors& y, const Tensors& sample_weight,
                       const char* what) const;
};

}  // namespace stoker
