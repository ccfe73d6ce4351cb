// Adafactor (Shazeer, Stern 2018): the second moment of a weight of two axes or more is the product
// of averages over its rows and its columns. As in Keras the product is kept too, and there is no
// momentum.
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, AdafactorOptions& options) {
  optimizers::describe_common(fields, "adafactor", options);
  fields("beta_2_decay", options.beta_2_decay);
  fields("epsilon_1", options.epsilon_1);
  fields("epsilon_2", options.epsilon_2);
  fields("clip_threshold", options.clip_threshold);
  fields("relative_step", options.relative_step);
}

namespace {

using graph::Expr;
using graph::Value;

constexpr int kRows = 0, kColumns = 1, kVelocity = 2;

Shape without(const Shape& shape, std::size_t axis) {
  Shape rest;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i != axis) rest.push_back(shape[i]);
  }
  return rest;
}

// The root of the mean square of all elements, of shape ().
Value root_mean_square(Value x) {
  const Value flat = ops::reshape(x, {x.shape().elements()});
  const Value mean = ops::reduce(ops::ReduceKind::sum, flat, graph::square, {0}, false,
                                 1.0f / static_cast<float>(x.shape().elements()));
  return ops::map(mean, [](Expr m) { return sqrt(m); });
}

class AdafactorRule final : public Described<optimizers::OptimizerBase, AdafactorOptions> {
 public:
  explicit AdafactorRule(const AdafactorOptions& options)
      : Described(options, "Adafactor", "adafactor", optimizers::common_of(options)) {
    require("beta_2_decay", options_.beta_2_decay, check::closed(-10, 0));
    require("epsilon_1", options_.epsilon_1, check::at_least(0));
    require("epsilon_2", options_.epsilon_2, check::at_least(0));
    require("clip_threshold", options_.clip_threshold, check::above(0));
  }

  std::vector<std::string> own_slot_names() const override {
    return {"rows", "columns", "velocity"};
  }
  std::vector<std::size_t> own_slot_groups() const override { return {3}; }
  std::optional<Shape> own_slot_shape(std::size_t slot, const Shape& shape) const override {
    if (slot == kVelocity) return shape;
    if (shape.rank() < 2) return std::nullopt;
    return without(shape, shape.rank() - (slot == kRows ? 1 : 2));
  }

  bool has_direction() const override { return true; }
  void prepare(optimizers::Update& update) const override {
    update.set_direction(update.gradient());
  }

  Value direction(const optimizers::WholeWeight& weight) const override {
    const Shape& shape = weight.shape;
    const auto epsilon_1 = static_cast<float>(options_.epsilon_1);
    const auto epsilon_2 = static_cast<float>(options_.epsilon_2);
    const auto decay = static_cast<float>(options_.beta_2_decay);
    // 1 - beta_2 of this update, and the rate before the weight's own scale.
    const Value take = ops::map(weight.update, [decay](Expr t) { return pow(t, decay); });
    const Value rho =
        ops::map(weight.rate, weight.update, [](Expr rate, Expr t) { return min(rate, rsqrt(t)); });
    const Value gradient = ops::reshape(weight.direction, shape);
    const Value squares = ops::map(gradient, [epsilon_1](Expr g) { return square(g) + epsilon_1; });
    const auto moved = [](Expr old, Expr added, Expr share) {
      return (1.0f - share) * old + share * added;
    };
    Value velocity;
    if (shape.rank() < 2) {
      velocity = ops::map(weight.slot(kVelocity), squares, take, moved);
    } else {
      const auto last = static_cast<std::int64_t>(shape.rank()) - 1;
      const auto average = [&](int slot, std::int64_t axis) {
        const Value made =
            ops::map(weight.slot(slot), ops::reduce_mean(squares, {axis}), take, moved);
        weight.set_slot(slot, made);
        return made;
      };
      const Value rows = average(kRows, last), columns = average(kColumns, last - 1);
      const Value mean = ops::reduce_mean(rows, {last - 1}, true);
      Shape of_rows = shape, of_columns = shape;
      of_rows[shape.rank() - 1] = of_columns[shape.rank() - 2] = 1;
      const Value shares = ops::map(rows, mean, [](Expr row, Expr all) { return row / all; });
      velocity = ops::multiply(ops::reshape(shares, of_rows), ops::reshape(columns, of_columns));
    }
    weight.set_slot(kVelocity, velocity);
    const Value step = ops::map(gradient, velocity, [](Expr g, Expr v) { return g / sqrt(v); });
    const auto threshold = static_cast<float>(options_.clip_threshold);
    const Value scale =
        ops::map(rho, root_mean_square(weight.parameter), root_mean_square(step),
                 [=](Expr rate, Expr of_weight, Expr of_step) {
                   return max(of_weight, epsilon_2) * rate / max(of_step / threshold, 1.0f);
                 });
    return ops::reshape(ops::multiply(step, scale), weight.direction.shape());
  }

  void step(optimizers::Update& update, Expr parameter) const override {
    update.set_parameter(parameter - update.gradient());
  }
};

}  // namespace

Optimizer Adafactor(AdafactorOptions options) {
  return Optimizer(std::make_shared<const AdafactorRule>(options));
}

Optimizer optimizers::make_Adafactor(Fields& fields) {
  return stoker::Adafactor(fields.all<AdafactorOptions>());
}

}  // namespace stoker
