// The internal side of an optimizer: a rule in Exprs that becomes one fused op over the flat
// buffers.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/fields.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "optimizers/schedule.h"
#include "optimizers/updated_weight.h"
#include "stoker/optimizers.h"

namespace stoker::optimizers {

// The values that the model offers an optimizer while the update is appended to a training step.
// The rule sees one element: its parameter, its gradient (no longer scaled, and clipped already),
// its slots, and scalars computed once a step.
class Update {
 public:
  virtual ~Update() = default;
  virtual graph::Expr parameter() = 0;
  virtual graph::Expr gradient() = 0;
  virtual graph::Expr learning_rate() = 0;
  // Returns the slot's value before the step. Slots are numbered as own_slot_names() lists them.
  virtual graph::Expr slot(int index) = 0;
  // Returns a scalar of the step, which is computed outside of the loop over elements: f(learning
  // rate, t), where t is 1 at the first update; both are float32.
  virtual graph::Expr scalar(
      const std::function<graph::Expr(graph::Expr learning_rate, graph::Expr t)>& f) = 0;
  virtual void set_slot(int index, graph::Expr value) = 0;
  virtual void set_parameter(graph::Expr value) = 0;
  // For prepare() alone; the gradient of step() is what has become of it.
  virtual void set_direction(graph::Expr value) = 0;
};

// A weight as a whole, with the values that make its direction.
struct WholeWeight {
  const Shape& shape;
  graph::Value parameter;  // The weight after weight decay, of the shape (elements).
  graph::Value direction;  // Of the shape (elements).
  graph::Value rate;       // The learning rate, of the shape ().
  graph::Value update;     // The number of the update, which is 1 at the first, of the shape ().
  // Returns a slot before the step, whose shape own_slot_shape() tells, and gives it a new value.
  std::function<graph::Value(int index)> slot;
  std::function<void(int index, graph::Value value)> set_slot;
};

struct Common {
  LearningRate learning_rate = 0.001;
  std::optional<double> weight_decay{};
  std::optional<double> clipnorm{};
  std::optional<double> clipvalue{};
  std::optional<double> global_clipnorm{};
  bool use_ema = false;
  double ema_momentum = 0.99;
  std::optional<std::int64_t> ema_overwrite_frequency{};
  std::optional<std::int64_t> gradient_accumulation_steps{};
};
// The members of an optimizer's options that all of them have.
template <class Options>
Common common_of(const Options& options) {
  return {options.learning_rate,
          options.weight_decay,
          options.clipnorm,
          options.clipvalue,
          options.global_clipnorm,
          options.use_ema,
          options.ema_momentum,
          options.ema_overwrite_frequency,
          options.gradient_accumulation_steps};
}

struct LossScaling {
  double initial_scale = 32768.0;
  std::int32_t growth_steps = 2000;
};

class OptimizerBase {
 public:
  // Throws ValueError for options that exclude each other.
  OptimizerBase(std::string class_name, std::string name, Common common);
  virtual ~OptimizerBase() = default;

  // Writes the fields of the optimizer's class.
  virtual void write_fields(Fields& fields) const = 0;

  // Returns the names of the slots as Keras has them, in Keras's order: the moving average and the
  // sum of gradients, where there are such, and then the rule's own.
  std::vector<std::string> slot_names() const;
  // Returns how many slots, in the order of slot_names(), Keras adds together for one weight after
  // the other: {2, 1} for Adam's momentum and velocity, which it adds by turns, followed by all of
  // velocity_hat. Files hold the slots in that order.
  std::vector<std::size_t> slot_groups() const;
  // Returns what the slots are filled with at the beginning.
  std::vector<float> slot_values() const;
  // The numbers of the slots that are not the rule's own. Empty where there is none.
  std::optional<std::size_t> average_slot() const;
  std::optional<std::size_t> accumulator_slot() const;
  // The number of the rule's first slot.
  std::size_t first_own_slot() const;

