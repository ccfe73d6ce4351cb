// SpectralNormalization (Miyato et al. 2018): divides the kernel of another layer by an estimate of
// its largest singular value before each step of training. Vector u is kept from step to step, so
// that one power iteration a step follows the slowly changing kernel. As in Keras on TensorFlow and
// PyTorch, the kernel itself takes the divided value, which the optimizer then moves on from; the
// estimate is a constant for gradients.
#include <algorithm>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/wrapping.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

using graph::Expr;
using graph::Value;

struct SpectralNormalizationArguments {
  SpectralNormalizationOptions options{};
  Config layer{};
};

void describe(Fields& fields, SpectralNormalizationArguments& arguments) {
  describe_common(fields, arguments.options);
  fields.required("layer", arguments.layer);
  fields("power_iterations", arguments.options.power_iterations);
}

// Keras's normalize() of all elements: the inverse of the norm is at most 1e7.
Value to_unit_norm(Value x) {
  const Value squares = ops::reduce(ops::ReduceKind::sum, x, graph::square, {0, 1}, true);
  return ops::map(x, squares, [](Expr value, Expr sum) { return value * min(rsqrt(sum), 1e7f); });
}

class SpectralNormalizationLayer final : public LayerBase {
 public:
  SpectralNormalizationLayer(SpectralNormalizationOptions options, Layer layer)
      : LayerBase("SpectralNormalization", options.name, options.dtype),
        options_(std::move(options)),
        inner_(layer.base()) {
    casts_inputs = false;
    check::require(label(), "power_iterations", options_.power_iterations, check::at_least(1));
  }

  std::vector<Child> children() const override { return {wrapped(inner_)}; }
  std::optional<AdoptedWeight> adopted() const override {
    const WeightSpec* const kernel = find_kernel();
    if (kernel == nullptr) return std::nullopt;
    return AdoptedWeight{inner_.get(), kernel->name};
  }

  void write_fields(Fields& fields) const override {
    SpectralNormalizationArguments arguments{options_, config_of(children().at(0))};
    arguments.options.name = name();
    describe(fields, arguments);
  }

  std::vector<MaskedValue> build(BuildContext& context,
                                 std::span<const MaskedValue> inputs) override {
    refuse_masks(*this, inputs);
    const WeightSpec kernel = kernel_for(inputs);
    const WeightSpec vector_u{
        "vector_u", {1, kernel.shape.back()}, TruncatedNormal({.stddev = 0.02}), {}, {}, false,
        false};
    const Value before = context.weight(vector_u);
    if (context.training()) {
      Divided divided;
      context.within(*inner_, 0, [&] {
        WeightSpec whole = kernel;
        whole.autocast = false;
        divided = divide(context.weight(whole), before);
        context.update(whole, divided.kernel);
      });
      context.update(vector_u, divided.vector_u);
    }
    std::vector<MaskedValue> outputs = context.call(*inner_, inputs);
    for (MaskedValue& output : outputs) {
      // Ids have a type in which no output could be.
      if (is_floating(inputs[0].value.dtype())) {
        output.value = ops::cast(output.value, inputs[0].value.dtype());
      }
    }
    return outputs;
  }

 private:
  struct Divided {
    Value vector_u, kernel;
  };

  // Null before the inner layer's first call, and for a layer without such a weight.
  const WeightSpec* find_kernel() const {
    for (const char* name : {"kernel", "embeddings"}) {
      const auto found = std::ranges::find(inner_->weights(), name, &WeightSpec::name);
      if (found != inner_->weights().end()) return &*found;
    }
    return nullptr;
  }

  // Returns the weight that is divided, which the inner layer's first call has declared.
  WeightSpec kernel_for(std::span<const MaskedValue> inputs) {
    if (inner_->weights().empty()) {
      std::vector<FlowType> types;
      for (const MaskedValue& input : inputs) {
        types.push_back({{input.value.dtype(), input.value.shape()}});
      }
      infer(*inner_, types);
    }
    if (const WeightSpec* const kernel = find_kernel()) return *kernel;
    throw ValueError(format(label(),
                            ": expected a layer with a kernel or with embeddings, received ",
                            inner_->label()));
  }

  Divided divide(Value kernel, Value before) const {
    const std::int64_t columns = kernel.shape().back();
    const Value matrix = ops::reshape(kernel, {kernel.shape().elements() / columns, columns});
    Value u = before, v;
    for (std::int64_t i = 0; i < options_.power_iterations; ++i) {
      v = to_unit_norm(ops::matmul(u, matrix, false, true));
      u = to_unit_norm(ops::matmul(v, matrix));
    }
    const Value sigma = ops::reshape(ops::matmul(ops::matmul(v, matrix), u, false, true), {});
    const auto magnitude = [](Expr x) { return abs(x); };
    // A kernel of zeros has no direction, and stays as it is.
    const Value largest =
        ops::reshape(ops::reduce(ops::ReduceKind::max, matrix, magnitude, {0, 1}), {});
    const auto unless_zero = [](Expr made, Expr old, Expr most) {
      return select(less(0.0f, most), made, old);
    };
    const Value quotient = ops::map(kernel, sigma, [](Expr k, Expr s) { return k / s; });
    return {ops::map(u, before, largest, unless_zero),
            ops::map(quotient, kernel, largest, unless_zero)};
  }

  const SpectralNormalizationOptions options_;
  const std::shared_ptr<LayerBase> inner_;
};

}  // namespace

Layer make_SpectralNormalization(Fields& fields) {
  auto arguments = fields.all<SpectralNormalizationArguments>();
  Layer layer = Fields::with_place(fields.place() + ".layer",
                                   [&] { return layer_from_config(arguments.layer); });
  return SpectralNormalization(std::move(layer), std::move(arguments.options));
}

}  // namespace layers

Layer SpectralNormalization(Layer layer, SpectralNormalizationOptions options) {
  if (layer.base() == nullptr) {
    throw ValueError("SpectralNormalization: expected a layer, received one that was moved from");
  }
  return Layer(std::make_shared<layers::SpectralNormalizationLayer>(std::move(options), layer));
}

}  // namespace stoker
