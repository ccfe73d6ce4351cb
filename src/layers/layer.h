// The inside of a layer is its configuration and one build(), which appends ops to a graph. build()
// runs once when the layer is called on values, with an unknown batch, to check shapes and declare
// weights, and once for every plan, with a known batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "initializers/initialize.h"
#include "layers/dtype_policy.h"
#include "ops/ops.h"
#include "stoker/constraints.h"
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
  Constraint constraint{};
  bool trainable = true;
  // Whether build() gets the weight in the layer's compute type, as with Keras's autocast.
  // Otherwise the weight is always float32.
  bool autocast = true;
  // The first values where the layer knows them; the initializer does not count then.
  std::shared_ptr<const std::vector<float>> values{};
  // The numbers of inputs and outputs that an element connects, where the shape alone does not tell
  // them.
  std::optional<initializers::Fans> fans{};
  // Elements from number `first` on that begin with 1 whatever the initializer makes of the others,
  // as an LSTM's forget bias does.
  struct Ones {
    std::int64_t first = 0, count = 0;
  } ones{};
  // Whether it is what a recurrent layer keeps from batch to batch, which is none of the model's
  // weights, as in Keras: it is in checkpoints, but not in files or lists of weights.
  bool is_kept_state = false;
};

// A value on its way through layers, with Keras's mask beside it. The mask is float32, has the
// value's leading axes, and is 1 where a step counts and 0 where it does not. Without a mask all
// steps count.
struct MaskedValue {
  graph::Value value;
  graph::Value mask{};
};

class LayerBase;
class OwnStep;

// What a call passes beside the inputs that have a place in its list of arguments.
struct CallArguments {
  // Names of values, which follow the other inputs in this order: "attention_mask", or "mask[1]"
  // for one of a list.
  std::vector<std::string> named{};
  // Names of the options that are on: "use_causal_mask".
  std::vector<std::string> flags{};
  // Whether the layer and its parts compute as in training; empty where the model decides.
  std::optional<bool> training{};

  bool has(std::string_view flag) const;
  friend bool operator==(const CallArguments&, const CallArguments&) = default;
};

// A build gets its weights from this context, and leaves there whatever it makes beside its
// outputs. One subclass checks shapes, and another makes plans.
class BuildContext {
 public:
  virtual ~BuildContext() = default;

  // Builds `layer`, which may be a child of the layer that is being built now. Floating inputs are
  // cast to the layer's compute type, unless the layer has casts_inputs off. `number` distinguishes
  // several calls by one parent.
  std::vector<MaskedValue> call(LayerBase& layer, std::span<const MaskedValue> inputs,
                                std::uint32_t number = 0, const CallArguments& arguments = {});

  // Lets `build` append ops and declare weights as the layer's. call() does this around its
  // build(), and layers that use another part of a child do it themselves.
  void within(LayerBase& layer, std::uint32_t number, const std::function<void()>& build,
              const CallArguments& arguments = {});

  virtual graph::Graph& graph() = 0;
  virtual bool training() const = 0;
  // The training step of the program's own that is being made; null elsewhere.
  virtual OwnStep* own_step() { return nullptr; }

  // ---- For the layer that is being built ----
  // What the call passes beside its inputs. The values named there are the last inputs.
  const CallArguments& arguments() const { return *frames_.back().arguments; }
  // The type in which the layer computes, by its dtype policy or the model's.
  virtual DType compute_dtype() const = 0;
  graph::Value to_compute(graph::Value x) { return ops::cast(x, compute_dtype()); }
  // Whether the layer's weights are trained. As in Keras, a frozen BatchNormalization does not use
  // the statistics of batches either.
  virtual bool trainable() const;
  // Returns a weight, which the first build declares and later ones find.
  virtual graph::Value weight(const WeightSpec& spec) = 0;
  // Gives a weight a new value, which is written unless the step fails: at the end of the step, or,
  // for a trained weight, before the optimizer moves it. Its layers use the new value from here on.
  virtual void update(const WeightSpec& spec, graph::Value value) = 0;
  // Gives a kept state a new value, which is written after each step: those of training,
  // evaluation and prediction.
  virtual void keep(const WeightSpec& spec, graph::Value value) { update(spec, value); }
  // Adds a term of shape () to the loss in training and evaluation.
  virtual void add_loss(graph::Value loss) = 0;
  // Reports the mean of a value over an epoch under that name, in training and evaluation.
  virtual void add_metric(const std::string& name, graph::Value value) {
    (void)name;
    (void)value;
  }
  // Returns a stream of random numbers that belongs to the layer and is stable for its place in the
  // model. `purpose` distinguishes several streams of one call.
  virtual std::uint32_t random_stream(std::uint32_t purpose = 0) = 0;

