// Models consist of layers, and have an optimizer, a loss and metrics after compile(); they can
// fit, evaluate and predict. Names, argument order and defaults are Keras 3's. One thread uses a
// model at a time, except for reading its weights and counters: a call while another one trains or
// computes on the model throws ValueError. Models that share layers may compute at the same time,
// but while one of them trains or sets weights, calls of the others throw too. Every method of a
// model that was moved from throws ValueError.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stoker/callback.h"
#include "stoker/checkpoint.h"
#include "stoker/detail/function.h"
#include "stoker/device.h"
#include "stoker/generator.h"
#include "stoker/history.h"
#include "stoker/interrupt.h"
#include "stoker/layers.h"
#include "stoker/losses.h"
#include "stoker/memory_report.h"
#include "stoker/metrics.h"
#include "stoker/optimizers.h"
#include "stoker/predictor.h"
#include "stoker/several.h"
#include "stoker/tensor.h"

namespace stoker {

class BatchView;
class Config;

namespace detail {
// Returns whether larger values are better ones for this name in the model's logs, with or without
// "val_"; nullopt where neither a loss nor a metric of the model has that name.
std::optional<bool> larger_is_better(const Model& model, const std::string& name);
// The library's own way to a model's inside.
struct ModelAccess;
}  // namespace detail

struct ModelOptions {
  std::string name{};  // Where it is empty, the name is "sequential" or "functional".
  // Initial weights, dropout, shuffling and generators draw from this seed, so that the same seed
  // gives the same training.
  std::uint64_t seed = 0;
  // The number of threads that compute, including the calling one. 0 stands for the environment
  // variable STOKER_THREADS, or without it one thread for each core that the process may use.
  int threads = 0;
  Device device = Device::best();
  // On a GPU, matrix products and convolutions round the fractions of their float32 operands to 10
  // bits (TF32), so that tensor cores can multiply them; sums stay float32. False selects plain
  // float32, as does STOKER_TF32=0 in the environment.
  bool tf32 = true;
  // Keras's dtype policies: "float32", "mixed_bfloat16", "mixed_float16", "bfloat16" or "float16".
  // In all but the first layers compute and keep their activations in the 16-bit type, while the
  // loss, metrics and the results of predict() stay float32. In the mixed ones weights and their
  // updates are float32 too; in the last two they are rounded to the 16-bit type after every
  // update, so that small updates are lost: they are for models that were saved so. compile() gives
  // mixed_float16 a LossScaleOptimizer. Layers that have a dtype of their own keep it. A CPU
  // converts and computes in float32, so it gives the results of the policy but not its speed.
  std::string dtype_policy = "float32";
};

// For a model with several outputs, names in these options are those of the layers that give the
// outputs.
struct CompileOptions {
  Optimizer optimizer{};
  // A single loss is used for every output. An output has no loss where its Loss is empty or its
  // name is missing.
  Several<Loss> loss{};
  // The factors of the outputs' losses in the total loss that is minimised; 1 where none is given.
  Several<double> loss_weights{};
  OutputMetrics metrics{};           // These ignore sample weights.
  OutputMetrics weighted_metrics{};  // These use sample weights.
  // Runs every step op by op and stops at the first NaN or infinity with an error that names the
  // layer. This is slow.
  bool run_eagerly = false;
};

// Validation data in memory, which the options keep.
struct ValidationData {
  Several<Tensor> x;
  Several<Tensor> y;
  Several<Tensor> sample_weight{};
};

// What a fit validates on: tensors or a source of batches.
//   .validation_data = ValidationData{.x = x, .y = y}      .validation_data = {x, y}
//   .validation_data = generator
class Validation {
 public:
  Validation() = default;
  Validation(ValidationData data) : data_(std::move(data)) {}
  Validation(Several<Tensor> x, Several<Tensor> y, Several<Tensor> sample_weight = {})
      : data_(ValidationData{std::move(x), std::move(y), std::move(sample_weight)}) {}
  // Takes whatever fit() takes as its source.
  template <class S>
  requires std::convertible_to<S, SourceHandle> Validation(S&& source)
      : source_(SourceHandle(std::forward<S>(source))) {}

