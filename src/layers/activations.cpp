// Keras's activation functions. Each is one expression, written so that neither it nor its
// derivative overflows to NaN. Functions along the last axis are ops of their own.
#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "core/check.h"
#include "core/nearest.h"
#include "layers/layer.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;

// The given parameters, by position.
class Parameters {
 public:
  explicit Parameters(const ActivationFunction& function) : function_(function) {}
  float operator()(std::size_t position, double otherwise) const {
    return static_cast<float>(function_.parameter(position, otherwise));
  }

 private:
  const ActivationFunction& function_;
};

using Rule = Expr (*)(Expr x, const Parameters& p);

Expr constant(Expr beside, float value) {
  return {beside.expression, beside.expression->constant(value)};
}
Expr clip(Expr x, float low, float high) { return min(max(x, low), high); }

// log(1 + e^x) = max(x, 0) + log1p(e^-|x|). It uses selects because abs and max have the wrong
// slope at 0, where the right one is 1/2.
Expr softplus(Expr x) {
  const Expr is_negative = less(x, 0.0f);
  return select(is_negative, constant(x, 0.0f), x) + log1p(exp(select(is_negative, x, -x)));
}

// The negative part is alpha (e^(x / alpha) - 1). e^x is never computed for a positive x.
Expr celu(Expr x, float alpha) { return relu(x) + expm1(min(x, 0.0f) / alpha) * alpha; }
Expr elu(Expr x, float alpha) { return relu(x) + expm1(min(x, 0.0f)) * alpha; }

// The parameters are negative_slope, max_value and threshold. The result is x above the threshold,
// but at most max_value, and negative_slope (x - threshold) below the threshold.
Expr general_relu(Expr x, const Parameters& p) {
  const float slope = p(0, 0.0);
  const float limit = p(1, std::numeric_limits<double>::infinity());
  const float threshold = p(2, 0.0);
  Expr y = threshold == 0.0f ? relu(x) : x * less(threshold, x);
  if (limit < std::numeric_limits<float>::infinity()) y = clip(y, 0.0f, limit);
  if (slope != 0.0f) y = y - relu(threshold - x) * slope;
  return y;
}

// Hendrycks, Gimpel: "Gaussian error linear units", 2016. A first parameter of 1 selects the
// approximation by tanh.
Expr gelu_exact(Expr x) { return x * 0.5f * (erf(x * 0.70710678f) + 1.0f); }
Expr gelu_tanh(Expr x) {
  return x * 0.5f * (tanh((x + x * square(x) * 0.044715f) * 0.79788456f) + 1.0f);
}

// Klambauer et al.: "Self-normalizing neural networks", 2017, section 2.
constexpr float kSeluAlpha = 1.6732632423543772f;
constexpr float kSeluScale = 1.0507009873554805f;

Expr hard_sigmoid(Expr x) { return min(relu(x + 3.0f), 6.0f) / 6.0f; }

Expr soft_shrink(Expr x, float threshold) {
  const Expr below = select(less(x, -threshold), x + threshold, constant(x, 0.0f));
  return select(less(threshold, x), x - threshold, below);
}

Expr sparse_plus(Expr x) {
  const Expr middle = select(less(x, 1.0f), square(x + 1.0f) * 0.25f, x);
  return select(less_equal(x, -1.0f), constant(x, 0.0f), middle);
}

struct Entry {
  std::string_view name;
  std::size_t parameters;  // The largest number of parameters.
  Rule rule;               // Null for a function along the last axis, see along_last_axis().
};

