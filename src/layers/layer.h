// What a layer is inside: configuration, and one build() that appends ops to a graph. build() runs
// once when the layer is called on a value (batch unknown: shapes are checked, weights declared)
// and once for every plan (batch known).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "ops/ops.h"
#include "stoker/initializers.h"
#include "stoker/layers.h"

namespace stoker {

class Fields;

}  // namespace stoker

namespace stoker::layers {

// A weight as its layer declares it, in Keras's layout and under Keras's name ("kernel").
struct WeightSpec {
  std::string name;
  Shape shape;
  Initializer initializer{Initializer::Kind::zeros};
  Regularizer regularizer{};
  bool trainable = true;
  // Handed out in the layer's compute type; otherwise float32 always, as Keras's autocast.
  bool autocast = true;
};

class LayerBase;

// Where a build gets its weights from, and leaves what is more than a value. The model implements
// it: one kind while shapes are checked, one for plans.
class BuildContext {
 public:
  virtual ~BuildContext() = default;

  virtual graph::Graph& graph() = 0;
  virtual bool training() const = 0;
  // In which the layer computes, by its dtype policy or the model's. Floating inputs come in it,
  // unless the layer says that they do not.
  virtual DType compute_dtype() const = 0;
  graph::Value to_compute(graph::Value x) { return ops::cast(x, compute_dtype()); }
  // The weight of the layer being built; declared by the first build, found by later ones.
  virtual graph::Value weight(const WeightSpec& spec) = 0;
  // A new value for a weight that is not trained; written at the end of the step, if it is good.
  virtual void update(const WeightSpec& spec, graph::Value value) = 0;
  // Added to the loss while training and evaluating; shape ().
  virtual void add_loss(graph::Value loss) = 0;
  // A stream of random numbers of the layer's own, stable for its place in the model. `which`
  // tells several of one layer apart.
  virtual std::uint32_t random_stream(std::uint32_t which = 0) = 0;
};

class LayerBase {
 public:
  // An empty name becomes Keras's default in the model: "dense", "dense_1", ... An empty dtype
  // policy is the model's. Throws ValueError for one that does not exist.
  LayerBase(std::string class_name, std::string name, const std::string& dtype_policy = {});
  virtual ~LayerBase() = default;
  LayerBase(const LayerBase&) = delete;
  LayerBase& operator=(const LayerBase&) = delete;

  virtual graph::Value build(BuildContext& context, graph::Value x) = 0;
  // Writes the fields of the layer's class (layers/fields.h).
  virtual void write_fields(Fields& fields) const = 0;
  // What a model calls: build with the one input, unless the layer takes several.
  virtual graph::Value merge(BuildContext& context, std::span<const graph::Value> inputs);

  const std::string& class_name() const { return class_name_; }  // "Dense", "MaxPooling2D"
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }
  // Empty: the model's.
  std::optional<DType> compute_dtype() const { return compute_dtype_; }
  // For messages: Dense "logits".
  std::string label() const;
  graph::Origin origin() const { return {graph::Origin::Kind::layer, label()}; }

  bool trainable = true;
  // Whether floating inputs come in the compute type (Keras's `autocast`).
  bool casts_inputs = true;

 private:
  std::string class_name_;
  std::string name_;
  std::optional<DType> compute_dtype_;
};

// A layer of several inputs.
class MergeLayer : public LayerBase {
 public:
  using LayerBase::LayerBase;
  graph::Value build(BuildContext& context, graph::Value x) final {
    return merge(context, {&x, 1});
  }
  graph::Value merge(BuildContext& context, std::span<const graph::Value> inputs) override = 0;
};

// An Input: no ops, a field of the batch.
class InputLayer final : public LayerBase {
 public:
  InputLayer(Shape shape, DType dtype, std::string name);
  graph::Value build(BuildContext&, graph::Value x) override { return x; }
  void write_fields(Fields& fields) const override;

  const Shape shape;  // without the batch
  const DType dtype;
};

// A node of the functional API's graph: one call of a layer.
struct ValueNode {
  std::shared_ptr<LayerBase> layer;
  std::vector<std::shared_ptr<const ValueNode>> inputs;
  Shape shape;  // of the output, batch unknown
  DType dtype = DType::float32;
};

// The value that an InputLayer stands for.
std::shared_ptr<ValueNode> node_of_input(const std::shared_ptr<LayerBase>& input);

// Runs layer.merge on values of these types with an unknown batch and returns the type of the
// output; appends to `weights` what the layer declared. Throws ShapeError naming the layer.
graph::ValueType infer(LayerBase& layer, const std::vector<graph::ValueType>& inputs,
                       std::vector<WeightSpec>* weights);

// For layers: y = activation(x), in x's type where that is floating.
graph::Value activate(graph::Value x, const ActivationFunction& activation);

// l1 * sum|x| + l2 * sum x^2, times `scale`; shape (). What a regularizer adds to the loss.
graph::Value penalty(const Regularizer& regularizer, graph::Value x, float scale = 1.0f);
// Keras's penalty on outputs, divided by the batch size; nothing without a regularizer.
void add_activity_loss(BuildContext& context, const Regularizer& regularizer, graph::Value y);

// Throws ShapeError: <scope>: expected input of rank <rank>, received <shape>. <advice>
void require_rank(graph::Value x, std::size_t rank, const std::string& advice = {});

// Throws ValueError: <label>: expected <what> of 1 or more, received <value>.
void require_positive(const LayerBase& layer, const char* what, std::int64_t value);
// The same for what is counted along an axis of an image: kernels, windows, strides, dilations. It
// is below 2^31, too, so that no product of two of them overflows.
void require_along_axis(const LayerBase& layer, const char* what, std::int64_t value);

}  // namespace stoker::layers
