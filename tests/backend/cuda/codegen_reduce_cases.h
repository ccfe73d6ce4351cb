// Reductions for the tests of generated code: codegen_cases.h.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/codegen_case.h"

namespace stoker::test {

struct ReduceShape {
  Shape shape;
  std::vector<std::int64_t> axes;
};

inline std::vector<ReduceShape> reduce_shapes() {
  return {{{1}, {0}},
          {{}, {}},
          {{7}, {0}},
          {{1000}, {0}},
          {{30'001}, {0}},
          {{70'001}, {0}},
          {{5, 3}, {}},
          {{5, 3}, {0, 1}},
          {{1000, 3}, {0}},
          {{5, 200}, {0}},
          {{20'000, 10}, {0}},
          {{4099, 32}, {0}},
          {{1030, 127}, {0}},
          {{37, 2000}, {0}},
          {{3, 9000}, {0}},
          {{1, 40}, {0}},
          {{40, 1}, {0}},
          {{1000, 10}, {1}},
          {{33, 2049}, {1}},
          {{3, 20'000}, {1}},
          {{4, 7, 7, 33}, {1, 2}},
          {{3, 2000, 6}, {1}},
          {{2, 9, 9, 64}, {0, 1, 2}},
          {{6, 5, 4, 3}, {0, 2}},
          {{6, 5, 4, 3}, {1, 3}},
          {{40, 30, 20, 7}, {0, 2}},
          {{40, 20, 30, 8}, {1, 3}},
          {{3, 4, 900}, {0, 2}},
          {{700, 3, 12}, {1}},
          {{6, 1, 4, 1}, {1, 2}},
          {{6, 5, 4, 3, 2}, {0, 2, 4}},
          {{0, 3}, {0}},
          {{0, 3}, {1}},
          {{4, 0, 3}, {1}},
          {{3, 0}, {1}}};
}

inline void add_reductions(LaunchCases& cases) {
  using ops::ReduceKind;
  for (const ReduceShape& r : reduce_shapes()) {
    LaunchCase& c = add_case(cases, "reduce " + to_string(r.shape));
    const Value x = c.leaf(r.shape);
    c.fill(x);
    std::vector<Value> inputs{x};
    Expression e;
    const Expr first{&e, e.input(0)};
    if (r.shape.rank() > 0) {
      inputs.push_back(c.leaf({r.shape.back()}));
      c.fill(inputs.back(), 1.0f, 3);
      e.add_output(square(first - Expr{&e, e.input(1)} * 0.5f).id);
    } else {
      e.add_output(exp(first).id);
    }
    ops::reduce(ReduceKind::sum, inputs, e, r.axes, true, 0.3f);
    ops::reduce(cases.size() % 2 == 0 ? ReduceKind::max : ReduceKind::min, x, r.axes, false, 0.5f);
  }
  // NaN and infinities go through; the rest stays.
  for (const ReduceShape& r : std::vector<ReduceShape>{
           {{30'001}, {0}}, {{20, 24}, {1}}, {{5000, 12}, {0}}, {{6, 5, 4, 3}, {1, 3}}}) {
    LaunchCase& c = add_case(cases, "reduce not-a-number in " + to_string(r.shape));
    const Value x = c.leaf(r.shape), y = c.leaf(r.shape);
    auto values = noise(static_cast<std::size_t>(r.shape.elements()));
    std::vector<double> with_nan(values.begin(), values.end()), with_infinity = with_nan;
    with_nan[with_nan.size() / 2] = std::nan("");
    with_infinity[with_infinity.size() / 3] = std::numeric_limits<double>::infinity();
    c.set(x, with_nan);
    c.set(y, with_infinity);
    for (const ReduceKind kind : {ReduceKind::sum, ReduceKind::max, ReduceKind::min}) {
      ops::reduce(kind, x, r.axes);
      ops::reduce(kind, y, r.axes);
    }
  }
  LaunchCase& hits = add_case(cases, "counts equal labels");
  const Value a = hits.leaf({5000, 1}, DType::int32), b = hits.leaf({5000, 1}, DType::uint8);
  std::vector<double> labels;
  for (int i = 0; i < 5000; ++i) labels.push_back(i % 10);
  hits.set(a, labels);
  for (double& label : labels) label = std::fmod(label, 5.0);
  hits.set(b, labels);
  Expression e;
  e.add_output(equal(Expr{&e, e.input(0)}, Expr{&e, e.input(1)}).id);
  ops::reduce(ReduceKind::sum, {a, b}, e, {0});
}

// The same number again and again: a running float32 sum would drift by percents.
inline void add_long_sums(LaunchCases& cases) {
  for (const ReduceShape& r :
       std::vector<ReduceShape>{{{200'000}, {0}}, {{50'000, 4}, {0}}, {{20'000, 10}, {0}}}) {
    LaunchCase& c = add_case(cases, "long sum over " + to_string(r.shape));
    c.ulps = 8.0;
    const bool is_row = r.shape.rank() == 1;
    const Value x = c.leaf({is_row ? 1 : r.shape[1]});
    const Value y = c.leaf(is_row ? r.shape : Shape{r.shape[0], 1}, DType::uint8);
    c.set(x, std::vector<double>(static_cast<std::size_t>(x.shape().elements()), 0.1f));
    Expression e;
    e.add_output((Expr{&e, e.input(0)} + Expr{&e, e.input(1)}).id);
    ops::reduce(ops::ReduceKind::sum, {x, y}, e, r.axes, false, 1e-5f);
  }
}

}  // namespace stoker::test
