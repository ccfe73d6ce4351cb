// Class numbers that come as float32, as a source of floats delivers them.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/node_run.h"

namespace stoker::test {
namespace {

struct Labels {
  graph::Graph graph;
  graph::Value logits = graph.leaf("logits", {DType::float32, {4, 3}}, {});
  graph::Value labels;
  std::vector<float> loss, gradient;
  plan::Scalars scalars;

  template <class T>
  explicit Labels(const std::vector<T>& given)
      : labels(graph.leaf("labels", {dtype_of<T>, {4}}, {})) {
    ops::softmax_cross_entropy(logits, labels);
    NodeRun run(graph);
    run.set(logits, std::vector<float>{1, 2, 3, 0, -1, 4, 2, 2, 2, 5, 0, -5});
    run.set(labels, given);
    run.run();
    const auto& outputs = graph.nodes().back().outputs;
    loss = run.get(graph.value(outputs[0]));
    gradient = run.get(graph.value(outputs[1]));
    scalars = run.scalars;
  }
};

TEST(FloatLabels, give_what_the_same_int32_labels_give) {
  const Labels floats(std::vector<float>{0.0f, 2.0f, 1.0f, 2.5f});
  const Labels integers(std::vector<std::int32_t>{0, 2, 1, 2});
  EXPECT_EQ(floats.loss, integers.loss);
  EXPECT_EQ(floats.gradient, integers.gradient);
  EXPECT_EQ(floats.scalars.error, plan::StepError::none);
}

TEST(FloatLabels, are_recorded_when_they_are_no_class) {
  for (const float bad : {-0.5f, 3.0f, 1e20f, -1e20f, std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    const Labels run(std::vector<float>{0.0f, 1.0f, bad, 2.0f});
    EXPECT_EQ(run.scalars.error, plan::StepError::label_out_of_range) << bad;
    EXPECT_EQ(run.scalars.error_row, 2) << bad;
    EXPECT_EQ(run.loss[2], 0.0f) << bad;
  }
}

}  // namespace
}  // namespace stoker::test
