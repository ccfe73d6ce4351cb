// The public face: Model and Sequential.
#include "stoker/model.h"

#include <algorithm>
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
#include "train/interrupt.h"
#include "train/model_config.h"
#include "train/model_impl.h"
#include "train/summary.h"

namespace stoker {

using train::Access;
using train::InterruptScope;
using train::Mode;

namespace {

Model::Impl& require(const std::unique_ptr<Model::Impl>& impl, const char* what) {
  if (impl) return *impl;
  throw ValueError(format("Model: ", what, ": this one was moved from; use the one it went to"));
}

// The model behind the public face, for the length of a call.
class InUse {
 public:
  InUse(const std::unique_ptr<Model::Impl>& impl, const char* what, Access access)
      : model_(require(impl, what)), use_(model_.guard, model_.name, what, access) {}
  Model::Impl* operator->() const { return &model_; }
  Model::Impl& operator*() const { return model_; }

 private:
  Model::Impl& model_;
  train::Use use_;
};

}  // namespace

Model::Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model::Model(const Value& input, const Value& output, ModelOptions options)
    : Model(std::vector<Value>{input}, output, std::move(options)) {}

Model::Model(std::vector<Value> inputs, const Value& output, ModelOptions options) {
  rebuild(std::move(inputs), output, options, false);
}

void Model::rebuild(std::vector<Value> inputs, const Value& output, const ModelOptions& options,
                    bool is_sequential) {
  return with_own_errors<DeviceError>("Model", [&] {
    const char* default_name = is_sequential ? "sequential" : "functional";
    auto fresh = std::make_unique<Impl>(options.name.empty() ? default_name : options.name,
                                        std::move(inputs), output, options);
    fresh->is_sequential = is_sequential;
    if (impl_) {
      const InUse nobody_else(impl_, "add", Access::write);
    }
    impl_ = std::move(fresh);
  });
}

const std::string& Model::name() const { return require(impl_, "name").name; }

void Model::summary() const { summary(std::cout); }
void Model::summary(std::ostream& out) const {
  const Impl& model = require(impl_, "summary");
  train::print_summary(out, model.name, model.network, model.compiled ? &*model.compiled : nullptr);
}

void Model::compile(CompileOptions options) {
  return with_own_errors<DeviceError>("compile", [&] {
    const InUse model(impl_, "compile", Access::write);
    model->compile(std::move(options));
  });
}

History Model::fit(const Tensor& x, const Tensor& y, FitOptions options) {
  return train::interruptible("fit", options.on_interrupt, [&](const InterruptScope& interrupt) {
    const InUse model(impl_, "fit", Access::write);
    return model->fit_tensors({&x}, y, options, interrupt);
  });
}

History Model::fit(const std::vector<Tensor>& x, const Tensor& y, FitOptions options) {
  std::vector<const Tensor*> inputs;
  inputs.reserve(x.size());
  for (const Tensor& tensor : x) inputs.push_back(&tensor);
  return train::interruptible("fit", options.on_interrupt, [&](const InterruptScope& interrupt) {
    const InUse model(impl_, "fit", Access::write);
    return model->fit_tensors(inputs, y, options, interrupt);
  });
}

History Model::fit(SourceHandle source, FitOptions options) {
  if (options.validation_split != 0.0 || !options.sample_weight.empty()) {
    throw ValueError(
        "fit: validation_split and sample_weight belong to tensors; a generator gives "
        "its weights as a field, and validation_generator is a source of its own");
  }
  return train::interruptible("fit", options.on_interrupt, [&](const InterruptScope& interrupt) {
    const InUse model(impl_, "fit", Access::write);
    return model->fit(source.source(), options, interrupt);
  });
}

Logs Model::evaluate(const Tensor& x, const Tensor& y, EvaluateOptions options) {
  const auto work = [&](const InterruptScope& interrupt) {
    const InUse model(impl_, "evaluate", Access::write);
    Tensor storage;
    const Tensor& labels = model->adapt_labels(y, storage);
    return model->evaluate(borrow_arrays({&x}, {&labels}, {}, {.batch_size = options.batch_size}),
                           options, interrupt);
  };
  return train::interruptible("evaluate", options.on_interrupt, work);
}

Logs Model::evaluate(SourceHandle source, EvaluateOptions options) {
  const auto work = [&](const InterruptScope& interrupt) {
    const InUse model(impl_, "evaluate", Access::write);
    return model->evaluate(source.source(), options, interrupt);
  };
  return train::interruptible("evaluate", options.on_interrupt, work);
}

Tensor Model::predict(const Tensor& x, PredictOptions options) {
  const auto work = [&](const InterruptScope& interrupt) {
    const InUse model(impl_, "predict", Access::write);
    return model->predict(borrow_arrays({&x}, {}, {}, {.batch_size = options.batch_size}), options,
                          interrupt);
  };
  return train::interruptible("predict", options.on_interrupt, work);
}

Tensor Model::predict(SourceHandle source, PredictOptions options) {
  const auto work = [&](const InterruptScope& interrupt) {
    const InUse model(impl_, "predict", Access::write);
    return model->predict(source.source(), options, interrupt);
  };
  return train::interruptible("predict", options.on_interrupt, work);
}

Logs Model::train_on_batch(const Tensor& x, const Tensor& y, const Tensor& sample_weight) {
  return with_own_errors<DeviceError>("train_on_batch", [&] {
    const InUse model(impl_, "train_on_batch", Access::write);
    return model->run_on_batch(Mode::train, x, y, sample_weight);
  });
}

Logs Model::test_on_batch(const Tensor& x, const Tensor& y, const Tensor& sample_weight) {
  return with_own_errors<DeviceError>("test_on_batch", [&] {
    const InUse model(impl_, "test_on_batch", Access::write);
    return model->run_on_batch(Mode::evaluate, x, y, sample_weight);
  });
}

FeedReport Model::take_on_batch_report() {
  const InUse model(impl_, "take_on_batch_report", Access::write);
  return model->take_on_batch_report();
}

std::vector<Tensor> Model::get_weights() const {
  return with_own_errors<DeviceError>("get_weights", [&] {
    const InUse model(impl_, "get_weights", Access::read);
    std::vector<Tensor> weights;
    for (const auto& weight : model->network.weights())
      weights.push_back(model->state.read(weight));
    return weights;
  });
}

void Model::set_weights(const std::vector<Tensor>& weights) {
  return with_own_errors<DeviceError>("set_weights", [&] {
    const InUse model(impl_, "set_weights", Access::write);
    const auto& own = model->network.weights();
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

std::vector<std::string> Model::weight_names() const {
  std::vector<std::string> names;
  for (const auto& weight : require(impl_, "weight_names").network.weights()) {
    names.push_back(weight.path);
  }
  return names;
}

std::int64_t Model::count_params() const {
  std::int64_t count = 0;
  for (const auto& weight : require(impl_, "count_params").network.weights()) count += weight.count;
  return count;
}

double Model::learning_rate() const {
  const InUse model(impl_, "learning_rate", Access::read);
  model->require_compiled("learning_rate");
  return model->state.read_scalars().learning_rate;
}

void Model::set_learning_rate(double learning_rate) {
  const InUse model(impl_, "set_learning_rate", Access::write);
  model->require_compiled("set_learning_rate");
  check::require("set_learning_rate", "a learning_rate", static_cast<float>(learning_rate),
                 check::at_least(0));
  plan::Scalars scalars = model->state.read_scalars();
  scalars.learning_rate = static_cast<float>(learning_rate);
  model->state.write_scalars(scalars);
}

std::int64_t Model::iterations() const {
  return InUse(impl_, "iterations", Access::read)->state.read_scalars().iterations;
}

double Model::loss_scale() const {
  return InUse(impl_, "loss_scale", Access::read)->state.read_scalars().loss_scale;
}

Config Model::config() const {
  return with_own_errors<DeviceError>("config", [&] {
    const InUse model(impl_, "config", Access::read);
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
    Model model = parts.is_sequential ? Model(Sequential(parts.layers, parts.options))
                                      : Model(std::move(parts.inputs), parts.output, parts.options);
    if (parts.compile_options) model.compile(std::move(*parts.compile_options));
    return model;
  };
  return with_own_errors<DeviceError>(
      "Model::from_config", [&] { return Fields::with_place("Model::from_config", make); });
}

Model clone_model(const Model& model) {
  const Config config = model.config();
  return Model::from_config(config, require(model.impl_, "clone_model").options, false);
}

std::string Model::graph_dump(std::int64_t batch_size) {
  return with_own_errors<DeviceError>("graph_dump", [&] {
    const InUse model(impl_, "graph_dump", Access::write);
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
  const InUse model(impl_, "memory_report", Access::read);
  return std::as_const(*model).memory_report();
}

MemoryReport Model::memory_report(std::int64_t batch_size) const {
  return with_own_errors<DeviceError>("memory_report", [&] {
    const InUse model(impl_, "memory_report", Access::write);
    return model->memory_report(batch_size);
  });
}

Sequential::Sequential(std::initializer_list<Layer> layers, ModelOptions options)
    : layers_(layers), options_(std::move(options)) {
  build();
}

Sequential::Sequential(const std::vector<Layer>& layers, ModelOptions options)
    : layers_(layers), options_(std::move(options)) {
  build();
}

void Sequential::add(const Layer& layer) {
  layers_.push_back(layer);
  try {
    build();
  } catch (...) {
    layers_.pop_back();  // the model stays what it was
    throw;
  }
}

void Sequential::build() {
  if (layers_.empty() ||
      dynamic_cast<const layers::InputLayer*>(layers_[0].base().get()) == nullptr) {
    throw ValueError(
        "Sequential: expected Input(shape) as the first layer, so that shapes are "
        "checked while the model is built");
  }
  // Named first, so that a layer that does not fit is called by its name.
  std::vector<std::shared_ptr<layers::LayerBase>> bases;
  for (const Layer& layer : layers_) {
    if (std::find(bases.begin(), bases.end(), layer.base()) == bases.end()) {
      bases.push_back(layer.base());
    }
  }
  train::name_layers(bases);
  const Value input(layers::node_of_input(layers_[0].base()));
  Value x = input;
  for (std::size_t i = 1; i < layers_.size(); ++i) x = layers_[i](x);
  rebuild({input}, x, options_, true);
}

}  // namespace stoker
