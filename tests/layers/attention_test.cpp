// Layers of attention: both ways to compute them against each other, masks, shapes, configurations,
// errors, and the memory of long sequences. Keras's numbers are in tests/golden.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "layers/attention/weighing.h"
#include "layers/layer.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/op_harness.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

Tensor uniform(Shape shape, std::uint64_t seed) {
  Tensor tensor(shape);
  Random random(seed);
  random.fill_uniform(tensor.data<float>(), -1.0f, 1.0f);
  return tensor;
}

void expect_near(const Tensor& a, const Tensor& b, double tolerance) {
  ASSERT_EQ(a.shape(), b.shape());
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_NEAR(a.data<float>()[at], b.data<float>()[at], tolerance) << "element " << i;
  }
}

// ---- With the weights in memory, and without ----------------------------------------------------
struct WeighingCase {
  const char* name;
  layers::Weighing weighing;
  bool has_masks = false;
  std::int64_t key_heads = 4;
};

std::vector<WeighingCase> weighing_cases() {
  using ops::BlindQuery;
  return {
      {"plain", {.scale = 0.5}},
      {"causal", {.scale = 0.5, .causal = true}},
      {"window", {.scale = 0.5, .causal = true, .window = 3}},
      {"grouped", {.scale = 0.5}, false, 2},
      {"masks, zeros", {.scale = 0.5, .blind = BlindQuery::zeros}, true},
      {"masks, mean", {.scale = 0.5, .causal = true, .blind = BlindQuery::mean}, true, 1},
      {"masks, mean with gradient", {.scale = 0.5, .blind = BlindQuery::mean_with_gradient}, true},
      {"dropout", {.scale = 0.5, .blind = BlindQuery::zeros, .dropout = 0.3, .stream = 7}},
      {"dropout, masks",
       {.scale = 0.5, .causal = true, .blind = BlindQuery::zeros, .dropout = 0.3, .stream = 7},
       true},
      {"dropout, masks, mean",
       {.scale = 0.5, .blind = BlindQuery::mean_with_gradient, .dropout = 0.3, .stream = 7},
       true},
  };
}

TEST(Weighing, gives_the_same_with_weights_in_memory_and_without) {
  const std::int64_t queries = 70, keys = 67;
  for (const WeighingCase& own : weighing_cases()) {
    SCOPED_TRACE(own.name);
    const auto run = [&](bool has_weights) {
      test::OpCase c;
      c.inputs = {{.shape = {2, queries, 4, 5}},
                  {.shape = {2, keys, own.key_heads, 5}},
                  {.shape = {2, keys, own.key_heads, 6}}};
      if (own.has_masks) {
        // A sample that is hidden from its middle on, and one that is hidden wholly.
        test::OpInput& query_mask = c.inputs.emplace_back();
        query_mask = {.shape = {2, queries}, .given = {}, .differentiable = false};
        query_mask.given.assign(static_cast<std::size_t>(2 * queries), 1.0);
        for (std::size_t i = 40; i < 50; ++i) query_mask.given[i] = 0.0;
        test::OpInput& key_mask = c.inputs.emplace_back();
        key_mask = {.shape = {2, keys}, .given = {}, .differentiable = false};
        key_mask.given.assign(static_cast<std::size_t>(2 * keys), 0.0);
        for (std::size_t i = 1; i < 30; ++i) key_mask.given[i] = 1.0;
      }
      c.build = [&own, has_weights](graph::Graph&, std::span<const graph::Value> in) {
        layers::Weighing weighing = own.weighing;
        if (own.has_masks) {
          weighing.query_mask = in[3];
          weighing.key_mask = in[4];
        }
        return std::vector{layers::weigh(in[0], in[1], in[2], weighing, has_weights).y};
      };
      test::RunOptions options;
      options.gradients = true;
      options.scalars.seed = 3;
      options.scalars.step = 5;
      return test::run_case(c, options);
    };
    const test::OpRun with = run(true), without = run(false);
    EXPECT_EQ(std::ranges::count(without.ops, "softmax"), 0);
    const auto compare = [](const test::Values& a, const test::Values& b, const char* what) {
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_NEAR(a[i], b[i], 2e-5) << what << " " << i;
      }
    };
    compare(with.outputs[0], without.outputs[0], "y");
    for (std::size_t i = 0; i < 3; ++i) {
      compare(with.gradients[i], without.gradients[i], "a gradient of input");
    }
  }
}

