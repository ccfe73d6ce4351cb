// The mask that Dropout multiplies its input with.
#include <gtest/gtest.h>

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
  std::uint32_t random_stream(std::uint32_t) override { return stream_; }

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

}  // namespace
}  // namespace stoker
