// Layers, losses and metrics of the user's own, of functions of values (stoker/ops.h) and of other
// layers. They are differentiated as Stoker's own are, and stand in the same one program of a step:
// a call appends to the program while it is made, and does not run in the step.
//
//   // (batch, features) -> (batch, units)
//   class Cosine : public CustomLayer {
//    public:
//     explicit Cosine(std::int64_t units) : units_(units) {}
//     std::string class_name() const override { return "Cosine"; }
//     Value call(LayerContext& context, const Value& x) override {
//       const Value kernel = context.weight("kernel", {x.shape().back(), units_});
//       return ops::matmul(ops::normalize(x), ops::normalize(kernel, 0));
//     }
//     Config config() const override { return Config::map({{"units", units_}}); }
//
//    private:
//     std::int64_t units_;
//   };
//
//   Value y = custom_layer<Cosine>(64)(x);
//
// A call may be made several times: once to check shapes, when the batch's extent is -1, and once
// for each program (training, evaluation, prediction, the short last batch). It should depend on
// its arguments and on the layer's constant members alone, and must not keep values. Predictors may
// make programs by several threads at a time.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stoker/config.h"
#include "stoker/constraints.h"
#include "stoker/detail/function.h"
#include "stoker/initializers.h"
#include "stoker/layers/layer.h"
#include "stoker/losses.h"
#include "stoker/metrics.h"
#include "stoker/ops.h"

namespace stoker {

struct WeightOptions {
  Initializer initializer = "glorot_uniform";
  Regularizer regularizer{};
  Constraint constraint{};
  bool trainable = true;
  // Whether the layer gets the weight in its compute type; otherwise it is float32.
  bool autocast = true;
};

// What a call of the user's layer may ask for and leave, beside its values. It ends with the call.
class LayerContext {
 public:
  struct Inside;
  explicit LayerContext(Inside& inside) : inside_(inside) {}
  LayerContext(const LayerContext&) = delete;
  LayerContext& operator=(const LayerContext&) = delete;

  // Whether the program that is being made trains.
  bool training() const;
  // A weight of the layer, which the first call declares and later calls find by its name. Throws
  // ShapeError where a later call gives another shape, or one that is not known, and ValueError for
  // a name that stands for another weight in the same call.
  Value weight(const std::string& name, const Shape& shape, const WeightOptions& options = {});
  // Gives a weight a new value after the step, if the step trains; a weight with trainable = false
  // keeps a moving average so.
  void assign(const std::string& name, const Value& value);
  // Adds to the loss in training and evaluation. Throws ShapeError unless the shape is ().
  void add_loss(const Value& loss);
  // Reports the mean of the value over the batches of an epoch under this name, in the progress bar
  // and in History. Of two layers with one name the second reports name_1.
  void add_metric(const std::string& name, const Value& value);

 private:
  Inside& inside_;
};

// A layer of the user's own. It overrides one of the two calls. Other layers may be members, and
// are called within the call: their weights, losses and updates are then the layer's too.
class CustomLayer {
 public:
  virtual ~CustomLayer();
  // As Keras's class name, of which default names are made: "MyLayer" gives "my_layer".
  virtual std::string class_name() const = 0;
  virtual Value call(LayerContext& context, const Value& x);
  virtual std::vector<Value> call(LayerContext& context, const std::vector<Value>& inputs);
  // The arguments of the constructor, which files keep: register_layer() makes the layer of them.
  virtual Config config() const { return Config::map(); }
  // Whether inputs may have masks; each output that has none then gets the first input's. Otherwise
  // a masked input is an error.
  virtual bool supports_masking() const { return false; }
};

// Throws ValueError without a layer, or for a class name that one of Stoker's own layers has.
Layer custom_layer(std::shared_ptr<CustomLayer> layer, NameOptions options = {});
template <std::derived_from<CustomLayer> L, class... Arguments>
Layer custom_layer(Arguments&&... arguments) {
  return custom_layer(std::make_shared<L>(std::forward<Arguments>(arguments)...), NameOptions{});
}

// Lets Model::load() and from_json() make layers of this class, from what config() gave. Throws
// ValueError for a class that Stoker has, or that is registered already. Any thread may call it.
//   register_layer("Cosine", [](const Config& config) {
//     return std::make_shared<Cosine>(config.at("units").integer());
//   });
void register_layer(const std::string& class_name,
                    detail::Function<std::shared_ptr<CustomLayer>(const Config& config)> make);

// A function as a layer, as Keras's Lambda: of one value, or of several. It may call layers, whose
// weights are then the model's too. A model that is saved with it can be loaded where the function
// has been registered under a name.
struct LambdaOptions {
  std::string function{};  // the name under which register_lambda() knows it
  std::string name{};
  std::string dtype{};
};
Layer Lambda(detail::Function<Value(const Value&)> function, LambdaOptions options = {});
Layer Lambda(detail::Function<Value(const std::vector<Value>&)> function,
             LambdaOptions options = {});
Layer Lambda(detail::Function<std::vector<Value>(const std::vector<Value>&)> function,
             LambdaOptions options = {});
// The function that was registered under this name. Throws ValueError where there is none.
Layer Lambda(const char* function, LambdaOptions options = {});
void register_lambda(const std::string& function, const Layer& lambda);

// A loss of the user's own: one value for each element of the batch, (batch, ...), which the
// reduction and sample weights then take as those of Stoker's own losses. y_pred is float32, and
// y_true as the source gives it.
//   Loss contrastive = custom_loss("contrastive", [](const Value& y, const Value& distance) {
//     return y * ops::square(distance) + (1.0 - y) * ops::square(ops::relu(1.0 - distance));
//   });
// A function that ignores the predictions is a ValueError where the model is first trained.
using LossFunction = detail::Function<Value(const Value& y_true, const Value& y_pred)>;
Loss custom_loss(std::string name, LossFunction function,
                 std::string reduction = "sum_over_batch_size");
// Lets strings, Model::load() and from_json() name the loss. Throws ValueError for a name that is
// taken.
void register_loss(const Loss& loss);

// A metric that is the mean over the epoch of such values.
Metric custom_metric(std::string name, LossFunction function, bool larger_is_better = false);

// A metric with totals of its own, which an epoch sums up on the device.
class CustomMetric {
 public:
  virtual ~CustomMetric();
  // What a batch adds to the totals: values whose elements, one after another, belong to one total
  // each. sample_weight is an empty Value where there is none.
  virtual std::vector<Value> update(const Value& y_true, const Value& y_pred,
                                    const Value& sample_weight) const = 0;
  // How many totals there are. They are 0 at the start of an epoch.
  virtual std::int64_t totals() const = 0;
  virtual double result(std::span<const double> totals) const = 0;
  virtual bool larger_is_better() const { return false; }
};
Metric custom_metric(std::string name, std::shared_ptr<const CustomMetric> metric);
void register_metric(const Metric& metric);

}  // namespace stoker
