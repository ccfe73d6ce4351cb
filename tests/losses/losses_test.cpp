// Losses before anything runs: names, shapes, and what they say to labels that do not fit.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "losses/loss.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using losses::compute;
using test::message_of;

graph::Value leaf(graph::Graph& graph, Shape shape, DType dtype = DType::float32) {
  return graph.leaf("x", {dtype, shape}, {graph::Space::input, 0, 0});
}

std::string shape_of_values(const Loss& loss, Shape y_true, DType dtype, Shape y_pred) {
  graph::Graph graph;
  const graph::Value labels = leaf(graph, y_true, dtype);
  return to_string(loss.base()->values(labels, leaf(graph, y_pred)).shape());
}

TEST(Losses, give_one_value_for_each_element_of_the_batch) {
  const Loss sparse = SparseCategoricalCrossentropy();
  EXPECT_EQ(shape_of_values(sparse, {4}, DType::int32, {4, 10}), "(4,)");
  EXPECT_EQ(shape_of_values(sparse, {4, 1}, DType::int32, {4, 10}), "(4,)");
  EXPECT_EQ(shape_of_values(sparse, {4, 1}, DType::float32, {4, 10}), "(4,)");
  EXPECT_EQ(shape_of_values(sparse, {4}, DType::uint8, {4, 10}), "(4,)");
  EXPECT_EQ(shape_of_values(sparse, {4, 5}, DType::int32, {4, 5, 10}), "(4, 5)");
  EXPECT_EQ(shape_of_values(sparse, {4, 5, 1}, DType::int32, {4, 5, 10}), "(4, 5)");
  EXPECT_EQ(shape_of_values(SparseCategoricalCrossentropy({.ignore_class = 255}), {4, 5},
                            DType::uint8, {4, 5, 10}),
            "(4, 5)");
  for (const char* name : {"categorical_crossentropy", "binary_crossentropy", "mse", "mae"}) {
    EXPECT_EQ(shape_of_values(name, {4, 3}, DType::int32, {4, 3}), "(4,)") << name;
    EXPECT_EQ(shape_of_values(name, {4, 5, 3}, DType::float32, {4, 5, 3}), "(4, 5)") << name;
  }
  // Keras brings ranks together that differ by an axis of 1.
  EXPECT_EQ(shape_of_values("mse", {4}, DType::float32, {4, 1}), "(4,)");
  EXPECT_EQ(shape_of_values("mse", {4, 5, 1}, DType::float32, {4, 5}), "(4,)");
}

TEST(Losses, can_be_checked_before_the_batch_is_known) {
  const std::int64_t none = Shape::kUnknown;
  EXPECT_EQ(shape_of_values(SparseCategoricalCrossentropy({.from_logits = true}), {none, 5},
                            DType::int32, {none, 5, 10}),
            "(None, 5)");
  EXPECT_EQ(shape_of_values("mse", {none, 3}, DType::float32, {none, 3}), "(None,)");
}

TEST(Losses, reduce_to_a_single_value_unless_told_otherwise) {
  for (const char* reduction : {"sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"}) {
    graph::Graph graph;
    const graph::Value loss = compute(*MeanSquaredError({reduction}).base(), leaf(graph, {4, 5, 3}),
                                      leaf(graph, {4, 5, 3}), leaf(graph, {4, 5}));
    EXPECT_EQ(to_string(loss.shape()), "()") << reduction;
  }
  graph::Graph graph;
  const Loss none = MeanSquaredError({"none"});
  const graph::Value y = leaf(graph, {4, 5, 3});
  EXPECT_EQ(to_string(compute(*none.base(), y, y, {}).shape()), "(4, 5)");
  // A weight for each sample goes with all of its values.
  EXPECT_EQ(to_string(compute(*none.base(), y, y, leaf(graph, {4})).shape()), "(4, 5)");
  EXPECT_EQ(to_string(compute(*none.base(), y, y, leaf(graph, {4, 1})).shape()), "(4, 5)");
}

TEST(Losses, deliver_class_numbers_as_int32) {
  EXPECT_EQ(Loss("sparse_categorical_crossentropy").base()->label_dtype(), DType::int32);
  EXPECT_EQ(Loss("categorical_crossentropy").base()->label_dtype(), DType::float32);
}

TEST(Losses, go_by_keras_names) {
  EXPECT_EQ(Loss("mse").base()->name(), "mean_squared_error");
  EXPECT_EQ(Loss("MAE").base()->name(), "mean_absolute_error");
  EXPECT_EQ(Loss("bce").base()->name(), "binary_crossentropy");
  EXPECT_EQ(Loss("CategoricalCrossentropy").base()->name(), "categorical_crossentropy");
  EXPECT_EQ(Loss("mse").base()->reduction(), "sum_over_batch_size");
  EXPECT_FALSE(Loss());
  const std::string message = message_of<ValueError>([] { Loss("squared"); });
  EXPECT_TRUE(message.starts_with(
      "Loss: there is none named \"squared\"; known are sparse_categorical_crossentropy, "
      "categorical_crossentropy, binary_crossentropy, mean_squared_error, mean_absolute_error, "))
      << message;
}