  const std::optional<ValidationData>& data() const { return data_; }
  const std::optional<SourceHandle>& source() const { return source_; }
  explicit operator bool() const { return data_ || source_; }

 private:
  std::optional<ValidationData> data_{};
  std::optional<SourceHandle> source_{};
};

// The order of the members matters to callers, because designated initialisers must follow it.
struct FitOptions {
  // The number of batches in an epoch. It is needed for a source that never ends; otherwise an
  // epoch ends where the source ends it.
  std::optional<std::int64_t> steps_per_epoch{};
  std::int64_t epochs = 1;
  int verbose = 1;  // 0: silent; 1: a progress bar (plain lines where there is no terminal);
                    // 2: one line an epoch; 3: the whole terminal, live: curves, the stages of the
                    // feed, the verdict so far
  std::int64_t batch_size = 32;  // The batch size for tensors. Generators have their own.
  // This share of the tensors' rows, the last ones, is kept for validation. It only applies to
  // tensors.
  double validation_split = 0.0;
  Validation validation_data{};
  std::optional<SourceHandle> validation_generator{};  // The same as a source in validation_data.
  // The number is needed when that source never ends.
  std::optional<std::int64_t> validation_steps{};
  std::int64_t validation_freq = 1;  // Validation runs after every so many epochs.
  bool shuffle = true;  // Shuffles the tensors' rows, or a Sequence's batches, in each epoch.
  // The loss of a sample is multiplied by its class's weight; classes that are missing here weigh
  // 1. Class weights and sample weights exclude each other. Validation is not weighted.
  std::map<std::int64_t, double> class_weight{};
  // Weights of shape (rows), for tensors, for all outputs or for each. Generators have fields for
  // them.
  Several<Tensor> sample_weight{};
  // Epochs before this one are skipped: the fit continues where the last one ended, with the random
  // numbers that one fit over all epochs would have drawn. A fit from epoch 0 on a model that was
  // trained before draws other numbers than the fits before it, except that a Dataset, which has a
  // seed of its own, starts anew.
  std::int64_t initial_epoch = 0;
  // The number of batches that are generated ahead of the step. AUTOTUNE takes as many as help.
  int max_queue_size = 10;
  // The number of threads that generate. AUTOTUNE takes as many as help, and adjusts the number
  // during training. A source that is not pure has one thread, whatever this says. Each thread has
  // a slot, even where there are more threads than max_queue_size.
  int workers = 1;
  int max_workers = 64;  // The most that AUTOTUNE takes.
  // What to do with batches in which the generator wrote a NaN.
  NanPolicy nan_policy = NanPolicy::stop;
  // What to do where the source throws instead of making a batch. OnError::skip takes another batch
  // of the epoch in its place, if the source is pure and knows how many there are, which is the
  // same for any number of workers; otherwise the epoch has a step less. After more than
  // max_failures of them fit throws all the same. The stages of a Dataset have such options of
  // their own, for single elements.
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
  // The seconds that fit waits for one batch before it throws DataError; 0 or infinity means for
  // ever. A call of the generator that hangs is left behind on its thread, also where fit ends for
  // another reason.
  double generator_timeout = 0.0;
  // The most bytes that the state of a source may have (SourceState). A larger one is a DataError.
  std::int64_t max_state_bytes = 65536;
  // What Ctrl-C does while fit runs, including its validation, in a program without a handler of
  // its own.
  OnInterrupt on_interrupt = OnInterrupt::exit;
  // The file for a trace, for Perfetto or chrome://tracing, that shows every batch on its way from
  // the generator to its step. No trace is written where this is empty. The trace holds the last
  // 65,536 stages of each thread.
  std::string trace{};
  // Callbacks, and hooks of theirs as functions, which are called after the callbacks' own. Their
  // names and arguments are explained in stoker/callback.h.
  std::vector<CallbackHandle> callbacks{};
  detail::Function<void()> on_train_begin{};
  detail::Function<void(const Logs& logs)> on_train_end{};
  detail::Function<void(std::int64_t epoch)> on_epoch_begin{};
  detail::Function<void(std::int64_t epoch, Logs& logs)> on_epoch_end{};
  detail::Function<void(std::int64_t step)> on_train_batch_begin{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_train_batch_end{};
  detail::Function<void()> on_test_begin{};
  detail::Function<void(const Logs& logs)> on_test_end{};
  detail::Function<void(std::int64_t step)> on_test_batch_begin{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_test_batch_end{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_train_progress{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_test_progress{};
  detail::Function<void(std::int64_t epoch, const FeedReport& report)> on_epoch_report{};
};

struct EvaluateOptions {
  std::optional<std::int64_t> steps{};
  int verbose = 1;
  std::int64_t batch_size = 32;
  // Weights of shape (rows), for tensors, for all outputs or for each. Generators have fields for
  // them.
  Several<Tensor> sample_weight{};
  int max_queue_size = 10;
  int workers = 1;  // This is the same as for fit.
  int max_workers = 64;
  NanPolicy nan_policy = NanPolicy::stop;
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
  double generator_timeout = 0.0;
  OnInterrupt on_interrupt = OnInterrupt::exit;
  std::vector<CallbackHandle> callbacks{};  // These and the hooks are the same as for fit.
  detail::Function<void()> on_test_begin{};
  detail::Function<void(const Logs& logs)> on_test_end{};
  detail::Function<void(std::int64_t step)> on_test_batch_begin{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_test_batch_end{};
  detail::Function<void(std::int64_t step, LogsView logs)> on_test_progress{};
};

struct PredictOptions {
  std::optional<std::int64_t> steps{};
  int verbose = 0;
  std::int64_t batch_size = 32;
  int max_queue_size = 10;
  int workers = 1;  // This is the same as for fit.
  int max_workers = 64;
  NanPolicy nan_policy = NanPolicy::stop;
  double generator_timeout = 0.0;
  OnInterrupt on_interrupt = OnInterrupt::exit;
  std::vector<CallbackHandle> callbacks{};  // These and the hooks are the same as for fit.
  detail::Function<void()> on_predict_begin{};
  detail::Function<void()> on_predict_end{};
  detail::Function<void(std::int64_t step)> on_predict_batch_begin{};
  detail::Function<void(std::int64_t step, PredictionsView outputs)> on_predict_batch_end{};
};

// The inputs or outputs of a model: one value or several.
//   Model model(x, y);      Model model({a, b}, y);      Model model(x, {price, kind});
class Values {
 public:
  Values(Value one) : values_{std::move(one)} {}
  Values(std::initializer_list<Value> values) : values_(values) {}
  Values(std::vector<Value> values) : values_(std::move(values)) {}

  const std::vector<Value>& all() const { return values_; }

 private:
  std::vector<Value> values_;
};

struct LoadWeightsOptions {
  // Layers are found by their names, wherever they are in the file, and in ".safetensors" files
  // weights by theirs. Those that the file does not name keep their weights, and the optimizer
  // keeps its state. Otherwise the file has to have the model's layers in their order, and no
  // others.
  bool by_name = false;
  // Weights that are missing in the file, or have another shape there, stay as they are, with a
  // line on standard error for each. Otherwise they are an error.
  bool skip_mismatch = false;
};

class Model {
 public:
  // Constructs a model by the functional API from everything between inputs and outputs. Weights
  // belong to the layers: where other models have some of the layers, all of these train and use
  // the same weights. Throws ValueError for outputs that the inputs don't lead to, for two layers
  // of one name, and for models that share weights and differ in device or dtype policy.
  Model(Values inputs, Values outputs, ModelOptions options = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const std::string& name() const;

  // A model is a layer too, so it may be called on values and be part of a Sequential. The layers
  // inside are the model's own, with its weights.
  Value operator()(const Value& x, const CallOptions& options = {}) const;
  Value operator()(const std::vector<Value>& inputs, const CallOptions& options = {}) const;
  std::vector<Value> call(const std::vector<Value>& inputs, const CallOptions& options = {}) const;

  // The values that the model was made of, and what the first call of a layer in it gave: what
  // other models on the same layers are made of. Throws ValueError, with the nearest name, where
  // there is no such layer.
  //   Model encoder(autoencoder.inputs(), autoencoder.layer_output("code"));
  std::vector<Value> inputs() const;
  std::vector<Value> outputs() const;
  Value layer_output(const std::string& layer) const;

  // The layers in Keras's order: by their distance from the outputs, the farthest first.
  std::vector<Layer> layers() const;
  // Throws ValueError, with the nearest name, where no layer has that name.
  Layer get_layer(const std::string& name) const;
  // Sets the flag of all layers. It takes effect at the next compile() of each model that has them.
  void set_trainable(bool trainable);

  // Prints the table of layers that Keras prints; without an argument, on standard output.
  void summary() const;
  void summary(std::ostream& out) const;

  void compile(CompileOptions options);

  // Trains. Tensors are cut into batches, while generators make their own. Throws ValueError before
  // compile(); ShapeError and DTypeError for batches that do not fit the model; DataError for
  // failures of a generator and for labels out of range; CallbackError for exceptions of callbacks;
  // NumericError when the loss is not finite;
  // and Interrupted on Ctrl-C where on_interrupt asks for it. After any of them the model is usable
  // and as it was after the last good step. The exception is an update that overflowed: elements
  // that overflowed keep their values from before that step, and the others have taken it, so that
  // no weight is ever infinite or NaN.
  History fit(const Tensors& x, const Tensors& y, FitOptions options = {});
  History fit(SourceHandle source, FitOptions options = {});
  History fit_generator(SourceHandle source, FitOptions options = {}) {
    return fit(std::move(source), std::move(options));
  }

  // Ends the fit, evaluation or prediction that is under way on the model after its present step.
  // Callbacks call these, and any other thread may. A fit then validates and ends its epoch as
  // usual, evaluate() returns the means so far, and predict() the rows so far. Each call of fit,
  // evaluate or predict begins anew, and once it has been told to stop it can't be told to go on.
  void stop_training();
  void stop_evaluating();
  void stop_predicting();

  // Returns loss and metrics over a data set, NaN where every batch was skipped. The model does not
  // change.
  Logs evaluate(const Tensors& x, const Tensors& y, EvaluateOptions options = {});
  Logs evaluate(SourceHandle source, EvaluateOptions options = {});
  Logs evaluate_generator(SourceHandle source, EvaluateOptions options = {}) {
    return evaluate(std::move(source), options);
  }

  // Returns the output for all rows: (rows, ...). This does not need compile(). Throws ValueError
  // for NanPolicy::skip, which would leave rows out, and for a model of several outputs, for which
  // there is predict_outputs().
  Tensor predict(const Tensors& x, PredictOptions options = {});
  Tensor predict(SourceHandle source, PredictOptions options = {});
  Tensor predict_generator(SourceHandle source, PredictOptions options = {}) {
    return predict(std::move(source), options);
  }
  // Returns all outputs, in their order.
  std::vector<Tensor> predict_outputs(const Tensors& x, PredictOptions options = {});
  std::vector<Tensor> predict_outputs(SourceHandle source, PredictOptions options = {});

  // Returns a handle that another thread can use for predictions. It has memory of its own and uses
  // this model's weights.
  Predictor predictor(PredictorOptions options = {}) const;

  // Takes one step on one batch and returns loss and metrics of this batch alone. Keras 3 returns
  // their running mean until reset_metrics() instead.
  Logs train_on_batch(const Tensors& x, const Tensors& y, const Tensors& sample_weight = {});
  Logs test_on_batch(const Tensors& x, const Tensors& y, const Tensors& sample_weight = {});
  // Returns the outputs of one batch, without a feed.
  Tensor predict_on_batch(const Tensors& x);
  std::vector<Tensor> predict_on_batch_outputs(const Tensors& x);
  // Do the same on a batch of a Loader where it lies, without a copy. The Loader's device is the
  // model's, or both are the CPU; otherwise they throw ValueError.
  //   for (const BatchView& batch : stream(source, {.workers = 2})) model.train_on_batch(batch);
  Logs train_on_batch(const BatchView& batch);
  Logs test_on_batch(const BatchView& batch);
  Tensor predict_on_batch(const BatchView& batch);
  std::vector<Tensor> predict_on_batch_outputs(const BatchView& batch);
  // Reports how the time since the first train_on_batch() divides, and starts over. Between the
  // calls the device waited for the caller.
  FeedReport take_on_batch_report();

  // Returns all weights, layer by layer, trainable ones first within a layer, as Keras lists them.
  std::vector<Tensor> get_weights() const;
  // Sets the states of stateful recurrent layers to 0, as Keras's layer.reset_state() does for one.
  void reset_states();
  // Throws ShapeError, naming the weight, when one does not fit, and then changes nothing.
  void set_weights(const std::vector<Tensor>& weights);
  std::vector<std::string> weight_names() const;  // "conv2d/kernel", ...
  std::int64_t count_params() const;

  double learning_rate() const;  // That of the next step, where there is a schedule.
  // The rate takes effect with the next step that is launched; setting it waits for nothing. Throws
  // ValueError unless it is finite and at least 0.
  void set_learning_rate(double learning_rate);
  std::int64_t iterations() const;  // The number of updates that were done.
  // The present scale of a LossScaleOptimizer; 1 without one.
  double loss_scale() const;

  // Returns the model in the form of the config.json of a .keras file: its layers with all their
  // arguments, their connections, and the arguments of compile(). The weights are not included.
  Config config() const;
  // Returns the same as JSON, on one line or indented by this many spaces a level. Keras 3's
  // model_from_json() reads it.
  std::string to_json(int indent = 0) const;
  // Makes a model from the result of to_json(), or of Keras 3's, with weights of its own, from the
  // seed of `options`. The JSON gives its dtype policy, and its name where `options` has none. The
  // model is compiled if the other one was. With `compile` false it is not, which helps when the
  // other one was compiled with something that is not offered here. Throws ValueError and
  // ShapeError, with the place in the JSON, for parts that are unknown, missing or do not fit, and
  // with the nearest known name.
  static Model from_json(std::string_view json, ModelOptions options = {}, bool compile = true);
  static Model from_config(const Config& config, ModelOptions options = {}, bool compile = true);

  // Writes the model in Keras 3's format, which a path that ends in ".keras" asks for: layers and
  // arguments of compile() as config() gives them, weights, and the optimizer's state. Keras loads
  // it and trains on, and so does load(). The file appears whole or not at all.
  void save(const std::string& path) const;
  // Makes a model from a file that save() wrote, or Keras: ".keras", or the older ".h5" and
  // ".hdf5". Training goes on as if it had never stopped. Files may come from strangers: see
  // docs/security.md. Throws as from_json() does, and IoError for a file that is damaged or does
  // not fit its own layers.
  static Model load(const std::string& path, ModelOptions options = {}, bool compile = true);
  // Writes the weights, and the optimizer's state where the model is compiled, as Keras does, to a
  // path that ends in ".weights.h5"; or, to one that ends in ".safetensors", the weights alone, a
  // tensor for each, named as in weight_names().
  void save_weights(const std::string& path) const;
  // Reads what save_weights() or save() of this library or of Keras wrote: ".weights.h5",
  // ".safetensors", ".keras", or the older ".h5" and ".hdf5". The optimizer's state is read too
  // where the file has it and the model is compiled with such an optimizer. Throws ShapeError and
  // IoError, which name the place in the file, and then changes nothing; above 256 MiB a disk that
  // gives every byte once and then fails leaves some of the new values in the model.
  void load_weights(const std::string& path, LoadWeightsOptions options = {});

  // Writes everything of the model, and of the fit in whose callback it is called, into a file from
  // which training goes on bit for bit (stoker/checkpoint.h). Throws IoError.
  void save_checkpoint(const std::string& path) const;
  // Sets the model's state to that of a checkpoint. In on_train_begin of a callback the fit goes on
  // where that of the checkpoint was. Throws IoError for a file that is damaged, and ValueError or
  // ShapeError for one of another model or optimizer; the model is then as it was, as after
  // load_weights().
  CheckpointInfo restore_checkpoint(const std::string& path);

  // Writes what predict() does as an ONNX model (opset 17), for other runtimes: inputs and outputs
  // have their layers' names and any number of rows, and all arithmetic is float32, whatever the
  // dtype policy is. The file appears whole or not at all. Throws ValueError for a model with
  // something that ONNX cannot express, or of 2 GiB or more.
  void export_onnx(const std::string& path) const;

  // Returns a text of the training step's ops on batches of `batch_size`, after all rewrites, for
  // people to read.
  std::string graph_dump(std::int64_t batch_size = 32);

  // Reports what the model keeps on its device now.
  MemoryReport memory_report() const;
  // Reports what the model would keep to train on batches of `batch_size`, whether they fit the
  // device or not. It compiles that step, for inputs as the model declares them, but neither runs
  // it nor allocates its memory.
  MemoryReport memory_report(std::int64_t batch_size) const;

  struct Impl;  // This type and the next are opaque.
  struct Lazy;

 protected:
  // Constructs a Sequential, whose weights and memory are made when they are first needed, or by
  // make().
  Model(std::vector<Value> inputs, std::vector<Value> outputs, ModelOptions options,
        bool is_sequential);
  void make();
  // Starts over with these values, without making weights or memory.
  void replace(std::vector<Value> inputs, std::vector<Value> outputs, const ModelOptions& options);
  // Throws ValueError while a call of another thread is under way.
  void require_unused(const char* what) const;

 private:
  friend class Layer;
  friend Model clone_model(const Model& model);
  friend struct detail::ModelAccess;
  Impl& impl(const char* what) const;
  std::shared_ptr<layers::LayerBase> as_layer() const;

  std::unique_ptr<Lazy> lazy_;
};

// Makes a model of the same layers and options with weights of its own, which start from the seed.
// As in Keras it is not compiled, and the weights are not copied; set_weights() can copy them.
Model clone_model(const Model& model);

// A stack of layers; the first is an Input.
class Sequential : public Model {
 public:
  // Throws ShapeError where a layer does not fit the output of the one before, and ValueError
  // without an Input.
  Sequential(std::initializer_list<Layer> layers, ModelOptions options = {});
  explicit Sequential(const std::vector<Layer>& layers, ModelOptions options = {});
  // Constructs an empty stack, to which add() adds layers.
  explicit Sequential(ModelOptions options = {});
  Sequential(Sequential&&) noexcept;
  Sequential& operator=(Sequential&&) noexcept;
  ~Sequential();

  // Puts a layer on top. Shapes are checked at once, with the errors of the constructor. Weights of
  // new layers are made at the first use after the call, and other layers keep theirs. The model
  // then needs compile() again.
  void add(const Layer& layer);

 private:
  struct Stack;
  void stack();

  ModelOptions options_;
  std::unique_ptr<Stack> layers_;
};

}  // namespace stoker
