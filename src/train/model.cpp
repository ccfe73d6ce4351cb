// The public class Model.
#include "stoker/model.h"

#include <iostream>
#include <utility>

#include "core/check.h"
#include "core/fields.h"
#include "core/foreign.h"
#include "core/format.h"
#include "data/array_source.h"
#include "losses/loss.h"
#include "optimizers/optimizer.h"
#include "stoker/error.h"
#include "train/lazy_model.h"
#include "train/loop/interrupt.h"
#include "train/loop/loop.h"
#include "train/model_impl.h"
#include "train/network/model_config.h"
#include "train/network/summary.h"
#include "train/runtime/in_use.h"

namespace stoker {

using train::Access;
using train::InterruptScope;
using train::InUse;
using train::Mode;

Model::Impl& Model::impl(const char* what) const {
  if (lazy_) return lazy_->get();
  throw ValueError(format("Model: ", what, ": this one was moved from; use the one it went to"));
}

Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model::Model(Values inputs, Values outputs, ModelOptions options)
    : Model(inputs.all(), outputs.all(), std::move(options), false) {
  make();
}

Model::Model(std::vector<Value> inputs, std::vector<Value> outputs, ModelOptions options,
             bool is_sequential)
    : lazy_(std::make_unique<Lazy>(std::move(inputs), std::move(outputs), std::move(options),
                                   is_sequential)) {}

void Model::make() {
  if (lazy_->outputs.empty()) throw ValueError("Model: expected one output or more, received none");
  with_own_errors<DeviceError>("Model", [&] { lazy_->get(); });
}

void Model::replace(std::vector<Value> inputs, std::vector<Value> outputs,
                    const ModelOptions& options) {
  lazy_ = std::make_unique<Lazy>(std::move(inputs), std::move(outputs), options, true);
}

void Model::require_unused(const char* what) const {
  if (Impl* made = lazy_ ? lazy_->made.load() : nullptr) {
    const InUse nobody_else(*made, what, Access::train);
  }
}

const std::string& Model::name() const { return impl("name").name; }

void Model::summary() const { summary(std::cout); }
void Model::summary(std::ostream& out) const {
  const Impl& model = impl("summary");
  train::print_summary(out, model.name, model.network, model.compiled ? &*model.compiled : nullptr);
}

void Model::compile(CompileOptions options) {
  return with_own_errors<DeviceError>("compile", [&] {
    const InUse model(impl("compile"), "compile", Access::configure);
    model->compile(std::move(options));
  });
}

History Model::fit(const Tensors& x, const Tensors& y, FitOptions options) {
  return train::interruptible("fit", options.on_interrupt, [&](const InterruptScope& interrupt) {
    const InUse model(impl("fit"), "fit", Access::train);
    return model->fit_tensors(x, y, options, {*this, interrupt});
  });
}

History Model::fit(SourceHandle source, FitOptions options) {
  if (options.validation_split != 0.0 || !options.sample_weight.empty()) {
    throw ValueError(
        "fit: validation_split and sample_weight belong to tensors; a generator gives "
        "its weights as a field, and validation_generator is a source of its own");
  }
  return train::interruptible("fit", options.on_interrupt, [&](const InterruptScope& interrupt) {
    const InUse model(impl("fit"), "fit", Access::train);
    return model->fit(source.source(), options, {*this, interrupt});
  });
}

namespace {

// A model that was not made yet, or was moved from, has nothing to stop.
void stop(const std::atomic<Model::Impl*>* made, Mode mode) {
  if (Model::Impl* model = made != nullptr ? made->load() : nullptr) model->stop(mode);
}

}  // namespace

void Model::stop_training() { stop(lazy_ ? &lazy_->made : nullptr, Mode::train); }
void Model::stop_evaluating() { stop(lazy_ ? &lazy_->made : nullptr, Mode::evaluate); }
void Model::stop_predicting() { stop(lazy_ ? &lazy_->made : nullptr, Mode::predict); }

Logs Model::evaluate(const Tensors& x, const Tensors& y, EvaluateOptions options) {
  const auto work = [&](const InterruptScope& interrupt) {
    const InUse model(impl("evaluate"), "evaluate", Access::compute);
    const train::KeptTotals totals(model);
    const train::Arrays given = model->arrays(x, y, options.sample_weight, "evaluate");
    return model->evaluate(borrow_arrays(given.inputs, given.targets, given.sample_weights,
                                         {.batch_size = options.batch_size}),
                           options, {*this, interrupt});
  };
  return train::interruptible("evaluate", options.on_interrupt, work);
}

Logs Model::evaluate(SourceHandle source, EvaluateOptions options) {
  if (!options.sample_weight.empty()) {
    throw ValueError(
        "evaluate: sample_weight belongs to tensors; a generator gives its weights as a field");
  }
  const auto work = [&](const InterruptScope& interrupt) {
    const InUse model(impl("evaluate"), "evaluate", Access::compute);
    const train::KeptTotals totals(model);
    return model->evaluate(source.source(), options, {*this, interrupt});
  };
  return train::interruptible("evaluate", options.on_interrupt, work);
}

std::vector<Tensor> Model::predict_outputs(const Tensors& x, PredictOptions options) {
  const auto work = [&](const InterruptScope& interrupt) {
    const InUse model(impl("predict"), "predict", Access::compute);
    const train::Arrays given = model->arrays(x, {}, {}, "predict");
    return model->predict(borrow_arrays(given.inputs, {}, {}, {.batch_size = options.batch_size}),
                          options, {*this, interrupt});
  };
  return train::interruptible("predict", options.on_interrupt, work);
}

std::vector<Tensor> Model::predict_outputs(SourceHandle source, PredictOptions options) {
  const auto work = [&](const InterruptScope& interrupt) {
    const InUse model(impl("predict"), "predict", Access::compute);
    return model->predict(source.source(), options, {*this, interrupt});
  };
  return train::interruptible("predict", options.on_interrupt, work);
}

Tensor Model::predict(const Tensors& x, PredictOptions options) {
  impl("predict").require_one_output("predict");
  return std::move(predict_outputs(x, std::move(options))[0]);
}

Tensor Model::predict(SourceHandle source, PredictOptions options) {
  impl("predict").require_one_output("predict");
  return std::move(predict_outputs(std::move(source), std::move(options))[0]);
}

Logs Model::train_on_batch(const Tensors& x, const Tensors& y, const Tensors& sample_weight) {
  return with_own_errors<DeviceError>("train_on_batch", [&] {
    const InUse model(impl("train_on_batch"), "train_on_batch", Access::train);
    return model->run_on_batch(Mode::train, x, y, sample_weight);
  });
}

Logs Model::test_on_batch(const Tensors& x, const Tensors& y, const Tensors& sample_weight) {
  return with_own_errors<DeviceError>("test_on_batch", [&] {
    const InUse model(impl("test_on_batch"), "test_on_batch", Access::compute);
    const train::KeptTotals totals(model);
    return model->run_on_batch(Mode::evaluate, x, y, sample_weight);
  });
}

std::vector<Tensor> Model::predict_on_batch_outputs(const Tensors& x) {
  return with_own_errors<DeviceError>("predict_on_batch", [&] {
    const InUse model(impl("predict_on_batch"), "predict_on_batch", Access::compute);
    return model->predict_on_batch(x);
  });
}

Tensor Model::predict_on_batch(const Tensors& x) {
  impl("predict_on_batch").require_one_output("predict_on_batch");
  return std::move(predict_on_batch_outputs(x)[0]);
}

Logs Model::train_on_batch(const BatchView& batch) {
  return with_own_errors<DeviceError>("train_on_batch", [&] {
    const InUse model(impl("train_on_batch"), "train_on_batch", Access::train);
    return model->run_on_batch(Mode::train, batch);
  });
}

Logs Model::test_on_batch(const BatchView& batch) {
  return with_own_errors<DeviceError>("test_on_batch", [&] {
    const InUse model(impl("test_on_batch"), "test_on_batch", Access::compute);
    const train::KeptTotals totals(model);
    return model->run_on_batch(Mode::evaluate, batch);
  });
}

std::vector<Tensor> Model::predict_on_batch_outputs(const BatchView& batch) {
  return with_own_errors<DeviceError>("predict_on_batch", [&] {
    const InUse model(impl("predict_on_batch"), "predict_on_batch", Access::compute);
    return model->predict_on_batch(batch);
  });
}

Tensor Model::predict_on_batch(const BatchView& batch) {
  impl("predict_on_batch").require_one_output("predict_on_batch");
  return std::move(predict_on_batch_outputs(batch)[0]);
}

FeedReport Model::take_on_batch_report() {
  const InUse model(impl("take_on_batch_report"), "take_on_batch_report", Access::compute);
  return model->take_on_batch_report();
}

std::vector<Tensor> Model::get_weights() const {
  return with_own_errors<DeviceError>("get_weights", [&] {
    const InUse model(impl("get_weights"), "get_weights", Access::read);
    std::vector<Tensor> weights;
    for (const auto& weight : model->network.weights()) {
      if (!weight.spec.is_kept_state) weights.push_back(model->state.read(weight));
    }
    return weights;
  });
}

void Model::set_weights(const std::vector<Tensor>& weights) {
  return with_own_errors<DeviceError>("set_weights", [&] {
    const InUse model(impl("set_weights"), "set_weights", Access::write);
    std::vector<train::Weight> own;
    for (const auto& weight : model->network.weights()) {
      if (!weight.spec.is_kept_state) own.push_back(weight);
    }
    if (weights.size() != own.size()) {
      throw ShapeError(
          format("set_weights: the model has ", own.size(), " weights, received ", weights.size()));
    }
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (!(weights[i].shape() == own[i].spec.shape)) {
        throw ShapeError(format("set_weights: ", own[i].path, " has shape ", own[i].spec.shape,
                                ", received ", weights[i].shape()));
      }
      if (weights[i].dtype() != DType::float32) {
        throw DTypeError(
            format("set_weights: ", own[i].path, " is float32, received ", weights[i].dtype()));
      }
    }
    for (std::size_t i = 0; i < own.size(); ++i) model->state.write(own[i], weights[i]);
  });
}