 protected:
  // A layer that is being built. The stack holds its parents before it.
  struct Frame {
    LayerBase* layer;
    std::uint32_t number;
    const CallArguments* arguments;
  };
  LayerBase& layer() const { return *frames_.back().layer; }
  std::span<const Frame> frames() const { return frames_; }
  // What the innermost call says that says whether it trains.
  std::optional<bool> training_of_calls() const;
  // Returns the origin of the ops that the layer appends, which messages and the memory report use.
  virtual graph::Origin origin_of(const LayerBase& layer) const;

 private:
  std::vector<Frame> frames_;
};

// The place of a layer's weights in a store. The trainer makes it (train/runtime/store.h).
class StoredWeights {
 public:
  virtual ~StoredWeights() = default;
};

// A layer that is a part of another one, with its name there ("query"), and with the attribute by
// which Keras's files find it ("query_dense") where that is another one.
struct Child {
  std::string name;
  std::shared_ptr<LayerBase> layer;
  std::string attribute{};
};

class LayerBase {
 public:
  // An empty name becomes Keras's default in the model: "dense", "dense_1", ... An empty dtype
  // policy means the model's. Throws ValueError for a policy that does not exist.
  LayerBase(std::string class_name, std::string name, const std::string& dtype_policy = {});
  virtual ~LayerBase() = default;
  LayerBase(const LayerBase&) = delete;
  LayerBase& operator=(const LayerBase&) = delete;

  // Appends the layer's ops and returns its outputs. Throws ShapeError where the inputs don't fit,
  // and ValueError where one has a mask that the layer can't take.
  virtual std::vector<MaskedValue> build(BuildContext& context,
                                         std::span<const MaskedValue> inputs) = 0;
  // Writes the fields of the layer's class (layers/fields.h).
  virtual void write_fields(Fields& fields) const = 0;
  // The layer's configuration in the form in which Keras serialises it.
  virtual Config config() const;
  // The layers that are parts of this one, in Keras's order.
  virtual std::vector<Child> children() const { return {}; }

  // A part's weight that Keras counts among the layer's own too, and before them, since the layer
  // has an attribute for it. Empty for most layers.
  struct AdoptedWeight {
    const LayerBase* layer;
    std::string name;
  };
  virtual std::optional<AdoptedWeight> adopted() const { return std::nullopt; }

  // Keras's names of the inputs that have a place ("query"), for a layer that takes several which
  // are no list; and of what a call may pass beside them.
  virtual std::vector<std::string_view> input_names() const { return {}; }
  virtual std::vector<std::string_view> call_arguments() const { return {}; }

  const std::string& class_name() const { return class_name_; }  // "Dense", "MaxPooling2D"
  const std::string& name() const { return name_; }
  // Names a layer that was made without a name.
  void set_default_name(std::string name);
  bool has_default_name() const { return has_default_name_; }
  // Empty where the layer uses the model's.
  const std::optional<DTypePolicy>& policy() const { return policy_; }
  // The name for messages: Dense "logits".
  std::string label() const;

  bool trainable() const { return trainable_; }
  // Applies to all parts of the layer too, as in Keras.
  void set_trainable(bool trainable);

  // The weights that the first call declared. Empty before that call, and for layers without
  // weights.
  const std::vector<WeightSpec>& weights() const { return weights_; }
  // Takes the weights that a call declares: the first call decides, and later ones have to agree.
  // Throws ShapeError.
  void declare(std::vector<WeightSpec> weights);
  // The names of the values that the first call reported.
  const std::vector<std::string>& reported() const { return reported_; }
  void declare_report(const std::string& name);
  // Whether the first call added to the loss.
  bool adds_loss() const { return adds_loss_; }
  void declare_loss() { adds_loss_ = true; }
  // Gives a declared weight the values that it begins with in the first model with this layer.
  void begin_with(const std::string& weight, std::shared_ptr<const std::vector<float>> values);
  // The place of the weights. Null until the first model with this layer has been constructed.
  std::shared_ptr<StoredWeights> stored;

  // Whether floating inputs are cast to the compute type (Keras's `autocast`).
  bool casts_inputs = true;
  // Whether inputs may have a mask, which the output then gets too (Keras's name).
  bool supports_masking = false;
  // Whether the layer is called with a list, even of one value. Keras writes such calls with a
  // list.
  bool takes_list = false;
  // The argument by which Keras passes the inputs behind the first one ("initial_state"). Null
  // where they are arguments by position.
  const char* argument_of_others = nullptr;

