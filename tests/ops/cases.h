// The harness's table: every op of ops.def has a list of cases, defined beside that op's own tests.
// One that is missing is a link error; op_table_test.cpp runs them all.
#pragma once

#include <ostream>
#include <span>
#include <utility>
#include <vector>

#include "ops/ops.h"
#include "support/op_harness.h"

namespace stoker::cases {

using test::OpCase;
using test::OpInput;
using test::Tensors;
using test::Values;

#define STOKER_OP(name) std::vector<OpCase> name##_cases();
#include "ops/ops.def"
#undef STOKER_OP

struct Entry {
  const char* op;
  std::vector<OpCase> (*cases)();
};
inline void PrintTo(const Entry& entry, std::ostream* out) { *out << entry.op; }  // for gtest
// In the order of ops.def.
std::span<const Entry> all_cases();

inline OpInput uniform(Shape shape, double low = -1.0, double high = 1.0) {
  return {.shape = shape, .low = low, .high = high};
}
inline OpInput whole(Shape shape, DType dtype, double low, double high) {
  return {.shape = shape, .dtype = dtype, .low = low, .high = high};
}
inline OpInput spread(Shape shape, double low = -1.0, double high = 1.0) {
  return {.shape = shape, .low = low, .high = high, .spread = true};
}
inline OpInput given(Shape shape, Values values, DType dtype = DType::float32) {
  return {.shape = shape, .dtype = dtype, .given = std::move(values)};
}

inline std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }

}  // namespace stoker::cases
