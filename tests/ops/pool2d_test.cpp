// Ops pool2d and pool2d_backward.
#include <gtest/gtest.h>

#include <limits>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::given;
using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Graph;
using graph::Value;
using ops::PoolKind;
using Pair = std::array<std::int64_t, 2>;

struct Pooling {
  const char* name = "";
  Shape x;
  Pair window{2, 2}, strides{2, 2}, before{0, 0}, after{0, 0};

  std::int64_t extent(std::size_t d) const {
    return (x[d + 1] + before[d] + after[d] - window[d]) / strides[d] + 1;
  }
  Shape y() const { return {x[0], extent(0), extent(1), x[3]}; }
  ops::Pool2DAttributes attributes(PoolKind kind) const {
    ops::Pool2DAttributes a;
    a.kind = kind;
    a.window = window;
    a.strides = strides;
    a.padding_before = before;
    a.padding_after = after;
    return a;
  }
};

// Calls f with the index in y and in x, and the place in the window, of every element that a window
// covers, window by window.
template <class F>
void for_each_element(const Pooling& p, const F& f) {
  const Shape y = p.y();
  std::size_t at = 0;
  for (std::int64_t n = 0; n < y[0]; ++n) {
    for (std::int64_t row = 0; row < y[1]; ++row) {
      for (std::int64_t column = 0; column < y[2]; ++column) {
        for (std::int64_t c = 0; c < y[3]; ++c, ++at) {
          for (std::int64_t i = 0; i < p.window[0]; ++i) {
            const std::int64_t h = row * p.strides[0] + i - p.before[0];
            for (std::int64_t j = 0; j < p.window[1]; ++j) {
              const std::int64_t w = column * p.strides[1] + j - p.before[1];
              if (h < 0 || h >= p.x[1] || w < 0 || w >= p.x[2]) continue;
              f(at, size(((n * p.x[1] + h) * p.x[2] + w) * p.x[3] + c), i * p.window[1] + j);
            }
          }
        }
      }
    }
  }
}

struct Maxima {
  Values y, argmax;
};

Maxima maxima(const Pooling& p, const Values& x) {
  const std::size_t count = size(p.y().elements());
  Maxima m{Values(count, -std::numeric_limits<double>::infinity()), Values(count)};
  for_each_element(p, [&](std::size_t to, std::size_t from, std::int64_t place) {
    if (x[from] <= m.y[to]) return;
    m.y[to] = x[from];
    m.argmax[to] = static_cast<double>(place);
  });
  return m;
}

// dy over the number of elements that each window covers, or dy where the maximum stood.
Values spread_back(const Pooling& p, const Values& dy, const Values* argmax) {
  Values counts(dy.size());
  for_each_element(p, [&](std::size_t to, std::size_t, std::int64_t) { counts[to] += 1.0; });
  Values dx(size(p.x.elements()));
  for_each_element(p, [&](std::size_t to, std::size_t from, std::int64_t place) {
    if (argmax == nullptr) dx[from] += dy[to] / counts[to];
    if (argmax != nullptr && (*argmax)[to] == static_cast<double>(place)) dx[from] += dy[to];
  });
  return dx;
}

const std::vector<Pooling>& poolings() {
  static const std::vector<Pooling> all{
      {.name = "2x2", .x = {2, 4, 6, 3}},
      {.name = "2x2 with a rest", .x = {2, 5, 7, 1}},
      {.name = "overlapping", .x = {2, 6, 7, 4}, .window = {3, 3}, .strides = {1, 2}},
      {.name = "same, padded behind only",
       .x = {1, 5, 5, 2},
       .window = {2, 2},
       .strides = {2, 2},
       .after = {1, 1}},
      {.name = "overlapping, padded unevenly",
       .x = {2, 5, 6, 3},
       .window = {3, 4},
       .strides = {2, 1},
       .before = {1, 1},
       .after = {0, 2}},
      {.name = "gaps between windows", .x = {1, 7, 8, 5}, .window = {1, 2}, .strides = {3, 4}},
      {.name = "over everything", .x = {3, 5, 4, 7}, .window = {5, 4}, .strides = {5, 4}},
      {.name = "one element", .x = {2, 3, 3, 2}, .window = {1, 1}, .strides = {1, 1}},
      {.name = "15x17, the most whose places are bytes",
       .x = {1, 17, 18, 2},
       .window = {15, 17},
       .strides = {1, 1}},
      {.name = "16x16, whose places are no bytes",
       .x = {2, 18, 17, 3},
       .window = {16, 16},
       .strides = {1, 1}},
      {.name = "a long row, padded",
       .x = {2, 1, 700, 5},
       .window = {1, 300},
       .strides = {1, 250},
       .before = {0, 25},
       .after = {0, 75}},
      {.name = "a layer of a CNN", .x = {16, 26, 26, 32}},
  };
  return all;
}