constexpr std::array kActivations{
    Entry{"linear", 0, [](Expr x, const Parameters&) { return x; }},
    Entry{"relu", 3, general_relu},
    Entry{"leaky_relu", 1,
          [](Expr x, const Parameters& p) { return select(less(0.0f, x), x, x * p(0, 0.2)); }},
    Entry{"relu6", 0, [](Expr x, const Parameters&) { return min(relu(x), 6.0f); }},
    Entry{"elu", 1, [](Expr x, const Parameters& p) { return elu(x, p(0, 1.0)); }},
    Entry{"selu", 0, [](Expr x, const Parameters&) { return elu(x, kSeluAlpha) * kSeluScale; }},
    Entry{"celu", 1, [](Expr x, const Parameters& p) { return celu(x, p(0, 1.0)); }},
    Entry{"gelu", 1,
          [](Expr x, const Parameters& p) {
            return p(0, 0.0) != 0.0f ? gelu_tanh(x) : gelu_exact(x);
          }},
    Entry{"gelu_tanh", 0, [](Expr x, const Parameters&) { return gelu_tanh(x); }},
    Entry{"sigmoid", 0, [](Expr x, const Parameters&) { return sigmoid(x); }},
    Entry{"tanh", 0, [](Expr x, const Parameters&) { return tanh(x); }},
    Entry{"softplus", 0, [](Expr x, const Parameters&) { return softplus(x); }},
    Entry{"softsign", 0, [](Expr x, const Parameters&) { return x / (abs(x) + 1.0f); }},
    Entry{"silu", 0, [](Expr x, const Parameters&) { return x * sigmoid(x); }},
    Entry{"mish", 0, [](Expr x, const Parameters&) { return x * tanh(softplus(x)); }},
    Entry{"exponential", 0, [](Expr x, const Parameters&) { return exp(x); }},
    Entry{"hard_sigmoid", 0, [](Expr x, const Parameters&) { return hard_sigmoid(x); }},
    Entry{"hard_silu", 0, [](Expr x, const Parameters&) { return x * hard_sigmoid(x); }},
    Entry{"hard_tanh", 0, [](Expr x, const Parameters&) { return clip(x, -1.0f, 1.0f); }},
    Entry{"hard_shrink", 1,
          [](Expr x, const Parameters& p) {
            return select(less(p(0, 0.5), abs(x)), x, constant(x, 0.0f));
          }},
    Entry{"soft_shrink", 1, [](Expr x, const Parameters& p) { return soft_shrink(x, p(0, 0.5)); }},
    Entry{"tanh_shrink", 0, [](Expr x, const Parameters&) { return x - tanh(x); }},
    Entry{"squareplus", 1,
          [](Expr x, const Parameters& p) { return (x + sqrt(square(x) + p(0, 4.0))) * 0.5f; }},
    Entry{"sparse_plus", 0, [](Expr x, const Parameters&) { return sparse_plus(x); }},
    Entry{"sparse_sigmoid", 0,
          [](Expr x, const Parameters&) { return clip((x + 1.0f) * 0.5f, 0.0f, 1.0f); }},
    Entry{"log_sigmoid", 0, [](Expr x, const Parameters&) { return -softplus(-x); }},
    Entry{"threshold", 2,
          [](Expr x, const Parameters& p) {
            return select(less(p(0, 0.0), x), x, constant(x, p(1, 0.0)));
          }},
    Entry{"softmax", 0, nullptr},
    Entry{"log_softmax", 0, nullptr},
    Entry{"sparsemax", 0, nullptr},
    Entry{"glu", 0, nullptr},
};

const Entry& entry_of(const std::string& name) {
  const auto found = std::find_if(kActivations.begin(), kActivations.end(),
                                  [&](const Entry& entry) { return entry.name == name; });
  if (found != kActivations.end()) return *found;
  std::vector<std::string_view> known;
  for (const Entry& entry : kActivations) known.push_back(entry.name);
  throw ValueError(format("ActivationFunction: there is none named \"", name, "\"; known are ",
                          joined(known), did_you_mean(name, known)));
}

// Keras has these other names too.
std::string canonical(std::string_view name) {
  if (name == "swish") return "silu";
  if (name == "hard_swish") return "hard_silu";
  return std::string(name);
}

// The result is the first half of the channels times the sigmoid of the second half (Dauphin et
// al.: "Language modeling with gated convolutional networks", 2017).
graph::Value glu(graph::Value x) {
  const std::int64_t channels = x.shape().back();
  ops::require(channels > 0 && channels % 2 == 0, *x.graph,
               "glu: expected an even last extent, to halve it, received ", x.shape());
  const graph::Value values = ops::slice(x, -1, 0, channels / 2);
  const graph::Value gates = ops::slice(x, -1, channels / 2, channels / 2);
  return ops::map(values, gates, [](Expr value, Expr gate) { return value * sigmoid(gate); });
}

graph::Value along_last_axis(graph::Value x, const std::string& name) {
  ops::require(x.shape().rank() >= 2, *x.graph, name,
               ": expected a batch and an axis to look along, received ", x.shape());
  if (name == "softmax") return ops::softmax(x);
  if (name == "log_softmax") return ops::log_softmax(x);
  if (name == "sparsemax") return ops::sparsemax(x);
  return glu(x);
}

}  // namespace

ActivationFunction::ActivationFunction(const char* name)
    : ActivationFunction(check::text("ActivationFunction", name)) {}
ActivationFunction::ActivationFunction(std::string name)
    : ActivationFunction(std::move(name), std::vector<double>{}) {}

ActivationFunction::ActivationFunction(std::string name, std::initializer_list<double> parameters)
    : ActivationFunction(std::move(name), std::vector<double>(parameters)) {}

ActivationFunction::ActivationFunction(std::string name, std::vector<double> parameters)
    : name_(canonical(name)), parameters_(std::move(parameters)) {
  const Entry& entry = entry_of(name_);
  if (parameters_.size() > entry.parameters) {
    throw ValueError(format("ActivationFunction \"", name_, "\": expected at most ",
                            entry.parameters, " parameters, received ", parameters_.size()));
  }
}

namespace layers {

graph::Value activate(graph::Value x, const ActivationFunction& activation) {
  const graph::Value value = is_floating(x.dtype()) ? x : ops::to_float(x);
  if (activation.is_linear()) return value;
  const Entry& entry = entry_of(activation.name());
  if (entry.rule == nullptr) return along_last_axis(value, activation.name());
  const Parameters parameters(activation);
  return ops::map(value, [&](Expr element) { return entry.rule(element, parameters); });
}

}  // namespace layers
}  // namespace stoker