void Model::reset_states() {
  return with_own_errors<DeviceError>("reset_states", [&] {
    const InUse model(impl("reset_states"), "reset_states", Access::write);
    for (const auto& weight : model->network.weights()) {
      if (weight.spec.is_kept_state) model->state.write(weight, Tensor(weight.spec.shape));
    }
  });
}

std::vector<std::string> Model::weight_names() const {
  std::vector<std::string> names;
  for (const auto& weight : impl("weight_names").network.weights()) {
    if (!weight.spec.is_kept_state) names.push_back(weight.path);
  }
  return names;
}

std::int64_t Model::count_params() const {
  std::int64_t count = 0;
  for (const auto& weight : impl("count_params").network.weights()) {
    if (!weight.spec.is_kept_state) count += weight.count;
  }
  return count;
}

namespace {

void require_one_rate(const train::Compiled& compiled, const char* where) {
  if (compiled.options.optimizer.base()->members().empty()) return;
  throw ValueError(
      format(where,
             ": a model with a MultiOptimizer has no learning rate for all weights; its "
             "optimizers have their own"));
}

}  // namespace

double Model::learning_rate() const {
  const InUse model(impl("learning_rate"), "learning_rate", Access::read);
  model->require_compiled("learning_rate");
  require_one_rate(*model->compiled, "learning_rate");
  const plan::Scalars scalars = model->state.read_scalars();
  const LearningRate& rate = model->compiled->options.optimizer.base()->common().learning_rate;
  return rate.is_schedule() ? rate.at(scalars.iterations) : scalars.learning_rate;
}