  // The same of the rule's own slots.
  virtual std::vector<std::string> own_slot_names() const = 0;
  virtual std::vector<std::size_t> own_slot_groups() const = 0;
  virtual std::vector<float> own_slot_values() const {
    return std::vector<float>(own_slot_names().size(), 0.0f);
  }
  // Returns the shape of a rule's own slot for a weight of this shape, whose memory may be the
  // larger. Empty where the weight has no such slot.
  virtual std::optional<Shape> own_slot_shape(std::size_t slot, const Shape& weight) const {
    if (slot >= own_slot_names().size()) return std::nullopt;
    return weight;
  }
  // Returns the product of momenta after so many updates, which Keras's Nadam keeps as a variable
  // of its own behind all slots. Others have none.
  virtual std::optional<float> momentum_product(std::int64_t iterations) const {
    (void)iterations;
    return std::nullopt;
  }
  // Returns the rule that updates a weight, for an optimizer that has several. Its own slots are
  // the first ones of this optimizer's.
  virtual const OptimizerBase& rule_for(const UpdatedWeight&) const { return *this; }
  // The optimizers that are made into this one, each with its own learning rate. Empty for one with
  // a learning rate for all weights.
  virtual std::vector<const OptimizerBase*> members() const { return {}; }
  // Returns the optimizer that this one wraps, or null.
  virtual const OptimizerBase* inner() const { return nullptr; }
  // Returns how the loss is scaled, or null for an optimizer that does not scale it.
  virtual const LossScaling* loss_scaling() const { return nullptr; }
  // Returns whether a step leaves a parameter of 0 unchanged whose gradient is 0 and whose slots
  // have not been changed since the beginning, as those of the padding between weights have not.
  virtual bool keeps_zero() const { return true; }
  // An optimizer whose step is more than arithmetic on single elements first makes a direction of
  // the gradient in prepare(), which sets the slots, and then another one of each weight's whole
  // direction. The step follows it: update.gradient() is the direction then.
  virtual bool has_direction() const { return false; }
  virtual void prepare(Update&) const {}
  // Returns the new direction, of the shape of the old one.
  virtual graph::Value direction(const WholeWeight& weight) const { return weight.direction; }
  // Appends the step itself; `parameter` is the parameter after weight decay.
  virtual void step(Update& update, graph::Expr parameter) const = 0;

  const std::string& class_name() const { return class_name_; }  // "Adam"
  const std::string& name() const { return name_; }              // "adam"
  const Common& common() const { return common_; }

 protected:
  // Throws ValueError, which names the optimizer and the option, unless the value lies in the range
  // after its conversion to the float32 that the step computes with.
  void require(const char* option, double value, check::Range range) const;

 private:
  std::string class_name_;
  std::string name_;
  Common common_;
};

// Returns whether the value is above 0 for the CPU and GPUs as a float32; a denormal one counts as
// 0.
inline bool is_normal(double value) {
  return static_cast<float>(value) >= std::numeric_limits<float>::min();
}

// Returns the regular expression (ECMAScript's grammar). Throws ValueError, beginning with `place`,
// for a text that is none.
std::regex pattern_of(const std::string& place, const std::string& pattern);

// Describes the fields that all optimizers have.
template <class Options>
void describe_common(Fields& fields, const char* name, Options& options) {
  fields.note("name", name);
  fields("learning_rate", options.learning_rate);
  fields("weight_decay", options.weight_decay);
  fields("clipnorm", options.clipnorm);
  fields("global_clipnorm", options.global_clipnorm);
  fields("clipvalue", options.clipvalue);
  fields("use_ema", options.use_ema);
  fields("ema_momentum", options.ema_momentum);
  fields("ema_overwrite_frequency", options.ema_overwrite_frequency);
  fields("gradient_accumulation_steps", options.gradient_accumulation_steps);
  fields.never({"loss_scale_factor"});
}

#define STOKER_OPTIMIZER(class_name, text) Optimizer make_##class_name(Fields& fields);
#include "optimizers/optimizers.def"
#undef STOKER_OPTIMIZER

// Appends weight decay and the step. The factor of the decay is the range's value, which is 0 for
// weights that are excluded.
void build(const OptimizerBase& optimizer, Update& update);

}  // namespace stoker::optimizers

namespace stoker {

template <>
struct FieldType<Optimizer> {
  static Optimizer read(const Config& config) { return optimizer_from_config(config); }
  static Config write(const Optimizer& value) { return value.config(); }
};

}  // namespace stoker
