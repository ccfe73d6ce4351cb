// The public face: Model and Sequential.
#include "stoker/model.h"

#include <algorithm>
#include <iostream>

#include "core/check.h"
#include "core/format.h"
#include "data/array_source.h"
#include "losses/loss.h"
#include "optimizers/optimizer.h"
#include "stoker/error.h"
#include "train/model_impl.h"
#include "train/summary.h"

namespace stoker {

using train::Mode;

Model::Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model::Model(const Value& input, const Value& output, ModelOptions options)
    : Model(std::vector<Value>{input}, output, std::move(options)) {}

Model::Model(std::vector<Value> inputs, const Value& output, ModelOptions options) {
  rebuild(std::move(inputs), output, options, "functional");
}

void Model::rebuild(std::vector<Value> inputs, const Value& output, const ModelOptions& options,
                    const std::string& default_name) {
  impl_ = std::make_unique<Impl>(options.name.empty() ? default_name : options.name,
                                 std::move(inputs), output, options);
}

const std::string& Model::name() const { return impl_->name; }

void Model::summary() const { summary(std::cout); }
void Model::summary(std::ostream& out) const {
  train::print_summary(out, impl_->name, impl_->network,
                       impl_->compiled ? &*impl_->compiled : nullptr);
}

void Model::compile(CompileOptions options) {
  const bool is_half = impl_->network.copy_dtype() == DType::float16;
  if (is_half && options.optimizer.base()->loss_scaling() == nullptr) {
    options.optimizer = LossScaleOptimizer(options.optimizer);
  }
  const auto& optimizer = *options.optimizer.base();
  plan::Scalars scalars = impl_->state.read_scalars();
  scalars.learning_rate = static_cast<float>(optimizer.common().learning_rate);
  scalars.iterations = 0;
  const optimizers::LossScaling* scaling = optimizer.loss_scaling();
  scalars.loss_scale = scaling != nullptr ? static_cast<float>(scaling->initial_scale) : 1.0f;
  scalars.inverse_loss_scale = 1.0f / scalars.loss_scale;
  scalars.finite_steps = 0;
  scalars.skips_update = 0;
  scalars.skipped_updates = 0;
  impl_->settle();
  impl_->plans.clear();
  impl_->staging.reset();
  impl_->compiled.reset();  // and not compiled it stays when there is no memory for what follows
  impl_->prepare_training(optimizer);
  impl_->state.write_scalars(scalars);
  impl_->compiled.emplace().options = std::move(options);
}

History Model::fit(const Tensor& x, const Tensor& y, FitOptions options) {
  return impl_->fit_tensors({&x}, y, options);
}

History Model::fit(const std::vector<Tensor>& x, const Tensor& y, FitOptions options) {
  std::vector<const Tensor*> inputs;
  inputs.reserve(x.size());
  for (const Tensor& tensor : x) inputs.push_back(&tensor);
  return impl_->fit_tensors(inputs, y, options);
}

History Model::fit(SourceHandle source, FitOptions options) {
  if (options.validation_split != 0.0 || !options.sample_weight.empty()) {
    throw ValueError(
        "fit: validation_split and sample_weight belong to tensors; a generator gives "
        "its weights as a field, and validation_generator is a source of its own");
  }
  return impl_->fit(source.source(), options);
}

Logs Model::evaluate(const Tensor& x, const Tensor& y, EvaluateOptions options) {
  Tensor storage;
  const Tensor& labels = impl_->adapt_labels(y, storage);
  return impl_->evaluate(
      borrow_arrays({&x}, {&labels}, nullptr, {.batch_size = options.batch_size}), options);
}

Logs Model::evaluate(SourceHandle source, EvaluateOptions options) {
  return impl_->evaluate(source.source(), options);
}

Tensor Model::predict(const Tensor& x, PredictOptions options) {
  return impl_->predict(borrow_arrays({&x}, {}, nullptr, {.batch_size = options.batch_size}),
                        options);
}

Tensor Model::predict(SourceHandle source, PredictOptions options) {
  return impl_->predict(source.source(), options);
}

Logs Model::train_on_batch(const Tensor& x, const Tensor& y, const Tensor& sample_weight) {
  return impl_->run_on_batch(Mode::train, x, y, sample_weight);
}

FeedReport Model::take_on_batch_report() { return impl_->take_on_batch_report(); }
Logs Model::test_on_batch(const Tensor& x, const Tensor& y, const Tensor& sample_weight) {
  return impl_->run_on_batch(Mode::evaluate, x, y, sample_weight);
}

std::vector<Tensor> Model::get_weights() const {
  std::vector<Tensor> weights;
  for (const auto& weight : impl_->network.weights()) {
    weights.push_back(impl_->state.read(weight));
  }
  return weights;
}

void Model::set_weights(const std::vector<Tensor>& weights) {
  const auto& own = impl_->network.weights();
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
  for (std::size_t i = 0; i < own.size(); ++i) impl_->state.write(own[i], weights[i]);
}

std::vector<std::string> Model::weight_names() const {
  std::vector<std::string> names;
  for (const auto& weight : impl_->network.weights()) names.push_back(weight.path);
  return names;
}

std::int64_t Model::count_params() const {
  std::int64_t count = 0;
  for (const auto& weight : impl_->network.weights()) count += weight.count;
  return count;
}

double Model::learning_rate() const {
  impl_->require_compiled("learning_rate");
  return impl_->state.read_scalars().learning_rate;
}

void Model::set_learning_rate(double learning_rate) {
  impl_->require_compiled("set_learning_rate");
  check::require("set_learning_rate", "a learning_rate", static_cast<float>(learning_rate),
                 check::at_least(0));
  plan::Scalars scalars = impl_->state.read_scalars();
  scalars.learning_rate = static_cast<float>(learning_rate);
  impl_->state.write_scalars(scalars);
}

std::int64_t Model::iterations() const { return impl_->state.read_scalars().iterations; }
double Model::loss_scale() const { return impl_->state.read_scalars().loss_scale; }

std::string Model::graph_dump(std::int64_t batch_size) {
  impl_->require_compiled("graph_dump");
  const BatchSpec spec = impl_->declared_batch(batch_size);
  const feed::SlotLayout layout(spec);
  return impl_->plan(Mode::train, spec, layout.offsets, batch_size)
      .executable->program()
      .graph->dump();
}

MemoryReport Model::memory_report() const { return impl_->memory_report(); }
MemoryReport Model::memory_report(std::int64_t batch_size) const {
  return impl_->memory_report(batch_size);
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
  const auto& input_layer = static_cast<const layers::InputLayer&>(*layers_[0].base());
  auto node = std::make_shared<layers::ValueNode>();
  node->layer = layers_[0].base();
  node->shape = input_layer.shape.with_batch(Shape::kUnknown);
  node->dtype = input_layer.dtype;
  const Value input(node);
  Value x = input;
  for (std::size_t i = 1; i < layers_.size(); ++i) x = layers_[i](x);
  rebuild({input}, x, options_, "sequential");
}

}  // namespace stoker