// ---- Layers -------------------------------------------------------------------------------------
TEST(MultiHeadAttention, returns_weights_that_are_means_and_hide_what_is_masked) {
  const Value tokens = Input({6}, {.dtype = "int32"});
  const Value x = Embedding(10, 8, {.mask_zero = true})(tokens);
  const std::vector<Value> y =
      MultiHeadAttention(2, 4).call({x, x}, {.return_attention_scores = true});
  ASSERT_EQ(y.size(), 2u);
  EXPECT_EQ(y[0].shape(), Shape({Shape::kUnknown, 6, 8}));
  EXPECT_EQ(y[1].shape(), Shape({Shape::kUnknown, 2, 6, 6}));
  EXPECT_TRUE(y[0].has_mask());
  EXPECT_FALSE(y[1].has_mask());
  Model model({tokens}, {y[1]}, {.device = Device::cpu()});
  const Tensor scores = model.predict(Tensor::from<std::int32_t>({1, 6}, {3, 1, 4, 1, 0, 0}));
  for (std::size_t head = 0; head < 2; ++head) {
    for (std::size_t query = 0; query < 6; ++query) {
      const auto row = scores.data<float>().subspan((head * 6 + query) * 6, 6);
      double sum = 0.0;
      for (const float weight : row) sum += static_cast<double>(weight);
      EXPECT_NEAR(sum, query < 4 ? 1.0 : 0.0, 1e-5) << query;
      EXPECT_EQ(row[4], 0.0f);
      EXPECT_EQ(row[5], 0.0f);
    }
  }
}

TEST(MultiHeadAttention, takes_an_attention_mask_as_it_takes_a_causal_one) {
  const Value x = Input({5, 4}), mask = Input({5, 5}, {.dtype = "int32"});
  const Layer attention = MultiHeadAttention(2, 3);
  const Value masked = attention({x, x}, {.attention_mask = mask});
  const Value causal = attention({x, x}, {.use_causal_mask = true});
  Model model({x, mask}, {masked, causal}, {.device = Device::cpu()});
  Tensor triangle({2, 5, 5}, DType::int32);
  for (std::size_t i = 0; i < 50; ++i) {
    triangle.data<std::int32_t>()[i] = i % 5 <= i / 5 % 5 ? 1 : 0;
  }
  const std::vector<Tensor> y =
      model.predict_outputs(std::vector<Tensor>{uniform({2, 5, 4}, 1), triangle});
  expect_near(y.at(0), y.at(1), 1e-6);
}

TEST(MultiHeadAttention, over_several_axes_is_that_over_one_long_axis) {
  const Value x = Input({3, 4, 6});
  const Layer attention = MultiHeadAttention(2, 3);
  const Value over_both = attention({x, x});
  EXPECT_EQ(over_both.shape(), Shape({Shape::kUnknown, 3, 4, 6}));
  const Layer of_rows = MultiHeadAttention(2, 3, {.attention_axes = Axes{2}});
  const std::vector<Value> rows = of_rows.call({x, x}, {.return_attention_scores = true});
  EXPECT_EQ(rows.at(1).shape(), Shape({Shape::kUnknown, 3, 2, 4, 4}));
  Model model({x}, {over_both, rows.at(0)}, {.device = Device::cpu()});
  const Tensor input = uniform({2, 3, 4, 6}, 5);

  const Value flat = Input({12, 6});
  const Layer over_one = MultiHeadAttention(2, 3);
  Model long_model({flat}, {over_one({flat, flat})}, {.device = Device::cpu()});
  const std::vector<Tensor> weights = model.get_weights();
  long_model.set_weights({weights.begin(), weights.begin() + 8});
  Tensor flat_input({2, 12, 6});
  std::ranges::copy(input.data<float>(), flat_input.data<float>().begin());
  const std::vector<Tensor> y = model.predict_outputs(std::vector<Tensor>{input});
  const Tensor expected = long_model.predict(flat_input);
  for (std::size_t i = 0; i < expected.data<float>().size(); ++i) {
    ASSERT_NEAR(y.at(0).data<float>()[i], expected.data<float>()[i], 1e-5);
  }
}

// Without heads that share keys both layers are the same.
TEST(GroupQueryAttention, with_as_many_heads_of_keys_is_multi_head_attention) {
  const Value x = Input({7, 6});
  Model grouped({x}, {GroupQueryAttention(3, 4, 4)({x, x}, {.use_causal_mask = true})},
                {.device = Device::cpu()});
  Model full({x}, {MultiHeadAttention(4, 3)({x, x}, {.use_causal_mask = true})},
             {.device = Device::cpu()});
  full.set_weights(grouped.get_weights());
  const Tensor input = uniform({3, 7, 6}, 2);
  expect_near(grouped.predict(input), full.predict(input), 1e-6);
}