struct MismatchCase {
  Loss loss;
  Shape y_true;
  Shape y_pred;
  const char* message;
};

TEST(Losses, name_the_shapes_of_labels_that_do_not_fit) {
  const std::vector<MismatchCase> cases{
      {"sparse_categorical_crossentropy",
       {8, 10},
       {8, 10},
       "loss \"sparse_categorical_crossentropy\": expected class numbers of shape (8,), one for "
       "each "
       "prediction of (8, 10), received labels of (8, 10). One-hot labels go with the categorical "
       "losses and metrics"},
      {"sparse_categorical_crossentropy",
       {7},
       {8, 10},
       "loss \"sparse_categorical_crossentropy\": expected class numbers of shape (8,), one for "
       "each "
       "prediction of (8, 10), received labels of (7,)"},
      {"categorical_crossentropy",
       {8},
       {8, 10},
       "loss \"categorical_crossentropy\": expected labels of the predictions' shape (8, 10), "
       "received (8,). Class numbers go with the sparse losses and metrics"},
      {"mse",
       {8, 3},
       {8, 1},
       "loss \"mean_squared_error\": expected labels of the predictions' shape (8, 1), received "
       "(8, "
       "3)"},
  };
  for (const MismatchCase& test : cases) {
    graph::Graph graph;
    const graph::Value labels = leaf(graph, test.y_true);
    const graph::Value predictions = leaf(graph, test.y_pred);
    EXPECT_EQ(message_of<ShapeError>([&] { compute(*test.loss.base(), labels, predictions, {}); }),
              test.message);
  }
}

TEST(Losses, name_the_shapes_of_weights_that_do_not_fit) {
  graph::Graph graph;
  const graph::Value y = leaf(graph, {8, 5, 3});
  EXPECT_EQ(message_of<ShapeError>([&] { compute(*Loss("mse").base(), y, y, leaf(graph, {5})); }),
            "loss \"mean_squared_error\": expected sample weights that fit the loss of each "
            "element, (8, 5), received (5,)");
}

TEST(Losses, name_the_option_that_is_out_of_range) {
  EXPECT_EQ(message_of<ValueError>([] { MeanSquaredError({"average"}); }),
            "loss \"mean_squared_error\": expected the reduction sum_over_batch_size, sum, none, "
            "mean or mean_with_sample_weight, received \"average\"");
  EXPECT_EQ(message_of<ValueError>([] { BinaryCrossentropy({.label_smoothing = 1.5}); }),
            "BinaryCrossentropy: expected label_smoothing in [0, 1], received 1.5");
}

// Whether the loss reads `logits` rather than what an activation made of them.
bool reads_logits(const Loss& loss, Shape labels, Shape rows, Shape predictions,
                  graph::Value (*activation)(graph::Value)) {
  graph::Graph graph;
  const graph::Value logits = leaf(graph, rows);
  const graph::Value activated = ops::reshape(activation(logits), predictions);
  const std::size_t before = graph.nodes().size();
  compute(*loss.base(), leaf(graph, labels), activated, {});
  bool found = false;
  for (std::size_t i = before; i < graph.nodes().size(); ++i) {
    for (const auto input : graph.nodes()[i].inputs) found = found || input == logits.id;
  }
  return found;
}

graph::Value sigmoid_of(graph::Value x) {
  return ops::map(x, [](graph::Expr v) { return sigmoid(v); });
}
graph::Value half_of_sigmoid(graph::Value x) {
  return ops::map(x, [](graph::Expr v) { return sigmoid(v) * 0.5f; });
}

TEST(Losses, start_from_the_logits_of_the_activation_that_made_the_probabilities) {
  const Loss sparse = SparseCategoricalCrossentropy();
  EXPECT_TRUE(reads_logits(sparse, {4}, {4, 3}, {4, 3}, ops::softmax));
  EXPECT_TRUE(reads_logits(sparse, {4, 2}, {8, 3}, {4, 2, 3}, ops::softmax));
  EXPECT_TRUE(reads_logits(CategoricalCrossentropy(), {4, 3}, {4, 3}, {4, 3}, ops::softmax));
  EXPECT_TRUE(reads_logits(BinaryCrossentropy(), {4, 3}, {4, 3}, {4, 3}, sigmoid_of));
  EXPECT_FALSE(reads_logits(sparse, {4}, {4, 3}, {4, 3}, ops::log_softmax));
  EXPECT_FALSE(reads_logits(BinaryCrossentropy(), {4, 3}, {4, 3}, {4, 3}, half_of_sigmoid));
  // The caller's word stands.
  EXPECT_FALSE(
      reads_logits(BinaryCrossentropy({.from_logits = true}), {4, 3}, {4, 3}, {4, 3}, sigmoid_of));
}

}  // namespace
}  // namespace stoker
