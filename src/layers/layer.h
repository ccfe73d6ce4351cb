// What a layer is inside: configuration, and one build() that appends ops to a graph. build() runs
// once when the layer is called on values (batch unknown: shapes are checked, weights declared) and
// once for every plan (batch known).
#pragma once

#include <cstddef>
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

// A value on its way through layers with Keras's mask beside it: float32, 1 where a step counts and
// 0 where it does not, of the value's leading axes. Without one, all steps count.
struct MaskedValue {
  graph::Value value;
  graph::Value mask{};
};

class LayerBase;

// What a build gets its weights from, and where it leaves what is more than a value. There is one
// kind that checks shapes, and one that makes plans.
class BuildContext {
 public:
  virtual ~BuildContext() = default;

  // Builds `layer`, which may be the child of the layer that is being built now. Floating inputs
  // are cast to the layer's compute type, unless it says that they are not. `number` tells several
  // calls by one parent apart.
  std::vector<MaskedValue> call(LayerBase& layer, std::span<const MaskedValue> inputs,
                                std::uint32_t number = 0);

  virtual graph::Graph& graph() = 0;
  virtual bool training() const = 0;

  // ---- Of the layer that is being built ----
  // The type in which it computes, by its dtype policy or the model's.
  virtual DType compute_dtype() const = 0;
  graph::Value to_compute(graph::Value x) { return ops::cast(x, compute_dtype()); }
  // Whether its weights are trained; in Keras a frozen BatchNormalization does not take statistics
  // of batches either.
  virtual bool trainable() const;
  // A weight, declared by the first build and found by later ones.
  virtual graph::Value weight(const WeightSpec& spec) = 0;
  // Gives a weight that is not trained a new value, written at the end of the step if it is good.
  virtual void update(const WeightSpec& spec, graph::Value value) = 0;
  // Adds to the loss while training and evaluating; shape ().
  virtual void add_loss(graph::Value loss) = 0;
  // A stream of random numbers that is the layer's own and stable for its place in the model.
  // `purpose` tells several of one call apart.
  virtual std::uint32_t random_stream(std::uint32_t purpose = 0) = 0;

 protected:
  // One layer that is being built, and its parents before it.
  struct Frame {
    LayerBase* layer;
    std::uint32_t number;
  };
  LayerBase& layer() const { return *frames_.back().layer; }
  std::span<const Frame> frames() const { return frames_; }
  // What messages and the memory report say of the ops that the layer appends.
  virtual graph::Origin origin_of(const LayerBase& layer) const;

 private:
  std::vector<Frame> frames_;
};

// The place of a layer's weights in a store. The trainer makes it (train/store.h).
class StoredWeights {
 public:
  virtual ~StoredWeights() = default;
};

// A layer that another one is made of, and its name there ("query").
struct Child {
  std::string name;
  std::shared_ptr<LayerBase> layer;
};

class LayerBase {
 public:
  // An empty name becomes Keras's default in the model: "dense", "dense_1", ... An empty dtype
  // policy is the model's. Throws ValueError for one that does not exist.
  LayerBase(std::string class_name, std::string name, const std::string& dtype_policy = {});
  virtual ~LayerBase() = default;
  LayerBase(const LayerBase&) = delete;
  LayerBase& operator=(const LayerBase&) = delete;

  // Appends the layer's ops; returns its outputs. Throws ShapeError where the inputs don't fit, and
  // ValueError where one has a mask that the layer can't take.
  virtual std::vector<MaskedValue> build(BuildContext& context,
                                         std::span<const MaskedValue> inputs) = 0;
  // Writes the fields of the layer's class (layers/fields.h).
  virtual void write_fields(Fields& fields) const = 0;
  // Its configuration as Keras serialises it.
  virtual Config config() const;
  // The layers that it is made of, in Keras's order.
  virtual std::vector<Child> children() const { return {}; }

  const std::string& class_name() const { return class_name_; }  // "Dense", "MaxPooling2D"
  const std::string& name() const { return name_; }
  // Names a layer that its maker gave no name.
  void set_default_name(std::string name);
  bool has_default_name() const { return has_default_name_; }
  // Empty: the model's.
  std::optional<DType> compute_dtype() const { return compute_dtype_; }
  // For messages: Dense "logits".
  std::string label() const;

  bool trainable() const { return trainable_; }
  // The same for all that it is made of, as in Keras.
  void set_trainable(bool trainable);

  // What the first call declared. Empty before it, as for layers without weights.
  const std::vector<WeightSpec>& weights() const { return weights_; }
  // What a call declared: the first one decides, and later ones have to agree. Throws ShapeError.
  void declare(std::vector<WeightSpec> weights);
  // Where the weights are; null until the first model with this layer has been constructed.
  std::shared_ptr<StoredWeights> stored;

