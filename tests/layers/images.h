// Runs layers for images on given ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "layers/layer.h"
#include "support/op_harness.h"

namespace stoker::test {

class Context final : public layers::BuildContext {
 public:
  Context(graph::Graph& graph, bool training) : graph_(graph), training_(training) {}

  graph::Graph& graph() override { return graph_; }
  bool training() const override { return training_; }
  DType compute_dtype() const override { return DType::float32; }
  graph::Value weight(const layers::WeightSpec&) override { return {}; }
  void update(const layers::WeightSpec&, graph::Value) override {}
  void add_loss(graph::Value) override {}
  // Parts of a layer have streams of their own.
  std::uint32_t random_stream(std::uint32_t purpose) override {
    std::uint32_t place = 0;
    for (const Frame& frame : frames()) place = place * 4096 + frame.number;
    return 7 + purpose + 65536 * place;
  }

 private:
  graph::Graph& graph_;
  bool training_;
};

struct Images {
  Shape shape;
  Values values;

  // An image of the batch.
  Values image(std::int64_t n) const {
    const auto elements = static_cast<std::ptrdiff_t>(shape.elements() / shape[0]);
    return {values.begin() + n * elements, values.begin() + (n + 1) * elements};
  }
};

// What the layer makes of its inputs, in a step of that number.
inline std::vector<Images> run(const Layer& layer, const std::vector<Images>& inputs,
                               bool training = true, std::uint32_t step = 0) {
  std::vector<Images> results;
  OpCase c;
  for (const Images& input : inputs) {
    c.inputs.push_back({.shape = input.shape, .given = input.values});
  }
  c.build = [&](graph::Graph& graph, std::span<const graph::Value> in) {
    Context context(graph, training);
    std::vector<layers::MaskedValue> values;
    for (const graph::Value& value : in) values.push_back({value});
    std::vector<graph::Value> outputs;
    results.clear();
    for (const layers::MaskedValue& output : context.call(*layer.base(), values)) {
      outputs.push_back(output.value);
      results.push_back({output.value.shape(), {}});
    }
    return outputs;
  };
  RunOptions options;
  options.scalars.step = step;
  const OpRun made = run_case(c, options);
  for (std::size_t i = 0; i < results.size(); ++i) results[i].values = made.outputs[i];
  return results;
}

inline Images run(const Layer& layer, const Images& images, bool training = true,
                  std::uint32_t step = 0) {
  return run(layer, std::vector{images}, training, step).at(0);
}

// The same image `batch` times: element (row, column, channel) is a number of its own.
inline Images same(std::int64_t batch, std::int64_t height, std::int64_t width,
                   std::int64_t channels) {
  Images images{{batch, height, width, channels}, {}};
  for (std::int64_t n = 0; n < batch; ++n) {
    for (std::int64_t i = 0; i < height * width * channels; ++i) {
      images.values.push_back(static_cast<double>(i + 1));
    }
  }
  return images;
}

}  // namespace stoker::test
