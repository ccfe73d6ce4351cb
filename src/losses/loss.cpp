// Losses by name, and Keras's reductions.
#include "losses/loss.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "core/check.h"
#include "core/registered.h"
#include "ops/align.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {

template class Several<Loss>;

namespace losses {
namespace {

using graph::Expr;
using graph::Value;

std::vector<std::int64_t> all_axes(const Shape& shape) {
  std::vector<std::int64_t> axes(shape.rank());
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

Value sum_scaled(Value x, float scale) {
  if (x.shape().rank() == 0) return x;
  return ops::reduce(ops::ReduceKind::sum, x, all_axes(x.shape()), false, scale);
}

Value divide_no_nan(Value a, Value b) {
  return ops::map(a, b, [](Expr x, Expr y) {
    const Expr is_zero = equal(y, 0.0f);
    const Expr one{y.expression, y.expression->constant(1.0f)};
    const Expr zero{y.expression, y.expression->constant(0.0f)};
    // The divisor is never 0, so that the slope is not NaN either.
    return select(is_zero, zero, x / select(is_zero, one, y));
  });
}

// Reshapes weights that have only the leading axes of `values` to the same rank.
Value aligned_weight(Value& values, Value weight) {
  ops::to_same_rank(values, weight);
  const Shape& shape = values.shape();
  Shape expanded = weight.shape();
  while (expanded.rank() < shape.rank()) expanded.push_back(1);
  bool fits = expanded.rank() == shape.rank();
  for (std::size_t i = 0; fits && i < shape.rank(); ++i) {
    fits = expanded[i] == shape[i] || expanded[i] == 1 || expanded[i] < 0 || shape[i] < 0;
  }
  ops::require(fits, *values.graph, "expected sample weights that fit the loss of each element, ",
               shape, ", received ", weight.shape());
  return ops::reshape(weight, expanded);
}

}  // namespace

void describe_common(Fields& fields, const char* name_by_default, std::string& name,
                     std::string& reduction) {
  if (name.empty()) name = name_by_default;
  fields("name", name);
  fields("reduction", reduction);
  fields.ignored({"dtype"});  // losses are float32
}

LossBase::LossBase(std::string class_name, std::string name, std::string reduction)
    : class_name_(std::move(class_name)), name_(std::move(name)), reduction_(std::move(reduction)) {
  constexpr std::array<std::string_view, 5> kReductions{"sum_over_batch_size", "sum", "none",
                                                        "mean", "mean_with_sample_weight"};
  for (const std::string_view known : kReductions) {
    if (reduction_ == known) return;
  }
  throw ValueError(format("loss \"", name_,
                          "\": expected the reduction sum_over_batch_size, sum, "
                          "none, mean or mean_with_sample_weight, received \"",
                          reduction_, "\""));
}

Value reduce_weighted(Value values, Value sample_weight, const std::string& reduction, Value mask) {
  const bool divides_by_elements = reduction == "sum_over_batch_size" || reduction == "mean";
  Value weight = sample_weight ? ops::to_float(sample_weight) : Value{};
  if (mask) {
    mask = ops::to_float(mask);
    if (divides_by_elements) {
      // An entry that counts weighs (number of entries) / (number that count), so that the mean
      // over all entries becomes the mean over those that count.
      const Value total = ops::fill(*mask.graph, {}, static_cast<float>(mask.shape().elements()));
      mask = ops::multiply(mask, divide_no_nan(total, ops::reduce_sum_all(mask)));
    }
    weight = weight ? ops::multiply(mask, aligned_weight(mask, weight)) : mask;
  }
  if (weight) {
    // A loss of the whole batch counts once for each weight.
    if (values.shape().rank() == 0) values = ops::broadcast_to(values, weight.shape());
    weight = aligned_weight(values, weight);
    values = ops::multiply(values, weight);
  }
  if (reduction == "none" || values.shape().rank() == 0) return values;
  if (reduction == "sum") return sum_scaled(values, 1.0f);
  if (reduction == "mean_with_sample_weight" && weight) {
    return divide_no_nan(sum_scaled(values, 1.0f), sum_scaled(weight, 1.0f));
  }
  const auto elements = static_cast<double>(values.shape().elements());
  return sum_scaled(values, static_cast<float>(1.0 / elements));
}

Value masked_weight(Value sample_weight, Value mask) {
  if (!sample_weight || !mask) return sample_weight ? sample_weight : mask;
  return ops::multiply(mask, aligned_weight(mask, ops::to_float(sample_weight)));
}

Value compute(const LossBase& loss, Value y_true, Value y_pred, Value sample_weight,
              Value prediction_mask) {
  const graph::Scope scope(*y_pred.graph,
                           {graph::Origin::Kind::loss, format("loss \"", loss.name(), "\"")});
  const Value values = loss.values(y_true, y_pred);
  Value mask = loss.mask(y_true, y_pred);
  if (prediction_mask) {
    mask = mask ? ops::multiply(mask, prediction_mask) : ops::to_float(prediction_mask);
  }
  return reduce_weighted(values, sample_weight, loss.reduction(), mask);
}

}  // namespace losses

namespace {

struct LossClass {
  std::string_view name;  // the class's
  std::string_view text;  // the string that stands for the loss
  std::string_view short_text;
  Loss (*make)(Fields& fields);
};

constexpr std::array kClasses{
#define STOKER_LOSS(class_name, name, short_name) \
  LossClass{#class_name, name, short_name, losses::make_##class_name},
#include "losses/losses.def"
#undef STOKER_LOSS
};

Registered<Loss>& functions() {
  static Registered<Loss> registered("register_loss");
  return registered;
}

// Returns the loss of that name with all its defaults.
Loss find(const std::string& name) {
  if (const std::optional<Loss> own = functions().find(name)) return *own;
  std::vector<std::string_view> known;
  for (const LossClass& one : kClasses) {
    if (stands_for(name, one.name, one.text, one.short_text)) {
      const Config defaults = Config::map();
      Fields fields = Fields::reading(defaults, name);
      return one.make(fields);
    }
    known.push_back(one.text);
  }
  throw ValueError(format("Loss: there is none named \"", name, "\"; known are ", joined(known),
                          did_you_mean(name, known)));
}

}  // namespace

void losses::make_known(const Loss& loss) {
  if (!loss) throw ValueError("register_loss: expected a loss, received none");
  const std::string& name = loss.base()->name();
  const auto takes = [&](const LossClass& one) {
    return stands_for(name, one.name, one.text, one.short_text);
  };
  if (std::ranges::any_of(kClasses, takes)) {
    throw ValueError(format("register_loss: \"", name, "\" is the name of one of Stoker's losses"));
  }
  functions().add(name, loss);
}

Loss::Loss(const char* name) : Loss(find(check::text("Loss", name))) {}
Loss::Loss(const std::string& name) : Loss(find(name)) {}

Config Loss::config() const {
  if (!base_) return {};
  if (base_->is_function()) return function_config(base_->name());
  Fields fields = Fields::writing();
  base_->write_fields(fields);
  return object_config("keras.losses", base_->class_name(), fields.config());
}

Loss loss_from_config(const Config& config) {
  if (config.is_null()) return {};
  if (config.is_string()) return config.string();
  return Fields::with_place("loss_from_config", [&] {
    if (const std::string* own = function_of(config)) return functions().at("loss", *own);
    const ObjectView object = object_of(config);
    const LossClass& found = class_named("loss", object.class_name, kClasses);
    Fields fields = Fields::reading(object.config, object.class_name);
    return found.make(fields);
  });
}

}  // namespace stoker