OpCase max_pooling(const Pooling& p) {
  OpCase c;
  c.name = format("max ", p.name);
  c.inputs = {cases::spread(p.x, -100.0, 100.0)};
  c.build = [p](Graph& graph, std::span<const Value> in) {
    const Value y = ops::pool2d(in[0], p.attributes(PoolKind::max));
    return std::vector{y, graph.value(graph.nodes().back().outputs[1])};
  };
  c.reference = [p](const Tensors& in) -> Tensors {
    const Maxima m = maxima(p, in[0]);
    return {m.y, m.argmax};
  };
  c.terms = 0.0;
  c.magnitude = 0.0;
  const auto overlap = static_cast<double>(p.window[0] * p.window[1]);
  c.gradient_terms = overlap;
  c.gradient_magnitude = 1.5 * overlap;
  if (p.x.elements() > 10'000) c.samples = 4;
  return c;
}

OpCase average_pooling(const Pooling& p) {
  OpCase c;
  c.name = format("average ", p.name);
  c.inputs = {uniform(p.x)};
  c.build = [p](Graph&, std::span<const Value> in) {
    return std::vector{ops::pool2d(in[0], p.attributes(PoolKind::average))};
  };
  c.reference = [p](const Tensors& in) -> Tensors {
    const std::size_t count = size(p.y().elements());
    Values sums(count), counts(count);
    for_each_element(p, [&](std::size_t to, std::size_t from, std::int64_t) {
      sums[to] += in[0][from];
      counts[to] += 1.0;
    });
    for (std::size_t i = 0; i < count; ++i) sums[i] /= counts[i];
    return {sums};
  };
  c.terms = static_cast<double>(p.window[0] * p.window[1] + 1);
  c.gradient_terms = c.terms;
  if (p.x.elements() > 10'000) c.samples = 4;
  return c;
}

OpCase tied(const char* name, const Pooling& p, double value) {
  OpCase c = max_pooling(p);
  c.name = name;
  c.inputs = {given(p.x, Values(size(p.x.elements()), value))};
  c.differentiable_outputs = 0;  // there is no derivative
  return c;
}

OpCase backward(const Pooling& p, PoolKind kind) {
  OpCase c;
  c.name = format(kind == PoolKind::max ? "max " : "average ", p.name);
  c.inputs = {uniform(p.y())};
  if (kind == PoolKind::max) {
    const Values x = test::draw_inputs(max_pooling(p))[0];
    const bool is_wide = p.window[0] * p.window[1] > 255;
    c.inputs.push_back(given(p.y(), maxima(p, x).argmax, is_wide ? DType::int32 : DType::uint8));
  }
  c.build = [p, kind](Graph&, std::span<const Value> in) {
    return std::vector{ops::pool2d_backward(in[0], kind == PoolKind::max ? in[1] : Value{}, p.x,
                                            p.attributes(kind))};
  };
  c.reference = [p, kind](const Tensors& in) -> Tensors {
    return {spread_back(p, in[0], kind == PoolKind::max ? &in[1] : nullptr)};
  };
  c.terms = static_cast<double>(p.window[0] * p.window[1] + 1);
  c.differentiable_outputs = 0;
  return c;
}

}  // namespace

std::vector<OpCase> cases::pool2d_cases() {
  std::vector<OpCase> all;
  for (const Pooling& p : poolings()) {
    all.push_back(max_pooling(p));
    all.push_back(average_pooling(p));
  }
  all.push_back(tied("max of equals: the first", poolings()[2], 0.25));
  // As a relu leaves behind; with padding, the first that is no padding.
  all.push_back(tied("max of zeros beside padding", poolings()[4], 0.0));
  all.push_back(tied("max of negatives beside padding", poolings()[4], -3.0));
  return all;
}

std::vector<OpCase> cases::pool2d_backward_cases() {
  std::vector<OpCase> all;
  for (const Pooling& p : poolings()) {
    all.push_back(backward(p, PoolKind::max));
    all.push_back(backward(p, PoolKind::average));
  }
  return all;
}

namespace {

TEST(Pool2D, gives_the_whole_gradient_to_the_first_of_equals) {
  const Pooling p{.name = "", .x = {1, 2, 4, 1}};
  const OpCase c = tied("", p, 1.0);
  OpCase differentiated = c;
  differentiated.differentiable_outputs = 1;
  const auto run = test::run_case(differentiated, {.gradients = true});
  const Values& dx = run.gradients[0];
  for (const std::size_t first : {0, 2}) EXPECT_NE(dx[first], 0.0) << first;
  for (const std::size_t later : {1, 3, 4, 5, 6, 7}) EXPECT_EQ(dx[later], 0.0) << later;
}

TEST(Pool2D, names_a_window_that_does_not_fit) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3, 5, 1}}, {});
  const graph::Scope scope(graph, {graph::Origin::Kind::layer, "MaxPooling2D \"pool\""});
  ops::Pool2DAttributes attributes;
  attributes.window = {4, 2};
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::pool2d(x, attributes); }),
            "MaxPooling2D \"pool\": window (4, 2) does not fit input (2, 3, 5, 1)");
}

}  // namespace
}  // namespace stoker
