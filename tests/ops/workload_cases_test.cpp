// The cases that ops_bench times: each one runs, is what it is named after, and gives numbers.
#include "ops/workload_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace stoker {
namespace {

TEST(WorkloadCases, run_their_op_and_give_finite_numbers) {
  for (const auto& [op, c] : cases::workload_cases()) {
    SCOPED_TRACE(op + " " + c.name);
    const test::OpRun run = test::run_case(c, {.threads = 2});
    EXPECT_EQ(run.ops, std::vector{op}) << run.dump;
    for (const test::Values& output : run.outputs) {
      EXPECT_TRUE(
          std::all_of(output.begin(), output.end(), [](double x) { return std::isfinite(x); }));
    }
    EXPECT_EQ(run.scalars.error, plan::StepError::none);
  }
}

TEST(WorkloadCases, have_one_for_every_op_and_names_of_their_own) {
  std::set<std::string> ops, names;
  for (const auto& [op, c] : cases::workload_cases()) {
    ops.insert(op);
    EXPECT_TRUE(names.insert(op + " " + c.name).second) << op << " " << c.name;
  }
  for (const graph::Op* op : ops::all_ops()) EXPECT_TRUE(ops.contains(op->name)) << op->name;
}

}  // namespace
}  // namespace stoker