void Model::set_learning_rate(double learning_rate) {
  const InUse model(impl("set_learning_rate"), "set_learning_rate", Access::compute);
  model->require_compiled("set_learning_rate");
  check::require("set_learning_rate", "a learning_rate", static_cast<float>(learning_rate),
                 check::at_least(0));
  require_one_rate(*model->compiled, "set_learning_rate");
  if (model->compiled->options.optimizer.base()->common().learning_rate.is_schedule()) {
    throw ValueError(
        "set_learning_rate: the optimizer was compiled with a schedule, which gives the rate of "
        "each step; compile it with a number to set it");
  }
  model->state.set_learning_rate(static_cast<float>(learning_rate));
}

std::int64_t Model::iterations() const {
  return InUse(impl("iterations"), "iterations", Access::read)->state.read_scalars().iterations;
}

double Model::loss_scale() const {
  return InUse(impl("loss_scale"), "loss_scale", Access::read)->state.read_scalars().loss_scale;
}

Config Model::config() const {
  return with_own_errors<DeviceError>("config", [&] {
    const InUse model(impl("config"), "config", Access::read);
    std::optional<double> learning_rate;
    if (model->compiled) learning_rate = model->state.read_scalars().learning_rate;
    return train::config_of(*model, learning_rate);
  });
}

std::string Model::to_json(int indent) const {
  return with_own_errors<DeviceError>("to_json", [&] { return config().to_json(indent); });
}

Model Model::from_json(std::string_view json, ModelOptions options, bool compile) {
  const Config config = with_own_errors<ValueError>("Model::from_json", [&] {
    return Fields::with_place("Model::from_json", [&] { return Config::from_json(json); });
  });
  return from_config(config, std::move(options), compile);
}

Model Model::from_config(const Config& config, ModelOptions options, bool compile) {
  const auto make = [&]() -> Model {
    train::ModelParts parts = train::model_parts(config, std::move(options), compile);
    Model model = parts.is_sequential
                      ? Model(Sequential(parts.layers, parts.options))
                      : Model(std::move(parts.inputs), std::move(parts.outputs), parts.options);
    if (parts.compile_options) model.compile(std::move(*parts.compile_options));
    return model;
  };
  return with_own_errors<DeviceError>(
      "Model::from_config", [&] { return Fields::with_place("Model::from_config", make); });
}

Model clone_model(const Model& model) {
  const Config config = model.config();
  return Model::from_config(config, model.impl("clone_model").options, false);
}

std::string Model::graph_dump(std::int64_t batch_size) {
  return with_own_errors<DeviceError>("graph_dump", [&] {
    const InUse model(impl("graph_dump"), "graph_dump", Access::compute);
    model->require_compiled("graph_dump");
    check::require("graph_dump", "a batch_size", batch_size, check::at_least(1));
    const BatchSpec spec = model->declared_batch(batch_size);
    const feed::SlotLayout layout(spec);
    return model->plan(Mode::train, spec, layout.offsets, batch_size)
        ->executable->program()
        .graph->dump();
  });
}

MemoryReport Model::memory_report() const {
  const InUse model(impl("memory_report"), "memory_report", Access::read);
  return std::as_const(*model).memory_report();
}

MemoryReport Model::memory_report(std::int64_t batch_size) const {
  return with_own_errors<DeviceError>("memory_report", [&] {
    const InUse model(impl("memory_report"), "memory_report", Access::compute);
    return model->memory_report(batch_size);
  });
}

}  // namespace stoker