TEST(Attention, zeroes_what_a_masked_query_gives) {
  const Value tokens = Input({4}, {.dtype = "int32"});
  const Value x = Embedding(5, 3, {.mask_zero = true})(tokens);
  Model model({tokens}, {Attention({.use_scale = true})({x, x})}, {.device = Device::cpu()});
  const Tensor y = model.predict(Tensor::from<std::int32_t>({1, 4}, {1, 2, 0, 0}));
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(y.data<float>()[i] == 0.0f, i >= 6) << i;
  }
}

TEST(EinsumDense, is_dense_with_the_equation_of_one) {
  const Value x = Input({5, 4});
  Model einsum({x},
               {EinsumDense("...x,xy->...y", {3}, {.activation = "tanh", .bias_axes = "y"})(x)},
               {.device = Device::cpu()});
  Model dense({x}, {Dense(3, {.activation = "tanh"})(x)}, {.device = Device::cpu()});
  dense.set_weights(einsum.get_weights());
  const Tensor input = uniform({2, 5, 4}, 3);
  expect_near(einsum.predict(input), dense.predict(input), 1e-6);
}

TEST(EinsumDense, sums_over_axes_in_any_order) {
  const Value x = Input({3, 4});
  // y[b, f, d] = sum over c of x[b, c, d] kernel[d, c, f].
  Model model({x}, {EinsumDense("bcd,dcf->bfd", {2, -1})(x)}, {.device = Device::cpu()});
  const Tensor kernel = uniform({4, 3, 2}, 8), input = uniform({2, 3, 4}, 9);
  model.set_weights({kernel});
  const Tensor y = model.predict(input);
  for (std::size_t b = 0; b < 2; ++b) {
    for (std::size_t f = 0; f < 2; ++f) {
      for (std::size_t d = 0; d < 4; ++d) {
        double sum = 0.0;
        for (std::size_t c = 0; c < 3; ++c) {
          sum += static_cast<double>(input.data<float>()[(b * 3 + c) * 4 + d]) *
                 static_cast<double>(kernel.data<float>()[(d * 3 + c) * 2 + f]);
        }
        EXPECT_NEAR(y.data<float>()[(b * 2 + f) * 4 + d], sum, 1e-6);
      }
    }
  }
}

TEST(AttentionShapes, follow_queries_and_values) {
  const Value q = Input({5, 6}), v = Input({7, 8}), k = Input({7, 6});
  const auto shape = [](std::initializer_list<std::int64_t> extents) {
    return Shape(extents).with_batch(Shape::kUnknown);
  };
  EXPECT_EQ(Attention()({q, v, k}).shape(), shape({5, 8}));
  EXPECT_EQ(AdditiveAttention()({q, v, k}).shape(), shape({5, 8}));
  EXPECT_EQ(MultiHeadAttention(2, 3)({q, v, k}).shape(), shape({5, 6}));
  EXPECT_EQ(MultiHeadAttention(2, 3, {.value_dim = 5, .output_shape = {4, 2}})({q, v}).shape(),
            shape({5, 4, 2}));
  EXPECT_EQ(GroupQueryAttention(3, 4, 2)({q, v}).shape(), shape({5, 6}));
  EXPECT_EQ(EinsumDense("abc,cde->abde", {-1, 2, 3})(q).shape(), shape({5, 2, 3}));
  EXPECT_EQ(EinsumDense("ab...,bc->ac...", {9})(q).shape(), shape({9, 6}));
}

// ---- Long sequences, precision, devices, files --------------------------------------------------
Model long_model(std::int64_t steps, ModelOptions options) {
  const Value x = Input({steps, 16});
  Value y = MultiHeadAttention(2, 8, {.dropout = 0.1})({x, x}, {.use_causal_mask = true});
  y = Dense(3)(GlobalAveragePooling1D()(y));
  Model model({x}, {y}, std::move(options));
  model.compile({.optimizer = SGD({.learning_rate = 0.01}), .loss = "mse"});
  return model;
}

TEST(AttentionMemory, does_not_hold_the_weights_of_long_sequences) {
  constexpr std::int64_t kSteps = 1024, kBatch = 2, kHeads = 2;
  Model model = long_model(kSteps, {.device = Device::cpu()});
  model.train_on_batch(uniform({kBatch, kSteps, 16}, 1), uniform({kBatch, 3}, 2));
  const std::int64_t weights = kBatch * kHeads * kSteps * kSteps * 4;
  const std::int64_t values = kBatch * kSteps * 16 * 4;
  EXPECT_LT(model.memory_report().arena, weights / 4);
  EXPECT_LT(model.memory_report().arena, 20 * values);
}