  // Whether floating inputs come in the compute type (Keras's `autocast`).
  bool casts_inputs = true;
  // Whether an input may have a mask, which the output then has too (Keras's name).
  bool supports_masking = false;
  // Whether it is called with a list, even of one value: Keras writes such calls so.
  bool takes_list = false;

 private:
  std::string class_name_;
  std::string name_;
  bool has_default_name_ = false;
  bool trainable_ = true;
  bool is_declared_ = false;
  std::optional<DType> compute_dtype_;
  std::vector<WeightSpec> weights_;
};

// For messages: Dense "logits", or Dense where there is no name.
std::string label_of(const LayerBase& layer, const std::string& name);

// A layer of one input and one output, which most are. Its output has its input's mask, if it
// supports masks.
class UnaryLayer : public LayerBase {
 public:
  using LayerBase::LayerBase;
  std::vector<MaskedValue> build(BuildContext& context,
                                 std::span<const MaskedValue> inputs) override;

 protected:
  virtual graph::Value apply(BuildContext& context, graph::Value x) = 0;
};

// A layer of several inputs and one output.
class MergeLayer : public LayerBase {
 public:
  MergeLayer(std::string class_name, std::string name, const std::string& dtype_policy = {});
  std::vector<MaskedValue> build(BuildContext& context, std::span<const MaskedValue> inputs) final;

 protected:
  virtual graph::Value merge(BuildContext& context, std::span<const graph::Value> inputs) = 0;
  // The same where inputs have masks, of which `masks` has one for each, invalid where there is
  // none. By default masked steps are merged as the others are.
  virtual graph::Value merge_masked(BuildContext& context, std::span<const graph::Value> inputs,
                                    std::span<const graph::Value> masks);
  // The mask of the output. By default a step counts where it counts in any input, and all do
  // where an input has no mask.
  virtual graph::Value merge_masks(std::span<const graph::Value> inputs,
                                   std::span<const graph::Value> masks);
};

// An Input: no ops, a field of the batch.
class InputLayer final : public LayerBase {
 public:
  InputLayer(Shape shape, DType dtype, std::string name);
  std::vector<MaskedValue> build(BuildContext&, std::span<const MaskedValue> inputs) override {
    return {inputs.begin(), inputs.end()};
  }
  void write_fields(Fields& fields) const override;

  const Shape shape;  // without the batch
  const DType dtype;
};

// The type of a value with an unknown batch, and of the mask that stands beside it.
struct FlowType {
  graph::ValueType value;
  std::optional<graph::ValueType> mask{};
};

struct ValueNode;

// One call of a layer; a node of the functional API's graph.
struct CallNode {
  std::shared_ptr<LayerBase> layer;
  std::vector<std::shared_ptr<const ValueNode>> inputs;  // empty for an Input
  std::vector<FlowType> outputs;
};

// One output of a call.
struct ValueNode {
  std::shared_ptr<const CallNode> call;
  std::size_t output = 0;

  const FlowType& type() const { return call->outputs[output]; }
  const Shape& shape() const { return type().value.shape; }
};

// The call that an InputLayer stands for, and its value.
std::shared_ptr<const ValueNode> node_of_input(const std::shared_ptr<LayerBase>& input);

// Calls the layer on values of these types, with an unknown batch; returns the types of its
// outputs. Throws ShapeError naming the layer where they don't fit. The first call declares the
// weights of the layer and of its children.
std::vector<FlowType> infer(LayerBase& layer, const std::vector<FlowType>& inputs);

// For layers: y = activation(x), in x's type where that is floating.
graph::Value activate(graph::Value x, const ActivationFunction& activation);

// l1 * sum|x| + l2 * sum x^2, times `scale`; shape (). What a regularizer adds to the loss.
graph::Value penalty(const Regularizer& regularizer, graph::Value x, float scale = 1.0f);
// Keras's penalty on outputs, divided by the batch size; nothing without a regularizer.
void add_activity_loss(BuildContext& context, const Regularizer& regularizer, graph::Value y);

// Throws ValueError where an input has a mask.
void refuse_masks(const LayerBase& layer, std::span<const MaskedValue> inputs);

// Throws ShapeError: <scope>: expected input of rank <rank>, received <shape>. <advice>
void require_rank(graph::Value x, std::size_t rank, const std::string& advice = {});

// Throws ValueError: <label>: expected <what> of 1 or more, received <value>.
void require_positive(const LayerBase& layer, const char* what, std::int64_t value);
// The same for what is counted along an axis of an image: kernels, windows, strides, dilations. It
// is below 2^31, too, so that no product of two of them overflows.
void require_along_axis(const LayerBase& layer, const char* what, std::int64_t value);

}  // namespace stoker::layers
