// Circle (Sun et al.: "Circle loss: a unified perspective of pair similarity optimization", 2020),
// for embeddings of length 1: the pairs of a batch whose labels are equal shall be similar, all
// others not.
#include <numeric>
#include <utility>
#include <vector>

#include "core/check.h"
#include "losses/loss.h"
#include "ops/common.h"

namespace stoker {

void describe(Fields& fields, CircleOptions& options) {
  losses::describe_common(fields, "circle", options.name, options.reduction);
  fields("gamma", options.gamma);
  fields("margin", options.margin);
  fields("remove_diagonal", options.remove_diagonal);
}

namespace {

using graph::Expr;
using graph::Value;

// log of the sum of e^x over each row's elements that count, and whether there are any.
struct RowSum {
  Value logarithm, has_any;
};
RowSum log_sum_of_rows(Value x, Value counts) {
  constexpr float kLeast = -1e30f;
  const Value largest = ops::reduce(
      ops::ReduceKind::max, x, counts,
      [](Expr value, Expr is_counted) {
        return select(is_counted, value,
                      Expr{value.expression, value.expression->constant(kLeast)});
      },
      {1}, true);
  const Value sum = ops::reduce(
      ops::ReduceKind::sum, x, counts, largest,
      [](Expr value, Expr is_counted, Expr most) {
        const Expr zero{value.expression, value.expression->constant(0.0f)};
        return exp(select(is_counted, value - most, zero)) * is_counted;
      },
      {1}, true);
  const Value logarithm =
      ops::map(sum, largest, [](Expr total, Expr most) { return log(max(total, 1e-30f)) + most; });
  return {logarithm, ops::reduce(ops::ReduceKind::max, counts, {1}, true)};
}

class CircleLoss final : public Described<losses::LossBase, CircleOptions> {
 public:
  explicit CircleLoss(CircleOptions options)
      : Described(options, "Circle", losses::name_or(options.name, "circle"), options.reduction) {
    check::require("Circle", "gamma", options_.gamma, check::above(0));
    check::require("Circle", "margin", options_.margin, check::finite());
  }

  DType label_dtype() const override { return DType::int32; }

  Value values(Value y_true, Value y_pred) const override {
    const Shape& shape = y_pred.shape();
    ops::require(shape.rank() == 2, *y_pred.graph,
                 "Circle: expected embeddings (batch, features), received ", shape);
    const std::int64_t rows = shape[0];
    ops::require(y_true.shape() == Shape({rows}) || y_true.shape() == Shape({rows, 1}),
                 *y_pred.graph, "Circle: expected a label for each of ", rows,
                 " embeddings, received ", y_true.shape());
    const auto gamma = static_cast<float>(options_.gamma);
    const auto margin = static_cast<float>(options_.margin);
    const Value labels = ops::to_float(y_true);
    const Value equals = ops::map(ops::reshape(labels, {rows, 1}), ops::reshape(labels, {1, rows}),
                                  [](Expr a, Expr b) { return equal(a, b); });
    const Value differs = ops::map(equals, [](Expr is_equal) { return 1.0f - is_equal; });
    const Value others =
        options_.remove_diagonal ? ops::multiply(equals, off_diagonal(y_pred, rows)) : equals;
    const Value x = ops::to_float(y_pred);
    const Value distance = ops::map(ops::matmul(x, x, false, true),
                                    [](Expr cosine) { return max(1.0f - cosine, 0.0f); });
    const Value positive = ops::map(distance, others, [=](Expr d, Expr counts) {
      return max((d + margin) * counts, 0.0f) * (margin - d) * -gamma;
    });
    const Value negative = ops::map(distance, differs, [=](Expr d, Expr counts) {
      return max((1.0f + margin - d) * counts, 0.0f) * ((1.0f - margin) - d) * gamma;
    });
    const RowSum alike = log_sum_of_rows(positive, others);
    const RowSum unlike = log_sum_of_rows(negative, differs);
    const Value both = ops::multiply(alike.has_any, unlike.has_any);
    const Value sum = ops::add(alike.logarithm, unlike.logarithm);
    // Without a pair of either kind the loss is 0, since a sum of nothing has the logarithm -inf.
    const Value loss = ops::map(sum, both, [](Expr value, Expr counts) {
      const Expr softplus = relu(value) + log1p(exp(-abs(value)));
      return select(counts, softplus, Expr{value.expression, value.expression->constant(0.0f)});
    });
    return ops::reshape(loss, {rows});
  }

  // As in Keras, a mean is over the embeddings whose loss is not 0.
  Value mask(Value y_true, Value y_pred) const override {
    return ops::map(values(y_true, y_pred), [](Expr loss) { return less(0.0f, loss); });
  }

 private:
  static Value off_diagonal(Value beside, std::int64_t rows) {
    std::vector<float> numbers(static_cast<std::size_t>(rows));
    std::iota(numbers.begin(), numbers.end(), 0.0f);
    const Value places = ops::constant(*beside.graph, {rows}, numbers);
    return ops::map(ops::reshape(places, {rows, 1}), ops::reshape(places, {1, rows}),
                    [](Expr a, Expr b) { return 1.0f - equal(a, b); });
  }
};

}  // namespace

Loss Circle(CircleOptions options) {
  return Loss(std::make_shared<const CircleLoss>(std::move(options)));
}
Loss losses::make_Circle(Fields& fields) { return Circle(fields.all<CircleOptions>()); }

}  // namespace stoker
