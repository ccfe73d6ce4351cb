// The random numbers of Dropout and its like.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "layers/layer.h"
#include "support/expression_reference.h"

namespace stoker {
namespace {

class Context final : public layers::BuildContext {
 public:
  explicit Context(bool training, std::uint32_t stream = 5)
      : training_(training), stream_(stream) {}

  graph::Graph& graph() override { return graph_; }
  bool training() const override { return training_; }
  DType compute_dtype() const override { return DType::float32; }
  graph::Value weight(const layers::WeightSpec&) override { return {}; }
  void update(const layers::WeightSpec&, graph::Value) override {}
  void add_loss(graph::Value) override {}
  std::uint32_t random_stream(std::uint32_t purpose) override { return stream_ + 100 * purpose; }

  const graph::Expression& expression_of(graph::Value value) {
    const graph::Node& node = graph_.node(graph_.info(value.id).node);
    return ops::attributes_of<ops::PointwiseAttributes>(node).expression;
  }

 private:
  graph::Graph graph_;
  bool training_;
  std::uint32_t stream_;
};

graph::Value input_of(Context& context, Shape shape) {
  return context.graph().leaf("x", {DType::float32, shape}, {});
}

graph::Value call(Context& context, const Layer& layer, graph::Value x) {
  const layers::MaskedValue input{x};
  return context.call(*layer.base(), {&input, 1}).at(0).value;
}

// What becomes of 3 in each of `count` elements.
std::vector<double> outputs(const Layer& layer, std::uint32_t stream, int count) {
  Context context(true, stream);
  const graph::Value y = call(context, layer, input_of(context, {count}));
  std::vector<double> values;
  for (int i = 0; i < count; ++i) {
    const std::vector<double> x{3.0};
    values.push_back(test::evaluate(context.expression_of(y), x,
                                    {.seed = 1, .element = static_cast<std::uint64_t>(i)})[0]);
  }
  return values;
}

TEST(Dropout, drops_its_share_and_scales_the_rest) {
  int dropped = 0;
  for (const double value : outputs(Dropout(0.25), 5, 10000)) {
    if (value == 0.0) {
      ++dropped;
    } else {
      EXPECT_NEAR(value, 4.0, 1e-6);
    }
  }
  EXPECT_NEAR(dropped, 2500, 217);  // five standard deviations of the binomial
}

TEST(Dropout, draws_from_the_stream_of_its_place_unless_it_has_a_seed) {
  EXPECT_NE(outputs(Dropout(0.5), 5, 100), outputs(Dropout(0.5), 6, 100));
  EXPECT_EQ(outputs(Dropout(0.5, {.seed = 9}), 5, 100), outputs(Dropout(0.5, {.seed = 9}), 6, 100));
  EXPECT_NE(outputs(Dropout(0.5, {.seed = 9}), 5, 100), outputs(Dropout(0.5, {.seed = 8}), 5, 100));
}

TEST(Dropout, a_noise_shape_draws_one_number_for_what_shares_it) {
  Context context(true);
  const graph::Value x = input_of(context, {8, 5, 6});
  call(context, Dropout(0.5, {.noise_shape = {-1, 1, 6}}), x);
  ASSERT_EQ(context.graph().nodes().size(), 2u);
  const graph::Value mask = context.graph().value(context.graph().node(0).outputs[0]);
  EXPECT_EQ(mask.shape(), (Shape{8, 1, 6}));
  EXPECT_TRUE(context.expression_of(mask).uses_random());
}

TEST(Dropout, does_nothing_in_inference_or_at_rate_0) {
  Context inference(false);
  const graph::Value x = input_of(inference, {4});
  EXPECT_EQ(call(inference, Dropout(0.25), x), x);
  Context training(true);
  const graph::Value z = input_of(training, {4});
  EXPECT_EQ(call(training, Dropout(0.0), z), z);
}

struct Moments {
  double mean, variance;
};
Moments moments(const std::vector<double>& values) {
  double sum = 0.0, squares = 0.0;
  for (const double value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, squares / static_cast<double>(values.size())};
}

// The tolerances are five standard deviations of the estimates from 10000 numbers.
TEST(GaussianNoise, adds_numbers_of_mean_0_and_the_given_deviation) {
  const auto [mean, variance] = moments(outputs(GaussianNoise(0.5), 5, 10000));
  EXPECT_NEAR(mean, 3.0, 5 * 0.5 / 100);
  EXPECT_NEAR(variance, 0.25, 5 * 0.25 * std::sqrt(2.0) / 100);
}

TEST(GaussianDropout, multiplies_by_numbers_of_mean_1) {
  const auto [mean, variance] = moments(outputs(GaussianDropout(0.2), 5, 10000));
  EXPECT_NEAR(mean, 3.0, 5 * 1.5 / 100);
  EXPECT_NEAR(variance, 9.0 * 0.25, 5 * 2.25 * std::sqrt(2.0) / 100);
}

TEST(GaussianNoise, is_the_same_for_the_same_seed_wherever_it_is) {
  EXPECT_NE(outputs(GaussianNoise(0.5), 5, 100), outputs(GaussianNoise(0.5), 6, 100));
  EXPECT_EQ(outputs(GaussianNoise(0.5, {.seed = 9}), 5, 100),
            outputs(GaussianNoise(0.5, {.seed = 9}), 6, 100));
  EXPECT_NE(outputs(GaussianNoise(0.5, {.seed = 9}), 5, 100),
            outputs(GaussianNoise(0.5, {.seed = 8}), 5, 100));
}

// Kept elements become a x + b, and dropped ones a * SELU's limit + b.
TEST(AlphaDropout, drops_its_share_to_the_limit_of_selu) {
  const double limit = -1.6732632423543772 * 1.0507009873554805;
  const double a = 1.0 / std::sqrt(0.75 * (1.0 + 0.25 * limit * limit));
  const double b = -a * limit * 0.25;
  int dropped = 0;
  for (const double value : outputs(AlphaDropout(0.25), 5, 10000)) {
    const bool is_kept = std::abs(value - (a * 3.0 + b)) < 1e-5;
    if (is_kept) continue;
    EXPECT_NEAR(value, a * limit + b, 1e-5);
    ++dropped;
  }
  EXPECT_NEAR(dropped, 2500, 217);
}

TEST(SpatialDropout, draws_one_number_for_each_channel) {
  const auto mask_of = [](const Layer& layer, Shape shape) {
    Context context(true);
    call(context, layer, input_of(context, shape));
    return context.graph().value(context.graph().node(0).outputs[0]).shape();
  };
  EXPECT_EQ(mask_of(SpatialDropout1D(0.5), {8, 5, 6}), (Shape{8, 1, 6}));
  EXPECT_EQ(mask_of(SpatialDropout2D(0.5), {8, 5, 4, 6}), (Shape{8, 1, 1, 6}));
  EXPECT_EQ(mask_of(SpatialDropout3D(0.5), {8, 5, 4, 3, 6}), (Shape{8, 1, 1, 1, 6}));
}

TEST(NoiseLayers, do_nothing_in_inference_or_without_noise) {
  for (const Layer& layer :
       {AlphaDropout(0.5), GaussianNoise(0.5), GaussianDropout(0.5), SpatialDropout1D(0.5)}) {
    Context inference(false);
    const graph::Value x = input_of(inference, {4, 2, 3});
    EXPECT_EQ(call(inference, layer, x), x) << layer.class_name();
  }
  for (const Layer& layer :
       {AlphaDropout(0.0), GaussianNoise(0.0), GaussianDropout(0.0), SpatialDropout1D(0.0)}) {
    Context training(true);
    const graph::Value x = input_of(training, {4, 2, 3});
    EXPECT_EQ(call(training, layer, x), x) << layer.class_name();
  }
}

}  // namespace
}  // namespace stoker
