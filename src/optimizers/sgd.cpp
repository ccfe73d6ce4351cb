// SGD, with momentum and Nesterov's variant (Sutskever, Martens, Dahl, Hinton 2013).
#include "optimizers/optimizer.h"

namespace stoker {

void describe(Fields& fields, SGDOptions& options) {
  optimizers::describe_common(fields, "sgd", options);
  fields("momentum", options.momentum);
  fields("nesterov", options.nesterov);
}

namespace {

using graph::Expr;

class SGDRule final : public Described<optimizers::OptimizerBase, SGDOptions> {
 public:
  explicit SGDRule(const SGDOptions& options)
      : Described(options, "SGD", "sgd", optimizers::common_of(options)),
        momentum_(options.momentum),
        nesterov_(options.nesterov) {
    require("momentum", momentum_, check::closed(0, 1));
  }

  std::vector<std::string> own_slot_names() const override {
    if (momentum_ == 0.0) return {};
    return {"momentum"};
  }

  std::vector<std::size_t> own_slot_groups() const override {
    return std::vector<std::size_t>(own_slot_names().size(), 1);
  }

  void step(optimizers::Update& update, Expr parameter) const override {
    const Expr scaled_gradient = update.gradient() * update.learning_rate();
    if (momentum_ == 0.0) return update.set_parameter(parameter - scaled_gradient);
    const auto momentum = static_cast<float>(momentum_);
    const Expr velocity = update.slot(0) * momentum - scaled_gradient;
    update.set_slot(0, velocity);
    update.set_parameter(nesterov_ ? parameter + (velocity * momentum - scaled_gradient)
                                   : parameter + velocity);
  }

 private:
  const double momentum_;
  const bool nesterov_;
};

}  // namespace

Optimizer SGD(SGDOptions options) { return Optimizer(std::make_shared<const SGDRule>(options)); }

Optimizer optimizers::make_SGD(Fields& fields) { return stoker::SGD(fields.all<SGDOptions>()); }

}  // namespace stoker
