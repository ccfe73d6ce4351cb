// Models: layers, an optimizer, a loss and metrics; fit, evaluate, predict. Names, argument order
// and defaults are Keras 3's. One thread uses a model at a time, but for reading its weights and
// counters: a call while another one trains or computes on it throws ValueError. Models that share
// layers may compute at a time, but while one trains or sets weights, calls of the others throw
// too. Every method of a model that was moved from throws ValueError.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stoker/device.h"
#include "stoker/generator.h"
#include "stoker/history.h"
#include "stoker/layers.h"
#include "stoker/losses.h"
#include "stoker/memory_report.h"
#include "stoker/metrics.h"
#include "stoker/optimizers.h"
#include "stoker/predictor.h"
#include "stoker/several.h"
#include "stoker/tensor.h"

namespace stoker {

class Config;

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

// Of a model with several outputs, what stands by name stands by the name of the layer that gives
// the output.
struct CompileOptions {
  Optimizer optimizer{};
  // One alone is that of every output; an empty Loss, or no name, leaves an output without.
  Several<Loss> loss{};
  // The factors of the outputs' losses in the loss that is minimised; 1 where there is none.
  Several<double> loss_weights{};
  OutputMetrics metrics{};           // ignore sample weights
  OutputMetrics weighted_metrics{};  // use them
  // Runs every step op by op and stops at the first NaN or infinity, naming the layer. Slow.
  bool run_eagerly = false;
};

// Validation data in memory, kept by the options.
struct ValidationData {
  Several<Tensor> x;
  Several<Tensor> y;
  Several<Tensor> sample_weight{};
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
  // (rows), of tensors, for all outputs or for each; generators have fields for them.
  Several<Tensor> sample_weight{};
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
  // (rows), of tensors, for all outputs or for each; generators have fields for them.
  Several<Tensor> sample_weight{};
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
  // The functional API: everything between inputs and outputs. The layers' weights are the layers':
  // where other models have some of them, all of these train and use the same ones. Throws
  // ValueError for outputs that the inputs don't lead to, for two layers of one name, and for
  // models that share weights and differ in device or dtype policy.
  Model(const Value& input, const Value& output, ModelOptions options = {});
  Model(std::vector<Value> inputs, const Value& output, ModelOptions options = {});
  Model(const Value& input, std::vector<Value> outputs, ModelOptions options = {});
  Model(std::vector<Value> inputs, std::vector<Value> outputs, ModelOptions options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const std::string& name() const;

  // A model is a layer too: it may be called on values, and stand in a Sequential. The layers
  // inside are the model's own, with its weights.
  Value operator()(const Value& x) const;
  Value operator()(const std::vector<Value>& inputs) const;
  std::vector<Value> call(const std::vector<Value>& inputs) const;

  // In Keras's order: by their distance from the outputs, the farthest first.
  std::vector<Layer> layers() const;
  // Throws ValueError, with the nearest name, where there is none.
  Layer get_layer(const std::string& name) const;
  // For all layers; takes effect at the next compile() of each model that has them.
  void set_trainable(bool trainable);

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
  History fit(const Tensors& x, const Tensors& y, FitOptions options = {});
  History fit(SourceHandle source, FitOptions options = {});
  History fit_generator(SourceHandle source, FitOptions options = {}) {
    return fit(std::move(source), std::move(options));
  }

  // Loss and metrics over a data set; NaN where every batch was skipped. Changes nothing.
  Logs evaluate(const Tensors& x, const Tensors& y, EvaluateOptions options = {});
  Logs evaluate(SourceHandle source, EvaluateOptions options = {});
  Logs evaluate_generator(SourceHandle source, EvaluateOptions options = {}) {
    return evaluate(std::move(source), options);
  }

  // The output for all rows: (rows, ...). Needs no compile(). Throws ValueError for
  // NanPolicy::skip, which would leave rows out, and for a model of several outputs, which
  // predict_outputs() gives.
  Tensor predict(const Tensors& x, PredictOptions options = {});
  Tensor predict(SourceHandle source, PredictOptions options = {});
  Tensor predict_generator(SourceHandle source, PredictOptions options = {}) {
    return predict(std::move(source), options);
  }
  // All outputs, in their order.
  std::vector<Tensor> predict_outputs(const Tensors& x, PredictOptions options = {});
  std::vector<Tensor> predict_outputs(SourceHandle source, PredictOptions options = {});

  // A handle for predictions by another thread, with memory of its own and these weights.
  Predictor predictor(PredictorOptions options = {}) const;

  // One step on one batch; loss and metrics of this batch alone. (Keras 3 returns their running
  // mean until reset_metrics(); here nothing runs on.)
  Logs train_on_batch(const Tensors& x, const Tensors& y, const Tensors& sample_weight = {});
  Logs test_on_batch(const Tensors& x, const Tensors& y, const Tensors& sample_weight = {});
  // Outputs of one batch, without a feed.
  Tensor predict_on_batch(const Tensors& x);
  std::vector<Tensor> predict_on_batch_outputs(const Tensors& x);
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

  // What the model is made of, in the form of the config.json of a .keras file: its layers with all
  // that they were made with, how they are connected, and what it was compiled with. Not its
  // weights.
  Config config() const;
  // The same as JSON, on one line or with so many spaces a level. Keras 3's model_from_json() reads
  // it.
  std::string to_json(int indent = 0) const;
  // A model of which to_json(), or Keras 3's, says this; with weights of its own, from the seed of
  // `options`. Its dtype policy is what the JSON says, and its name where `options` has none. It is
  // compiled if the other one was, unless `compile` is false, for what was compiled with something
  // that is not offered here. Throws ValueError and ShapeError, with the place in the JSON, for
  // what is unknown, missing or does not fit, and with the nearest known name.
  static Model from_json(std::string_view json, ModelOptions options = {}, bool compile = true);
  static Model from_config(const Config& config, ModelOptions options = {}, bool compile = true);

  // The ops of the training step on batches of `batch_size`, after all rewrites; for people.
  std::string graph_dump(std::int64_t batch_size = 32);

  // What the model keeps on its device, as it is now.
  MemoryReport memory_report() const;
  // What it would keep to train on batches of `batch_size`, whether they fit the device or not:
  // compiles that step, for inputs as the model declares them, and neither runs nor allocates.
  MemoryReport memory_report(std::int64_t batch_size) const;

  struct Impl;  // opaque, as is the next
  struct Lazy;

 protected:
  // Of a Sequential, whose weights and memory are made when they are first needed, or by make().
  Model(std::vector<Value> inputs, std::vector<Value> outputs, ModelOptions options,
        bool is_sequential);
  void make();
  // Starts over, without making anything.
  void replace(std::vector<Value> inputs, std::vector<Value> outputs, const ModelOptions& options);
  // Throws ValueError while a call of another thread is under way.
  void require_unused(const char* what) const;

 private:
  friend class Layer;
  friend Model clone_model(const Model& model);
  Impl& impl(const char* what) const;
  std::shared_ptr<layers::LayerBase> as_layer() const;

  std::unique_ptr<Lazy> lazy_;
};

// A model of the same layers and options with weights of its own, which start from the seed. As in
// Keras it is not compiled, and the weights are not the other's: set_weights() copies those.
Model clone_model(const Model& model);

// A stack of layers; the first is an Input.
class Sequential : public Model {
 public:
  // Throws ShapeError where one layer's output does not fit the next, ValueError without an Input.
  Sequential(std::initializer_list<Layer> layers, ModelOptions options = {});
  explicit Sequential(const std::vector<Layer>& layers, ModelOptions options = {});
  // Without layers, for add().
  explicit Sequential(ModelOptions options = {});
  Sequential(Sequential&&) noexcept;
  Sequential& operator=(Sequential&&) noexcept;
  ~Sequential();

  // Puts a layer on top. Shapes are checked at once, and throw as the constructor does; weights of
  // new layers are made at the first use after it. Other layers keep theirs. The model then needs
  // compile() again.
  void add(const Layer& layer);

 private:
  struct Stack;
  void stack();

  ModelOptions options_;
  std::unique_ptr<Stack> layers_;
};

}  // namespace stoker
