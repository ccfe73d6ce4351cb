// Models: layers, an optimizer, a loss and metrics; fit, evaluate, predict. Names, argument order
// and defaults are Keras 3's. One thread uses a model at a time, but for reading its weights and
// counters: a call while another one trains or computes on it throws ValueError. Every method of a
// model that was moved from throws ValueError.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stoker/device.h"
#include "stoker/generator.h"
#include "stoker/history.h"
#include "stoker/layers.h"
#include "stoker/losses.h"
#include "stoker/memory_report.h"
#include "stoker/metrics.h"
#include "stoker/optimizers.h"
#include "stoker/tensor.h"

namespace stoker {

struct ModelOptions {
  std::string name{};  // "sequential" or "functional" when empty
  // Initial weights, dropout, shuffling and generators draw from it: the same seed gives the same
  // training.
  std::uint64_t seed = 0;
  // Threads that compute, the calling one included; 0: STOKER_THREADS of the environment, else one
  // for each core that the process may use.
  int threads = 0;
  Device device = Device::best();
  // On a GPU, matrix products and convolutions round the fractions of their float32 operands to 10
  // bits (TF32), for tensor cores to multiply; sums stay float32. False: plain float32. From
  // outside: STOKER_TF32=0.
  bool tf32 = true;
  // Keras's dtype policies: "float32", "mixed_bfloat16" or "mixed_float16". In the mixed ones
  // layers compute and keep their activations in the 16-bit type; weights, their updates, the loss,
  // metrics and what predict() returns stay float32. compile() gives mixed_float16 a
  // LossScaleOptimizer. Layers that have a dtype of their own keep it. A CPU converts and computes
  // in float32: the results are those of the policy, the speed is not.
  std::string dtype_policy = "float32";
};

struct CompileOptions {
  Optimizer optimizer{};
  Loss loss{};
  std::vector<Metric> metrics{};           // ignore sample weights
  std::vector<Metric> weighted_metrics{};  // use them
  // Runs every step op by op and stops at the first NaN or infinity, naming the layer. Slow.
  bool run_eagerly = false;
};

// Validation data in memory, kept by the options.
struct ValidationData {
  Tensor x;
  Tensor y;
  Tensor sample_weight{};
};

enum class OnInterrupt : std::uint8_t {
  // Finishes the step, joins the feed's threads, and leaves the program by std::exit(130).
  exit,
  // The same, and throws Interrupted; the model can be used.
  raise,
  // Leaves the signal alone.
  ignore,
};

// The members stand in this order because designated initialisers must follow it.
struct FitOptions {
  // Batches in an epoch. Needed for a source that never ends; otherwise an epoch is what the source
  // makes it.
  std::optional<std::int64_t> steps_per_epoch{};
  std::int64_t epochs = 1;
  int verbose = 1;  // 0: silent; 1: a progress bar (plain lines where there is no terminal);
                    // 2: one line an epoch
  std::int64_t batch_size = 32;  // of tensors; generators have their own
  // This share of the tensors' rows, the last ones, is kept for validation. Tensors only.
  double validation_split = 0.0;
  std::optional<ValidationData> validation_data{};
  std::optional<SourceHandle> validation_generator{};
  std::optional<std::int64_t> validation_steps{};  // needed when that source never ends
  std::int64_t validation_freq = 1;                // every so many epochs
  bool shuffle = true;  // of tensors' rows, and of a Sequence's batches, each epoch
  // The loss of a sample is multiplied by its class's weight; classes that are not here weigh 1.
  // Not together with sample weights. Validation is not weighted.
  std::map<std::int64_t, double> class_weight{};
  Tensor sample_weight{};  // (rows), of tensors; generators have a field for it
  // Epochs before it are skipped: the fit goes on where the last one ended, with the random numbers
  // that one fit over all epochs would have drawn. A fit from epoch 0 on a model that was trained
  // before draws others than the fits before it; a Dataset, which has a seed of its own, begins
  // anew.
  std::int64_t initial_epoch = 0;
  // Batches generated ahead of the step, or AUTOTUNE: as many as help.
  int max_queue_size = 10;
  // Threads that generate, or AUTOTUNE: as many as help, adjusted while training goes on. A source
  // that is not pure has one, whatever this says. Where there are more than max_queue_size, there
  // is a slot for each all the same.
  int workers = 1;
  int max_workers = 64;  // that AUTOTUNE takes
  // What to do with batches in which the generator wrote a NaN.
  NanPolicy nan_policy = NanPolicy::stop;
  // Seconds that one batch may be waited for before fit throws DataError; 0 or infinity: for ever.
  // The call of the generator that hangs is left behind on its thread, also where fit ends for
  // another reason.
  double generator_timeout = 0.0;
  // What Ctrl-C does while fit runs, its validation too, in a program that has no handler of its
  // own for it.
  OnInterrupt on_interrupt = OnInterrupt::exit;
  // The file for a trace of every batch's way from the generator to its step, for Perfetto or
  // chrome://tracing; empty: nowhere. Holds the last 65,536 stages of each thread.
  std::string trace{};
};

struct EvaluateOptions {
  std::optional<std::int64_t> steps{};
  int verbose = 1;
  std::int64_t batch_size = 32;
  int max_queue_size = 10;
  int workers = 1;  // as fit's
  int max_workers = 64;
  NanPolicy nan_policy = NanPolicy::stop;
  double generator_timeout = 0.0;
  OnInterrupt on_interrupt = OnInterrupt::exit;
};

struct PredictOptions {
  std::optional<std::int64_t> steps{};
  int verbose = 0;
  std::int64_t batch_size = 32;
  int max_queue_size = 10;
  int workers = 1;  // as fit's
  int max_workers = 64;
  NanPolicy nan_policy = NanPolicy::stop;
  double generator_timeout = 0.0;
  OnInterrupt on_interrupt = OnInterrupt::exit;
};

class Model {
 public:
  // The functional API: everything between inputs and output.
  Model(const Value& input, const Value& output, ModelOptions options = {});
  Model(std::vector<Value> inputs, const Value& output, ModelOptions options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const std::string& name() const;
  // The table of layers that Keras prints; without an argument on standard output.
  void summary() const;
  void summary(std::ostream& out) const;

  void compile(CompileOptions options);

  // Trains. Tensors are cut into batches; generators give theirs. Throws ValueError before
  // compile(); ShapeError and DTypeError for batches that do not fit the model; DataError for what
  // a generator did or for labels out of range; NumericError when the loss is not finite;
  // Interrupted on Ctrl-C where on_interrupt says so. After any of them the model is as it was
  // after the last good step, and usable; where it was an update that overflowed, such elements
  // keep the values from before that step and the others have taken it, so that no weight is ever
  // infinite or NaN.
  History fit(const Tensor& x, const Tensor& y, FitOptions options = {});
  History fit(const std::vector<Tensor>& x, const Tensor& y, FitOptions options = {});
  History fit(SourceHandle source, FitOptions options = {});
  History fit_generator(SourceHandle source, FitOptions options = {}) {
    return fit(std::move(source), std::move(options));
  }

  // Loss and metrics over a data set; NaN where every batch was skipped. Changes nothing.
  Logs evaluate(const Tensor& x, const Tensor& y, EvaluateOptions options = {});
  Logs evaluate(SourceHandle source, EvaluateOptions options = {});
  Logs evaluate_generator(SourceHandle source, EvaluateOptions options = {}) {
    return evaluate(std::move(source), options);
  }

  // Outputs for all rows: (rows, ...). Needs no compile(). Throws ValueError for NanPolicy::skip,
  // which would leave rows out.
  Tensor predict(const Tensor& x, PredictOptions options = {});
  Tensor predict(SourceHandle source, PredictOptions options = {});
  Tensor predict_generator(SourceHandle source, PredictOptions options = {}) {
    return predict(std::move(source), options);
  }

  // One step on one batch; loss and metrics of this batch alone. (Keras 3 returns their running
  // mean until reset_metrics(); here nothing runs on.)
  Logs train_on_batch(const Tensor& x, const Tensor& y, const Tensor& sample_weight = {});
  Logs test_on_batch(const Tensor& x, const Tensor& y, const Tensor& sample_weight = {});
  // Reports how the time since the first train_on_batch() divides, and starts over. Between the
  // calls the device waited for the caller.
  FeedReport take_on_batch_report();

  // All weights, layer by layer, trainable ones first within a layer, as Keras lists them.
  std::vector<Tensor> get_weights() const;
  // Throws ShapeError, naming the weight, and changes nothing when one does not fit.
  void set_weights(const std::vector<Tensor>& weights);
  std::vector<std::string> weight_names() const;  // "conv2d/kernel", ...
  std::int64_t count_params() const;

  double learning_rate() const;
  // Takes effect with the next step. Throws ValueError unless it is finite and at least 0.
  void set_learning_rate(double learning_rate);
  std::int64_t iterations() const;  // updates done
  // The scale of a LossScaleOptimizer as it is now; 1 without one.
  double loss_scale() const;

  // The ops of the training step on batches of `batch_size`, after all rewrites; for people.
  std::string graph_dump(std::int64_t batch_size = 32);

  // What the model keeps on its device, as it is now.
  MemoryReport memory_report() const;
  // What it would keep to train on batches of `batch_size`, whether they fit the device or not:
  // compiles that step, for inputs as the model declares them, and neither runs nor allocates.
  MemoryReport memory_report(std::int64_t batch_size) const;

  struct Impl;  // opaque

 protected:
  Model();
  // Starts over with another output (Sequential::add).
  void rebuild(std::vector<Value> inputs, const Value& output, const ModelOptions& options,
               const std::string& default_name);

 private:
  std::unique_ptr<Impl> impl_;
};

// A stack of layers; the first is an Input.
class Sequential : public Model {
 public:
  // Throws ShapeError where one layer's output does not fit the next, ValueError without an Input.
  Sequential(std::initializer_list<Layer> layers, ModelOptions options = {});
  explicit Sequential(const std::vector<Layer>& layers, ModelOptions options = {});
  // Puts a layer on top. The model then needs compile() again; weights start over.
  void add(const Layer& layer);

 private:
  void build();
  std::vector<Layer> layers_;
  ModelOptions options_;
};

}  // namespace stoker