 private:
  std::string class_name_;
  std::string name_;
  bool has_default_name_ = false;
  bool trainable_ = true;
  bool is_declared_ = false;
  std::optional<DTypePolicy> policy_;
  std::vector<WeightSpec> weights_;
  std::vector<std::string> reported_;
  bool adds_loss_ = false;
};

// Keras's default name of a layer of that class: "Conv2D" -> "conv2d", "MaxPooling2D" ->
// "max_pooling2d".
std::string snake_case(const std::string& class_name);

// The label for messages: Dense "logits", or Dense where there is no name.
std::string label_of(const LayerBase& layer, const std::string& name);

// A layer with one input and one output. If it supports masks, its output has its input's mask.
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
  // Merges inputs of which some have masks. `masks` has one entry for each input, which is invalid
  // where the input has no mask. By default masked steps are merged as the others are.
  virtual graph::Value merge_masked(BuildContext& context, std::span<const graph::Value> inputs,
                                    std::span<const graph::Value> masks);
  // Returns the mask of the output. `masks` has one entry for each input, which is invalid where
  // the input has no mask. By default a step counts where it counts in any input, and there is no
  // mask unless all inputs have one, as in Keras.
  virtual graph::Value merge_masks(std::span<const graph::Value> inputs,
                                   std::span<const graph::Value> masks);
};

// An Input: it has no ops, and its value is a field of the batch.
class InputLayer final : public LayerBase {
 public:
  // The batch may have any size unless one is given.
  InputLayer(Shape shape, DType dtype, std::string name, std::int64_t batch = Shape::kUnknown);
  std::vector<MaskedValue> build(BuildContext&, std::span<const MaskedValue> inputs) override {
    return {inputs.begin(), inputs.end()};
  }
  void write_fields(Fields& fields) const override;

  const Shape shape;  // without the batch
  const DType dtype;
  const std::int64_t batch;
};

// The type of a value with an unknown batch, and of its mask if it has one.
struct FlowType {
  graph::ValueType value;
  std::optional<graph::ValueType> mask{};
};

struct ValueNode;

// One call of a layer, which is a node of the functional API's graph.
struct CallNode {
  std::shared_ptr<LayerBase> layer;
  std::vector<std::shared_ptr<const ValueNode>> inputs;  // empty for an Input
  std::vector<FlowType> outputs;
  CallArguments arguments{};
};

// One output of a call.
struct ValueNode {
  std::shared_ptr<const CallNode> call;
  std::size_t output = 0;

  const FlowType& type() const { return call->outputs[output]; }
  const Shape& shape() const { return type().value.shape; }
};

// Returns the value of an InputLayer, whose call is made here.
std::shared_ptr<const ValueNode> node_of_input(const std::shared_ptr<LayerBase>& input);

// Calls the layer on values of these types, with an unknown batch, and returns the types of its
// outputs. Throws ShapeError naming the layer where they don't fit. The first call declares the
// weights of the layer and of its children.
std::vector<FlowType> infer(LayerBase& layer, const std::vector<FlowType>& inputs,
                            const CallArguments& arguments = {});

// Calls the layer as the functional API does. Throws ValueError for an argument that the layer does
// not take.
std::vector<Value> call(const std::shared_ptr<LayerBase>& layer, const std::vector<Value>& inputs,
                        CallArguments arguments = {});

// Layers use this: y = activation(x), in x's type where that is floating.
graph::Value activate(graph::Value x, const ActivationFunction& activation);

// The penalty that a regularizer adds to the loss: l1 * sum|x| + l2 * sum x^2, times `scale`. Its
// shape is ().
// For a matrix whose rows shall be orthogonal see stoker::Regularizer.
graph::Value penalty(const Regularizer& regularizer, graph::Value x, float scale = 1.0f);
// Adds Keras's penalty on outputs, divided by the batch size. Does nothing without a regularizer.
void add_activity_loss(BuildContext& context, const Regularizer& regularizer, graph::Value y);

// Throws ValueError where an input has a mask.
void refuse_masks(const LayerBase& layer, std::span<const MaskedValue> inputs);

// Throws ShapeError: <scope>: expected input of rank <rank>, received <shape>. <advice>
void require_rank(graph::Value x, std::size_t rank, const std::string& advice = {});

// Throws ValueError: <label>: expected <what> of 1 or more, received <value>.
void require_positive(const LayerBase& layer, const char* what, std::int64_t value);
// Does the same for numbers along an axis of an image: kernels, windows, strides, dilations. Such a
// number must also be below 2^31, so that no product of two of them overflows.
void require_along_axis(const LayerBase& layer, const char* what, std::int64_t value);

}  // namespace stoker::layers
