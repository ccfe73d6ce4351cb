// Losses without options of their own.
#pragma once

#include <memory>
#include <utility>

#include "losses/loss.h"

namespace stoker::losses {

// `Formula` has the class's name, its name as a string, and values() of labels and predictions:
//
//   struct Poisson {
//     static constexpr const char* kClass = "Poisson";
//     static constexpr const char* kName = "poisson";
//     static graph::Value values(graph::Value y_true, graph::Value y_pred);
//   };
template <class Formula>
struct PlainArguments {
  LossOptions options{};
};

template <class Formula>
void describe(Fields& fields, PlainArguments<Formula>& arguments) {
  describe_common(fields, Formula::kName, arguments.options.name, arguments.options.reduction);
}

template <class Formula>
class PlainLoss final : public Described<LossBase, PlainArguments<Formula>> {
 public:
  explicit PlainLoss(const PlainArguments<Formula>& arguments)
      : Described<LossBase, PlainArguments<Formula>>(
            arguments, Formula::kClass, name_or(arguments.options.name, Formula::kName),
            arguments.options.reduction) {}

  graph::Value values(graph::Value y_true, graph::Value y_pred) const override {
    return Formula::values(y_true, y_pred);
  }
};

template <class Formula>
Loss plain_loss(LossOptions options) {
  return Loss(
      std::make_shared<const PlainLoss<Formula>>(PlainArguments<Formula>{std::move(options)}));
}
template <class Formula>
Loss plain_loss(Fields& fields) {
  return Loss(std::make_shared<const PlainLoss<Formula>>(fields.all<PlainArguments<Formula>>()));
}

}  // namespace stoker::losses
