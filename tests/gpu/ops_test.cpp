// Every case of every op as a test of its own, so that a run tells which have been proven: the
// first run of each goes launch by launch, the second as a captured graph, and both must agree.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "ops/cases.h"
#include "support/device_under_test.h"

namespace stoker {
namespace {

struct Named {
  std::string name;  // matmul_3
  test::OpCase c;
};
void PrintTo(const Named& named, std::ostream* out) { *out << named.c.name; }  // for gtest

std::vector<Named> every_case() {
  std::vector<Named> all;
  for (const cases::Entry& entry : cases::all_cases()) {
    int number = 0;
    for (auto& c : entry.cases()) {
      all.push_back({std::string(entry.op) + "_" + std::to_string(number++), std::move(c)});
    }
  }
  return all;
}

bool is_tf32() {
  const char* value = std::getenv("STOKER_TF32");
  return value == nullptr || std::string_view(value) != "0";
}

class GpuOp : public testing::TestWithParam<Named> {
 protected:
  // TF32 keeps 10 bits of an operand's fraction: half a unit of the last one is 2^-11.
  void SetUp() override { test::device_under_test().operand_rounding = is_tf32() ? 0x1p-11 : 0.0; }
  void TearDown() override { test::device_under_test().operand_rounding = 0.0; }

  // TF32 may move a result across relu's corner, and then there is another gradient.
  static bool has_a_corner() {
    return is_tf32() && GetParam().c.name.find("relu") != std::string::npos;
  }
};

// The cases name the ops that the CPU's passes leave.
test::OpCase on_any_backend(test::OpCase c) {
  c.fused.clear();
  return c;
}

TEST_P(GpuOp, forward) { test::check_forward(on_any_backend(GetParam().c)); }

TEST_P(GpuOp, backward) {
  const test::OpCase& c = GetParam().c;
  if (c.differentiable_outputs == 0) GTEST_SKIP() << "has no gradient";
  if (has_a_corner()) GTEST_SKIP() << "TF32 and a relu";
  test::check_gradients(c);
}

TEST_P(GpuOp, unfused) {
  if (has_a_corner()) GTEST_SKIP() << "TF32 and a relu";
  test::check_unfused(GetParam().c);
}

INSTANTIATE_TEST_SUITE_P(Gpu, GpuOp, testing::ValuesIn(every_case()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stoker