TEST(AttentionPrecision, trains_in_sixteen_bits_on_every_device) {
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    for (const char* policy : {"float32", "mixed_bfloat16", "mixed_float16"}) {
      SCOPED_TRACE(policy);
      Model model = long_model(65, {.device = device, .dtype_policy = policy});
      for (const std::int64_t batch : {1, 3}) {
        const Tensor x = uniform({batch, 65, 16}, 1), y = uniform({batch, 3}, 2);
        const double before = model.test_on_batch(x, y).loss();
        for (int i = 0; i < 20; ++i) model.train_on_batch(x, y);
        EXPECT_LT(model.test_on_batch(x, y).loss(), before);
      }
    }
  }
}

TEST(AttentionConfig, of_a_model_has_what_calls_pass_by_name) {
  const Value x = Input({5, 4}, {.name = "x"}), mask = Input({5, 5}, {.name = "mask"});
  const Value steps = Input({5}, {.name = "steps"});
  const std::vector<Value> y = MultiHeadAttention(2, 3, {.name = "m"})
                                   .call({x, x}, {.use_causal_mask = true,
                                                  .return_attention_scores = true,
                                                  .attention_mask = mask,
                                                  .value_mask = steps});
  const Value z = Attention({.name = "a"})({y[0], x}, {.value_mask = steps});
  Model model({x, mask, steps}, {z, y[1]}, {.device = Device::cpu()});
  const Config config = model.config();
  Model again = Model::from_config(config, {.device = Device::cpu()});
  EXPECT_EQ(again.config(), config);
  again.set_weights(model.get_weights());
  const std::vector<Tensor> input{uniform({2, 5, 4}, 1), Tensor::full({2, 5, 5}, 1.0f),
                                  Tensor::full({2, 5}, 1.0f)};
  expect_near(model.predict_outputs(input).at(0), again.predict_outputs(input).at(0), 0.0);
  for (const Config& layer : config["config"]["layers"].list_items()) {
    if (layer["name"] == Config("m")) {
      const Config& named = layer["inbound_nodes"].at(0)["kwargs"];
      EXPECT_EQ(named["use_causal_mask"], Config(true));
      EXPECT_EQ(named["attention_mask"]["config"]["keras_history"].at(0), Config("mask"));
    }
    if (layer["name"] == Config("a")) {
      const Config& masks = layer["inbound_nodes"].at(0)["kwargs"]["mask"];
      ASSERT_EQ(masks.size(), 2u);
      EXPECT_TRUE(masks.at(0).is_null());
    }
  }
}

TEST(AttentionErrors, say_what_does_not_fit) {
  const Value q = Input({5, 6}), v = Input({7, 8}), image = Input({5, 5, 6});
  EXPECT_TRUE(contains(
      message_of<ShapeError>([&] {
        Attention({.name = "a"})({q, v});
      }),
      "Attention \"a\": expected a query (batch, queries, features), a value (batch, keys, ..) and "
      "a key (batch, keys, features), received (None, 5, 6), (None, 7, 8) and (None, 7, 8)"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] { Attention({.name = "a"})(q); }),
                       "Attention \"a\": expected a query and a value, or a query, a value and a "
                       "key, received 1 input"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         MultiHeadAttention(2, 3)({q, image});
                       }),
                       "received (None, 5, 6), (None, 5, 5, 6) and (None, 5, 5, 6)"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         MultiHeadAttention(2, 3)({q, v}, {.attention_mask = v});
                       }),
                       "expected an attention_mask for scores (None, 2, 5, 7) (batch, heads, "
                       "queries, keys), or without heads, received one of (None, 7, 8)"));
  EXPECT_TRUE(contains(
      message_of<ValueError>([&] { Dense(2, {.name = "d"})(q, {.use_causal_mask = true}); }),
      "Dense \"d\": calls of this layer take no use_causal_mask"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { MultiHeadAttention(0, 3); }),
                       "MultiHeadAttention: expected num_heads of 1 or more, received 0"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { MultiHeadAttention(1, 3, {.dropout = 1.0}); }),
                       "dropout"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { GroupQueryAttention(3, 4, 3); }),
                       "expected num_query_heads that is a multiple of num_key_value_heads, "
                       "received 4 and 3"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { Attention({.score_mode = "cosine"}); }),
                       "expected score_mode \"dot\" or \"concat\", received \"cosine\""));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { EinsumDense("ab,bc", {3}, {.name = "e"})(q); }),
                       "EinsumDense \"e\": expected an equation such as \"ab,bc->ac\", received "
                       "\"ab,bc\""));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] { EinsumDense("ab,bc->ac", {3})(q); }),
                       "expected an input of rank 2 for \"ab,bc->ac\", received (None, 5, 6)"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         EinsumDense("abc,cd->abd", {-1, -1})(q);
                       }),
                       "expected an output_shape with the extent of the new axis \"d\""));
}

}  // namespace
}  // namespace stoker
