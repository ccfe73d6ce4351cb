// What docs/why-idle.md quotes of verdicts is what verdicts say today: the same words, whatever the
// numbers. Its five programs are acted out.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "stoker/report.h"
#include "support/acted_fit.h"
#include "support/form.h"
#include "support/source_folder.h"

namespace stoker {
namespace {

// The lines of verdicts as far as a class needs them.
class Said {
 public:
  void add(const FeedReport& report) {
    std::istringstream lines(report.verdict());
    for (std::string line; std::getline(lines, line);) forms_.insert(test::verdict_form(line));
  }
  bool contains(const std::string& line) const { return forms_.contains(test::verdict_form(line)); }

 private:
  std::set<std::string> forms_;
};

// All that the five programs can be told, before and after their change.
Said all_verdicts() {
  Said said;
  const test::Setting cpu{.on_cpu = true, .step_threads = 2.0};
  said.add(test::act(
      {.generate = 2.6e-3, .cpu_share = 1.0, .convert_share = 0.44, .step = 2.2e-3, .bytes = 8e6},
      cpu));
  said.add(test::act({.generate = 1.0e-3, .cpu_share = 1.0, .step = 4.0e-3, .jitter = 0.0}, cpu));
  const test::Work slow{.generate = 15e-3, .upload = 50e-6, .step = 5e-3, .bytes = 8e3};
  said.add(test::act(slow, {}));
  said.add(test::act(slow, {.workers = 3}));
  // AUTOTUNE, which had waited for a while before it had three workers.
  FeedReport tuned = test::act(slow, {.workers = 4});
  tuned.workers = 3;
  tuned.tuned = tuned.tuned_workers = true;
  tuned.waited_for_generator += 0.08 * tuned.computed;
  tuned.wall += 0.08 * tuned.computed;
  said.add(tuned);
  said.add(test::act(
      {.generate = 4e-3, .upload = 177e-6, .step = 5e-3, .jitter = 0.0, .bytes = 8e3}, {}));
  FeedReport by_hand = test::act({.generate = 15e-3, .step = 5e-3}, {.on_cpu = true});
  by_hand.by_hand = true;
  said.add(by_hand);
  said.add(test::act(
      {.generate = 2e-7, .upload = 14e-6, .launch = 57e-6, .step = 3e-7, .bytes = 256.0}, {}));
  said.add(test::act({.generate = 2e-4, .upload = 226e-6, .step = 1.25e-3, .jitter = 0.0}, {}));
  return said;
}

TEST(WhyIdle, WhatItQuotesIsWhatVerdictsSay) {
  std::ifstream file(test::source_folder() / "docs/why-idle.md");
  ASSERT_TRUE(file.good());
  const Said said = all_verdicts();
  bool is_block = false, quotes = false;
  int compared = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) {
      is_block = !is_block;
      quotes = is_block && line == "```";  // a block of code names its language
      continue;
    }
    // Captions are the example programs' own.
    if (!quotes || line.empty() || (line.ends_with(":") && line != "What to change:")) continue;
    if (line.starts_with("training on:")) break;
    EXPECT_TRUE(said.contains(line)) << "no verdict says: " << line;
    ++compared;
  }
  EXPECT_GE(compared, 25);
}

}  // namespace
}  // namespace stoker
