// ActivityRegularization adds a penalty on its input to the loss.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"

namespace stoker {
namespace {

struct ActivityRegularizationArguments {
  ActivityRegularizationOptions options{};
};

void describe(Fields& fields, ActivityRegularizationArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("l1", arguments.options.l1);
  fields("l2", arguments.options.l2);
}

class ActivityRegularizationLayer final
    : public layers::DescribedLayer<ActivityRegularizationArguments> {
 public:
  explicit ActivityRegularizationLayer(ActivityRegularizationArguments arguments)
      : DescribedLayer("ActivityRegularization", std::move(arguments)) {
    supports_masking = true;
    check::require(label(), "an l1", arguments_.options.l1, check::at_least(0));
    check::require(label(), "an l2", arguments_.options.l2, check::at_least(0));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    x = context.to_compute(x);
    layers::add_activity_loss(context, L1L2(arguments_.options.l1, arguments_.options.l2), x);
    return x;
  }
};

}  // namespace

Layer ActivityRegularization(ActivityRegularizationOptions options) {
  return Layer(std::make_shared<ActivityRegularizationLayer>(
      ActivityRegularizationArguments{std::move(options)}));
}

Layer layers::make_ActivityRegularization(Fields& fields) {
  return Layer(
      std::make_shared<ActivityRegularizationLayer>(fields.all<ActivityRegularizationArguments>()));
}

}  // namespace stoker
