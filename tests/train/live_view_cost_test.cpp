// What the live view (verbose 3) costs the thread that trains: nothing that it would not do anyway.
#include <gtest/gtest.h>
#include <stoker/stoker.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <optional>
#include <thread>
#include <utility>

#include "support/allocation_counter.h"
#include "support/counting_device.h"
#include "support/environment.h"
#include "support/pseudo_terminal.h"
#include "support/sanitizer.h"
#include "train/terminal_fit.h"

namespace stoker {
namespace {

using test::batches;
using test::kSteps;

// Standard output on a terminal whose screen nobody looks at.
class OutputOnTerminal {
 public:
  OutputOnTerminal() : before_(dup(STDOUT_FILENO)) {
    std::cout.flush();
    std::fflush(stdout);
    dup2(terminal_.descriptor(), STDOUT_FILENO);
    reader_ = std::thread([this] {
      while (!is_over_) {
        terminal_.read();
        std::this_thread::yield();
      }
    });
  }
  ~OutputOnTerminal() {
    std::cout.flush();
    std::fflush(stdout);
    dup2(before_, STDOUT_FILENO);
    close(before_);
    is_over_ = true;
    reader_.join();
  }
  OutputOnTerminal(const OutputOnTerminal&) = delete;
  OutputOnTerminal& operator=(const OutputOnTerminal&) = delete;

 private:
  test::ScopedVariable kind_{"TERM", "xterm-256color"};
  test::PseudoTerminal terminal_{80, 24};
  const int before_;
  std::atomic<bool> is_over_{false};
  std::thread reader_;
};

struct HasTaken {
  test::HostCalls calls;
  double seconds = 0.0;
};

void fit_on_counting_device(int verbose, HasTaken& taken) {
  const OutputOnTerminal terminal;
  const auto simulated = Device::simulated();
  Sequential model({Input({4}), Dense(3)},
                   {.device = Device(test::counting_device(simulated.base(), taken.calls))});
  model.compile({.optimizer = SGD(), .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  auto source = batches();
  const auto begin = std::chrono::steady_clock::now();
  model.fit(source, {.steps_per_epoch = kSteps, .verbose = verbose});
  taken.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Beyond what a fit without a display calls there is nothing; both read back ten times a second.
TEST(LiveViewCost, IsNothingForTheDevice) {
  for (const int verbose : {0, 3}) {
    HasTaken taken;
    fit_on_counting_device(verbose, taken);
    const auto readbacks = static_cast<std::int64_t>(10.0 * taken.seconds) + 1;
    EXPECT_EQ(taken.calls.launches, kSteps) << verbose;
    EXPECT_LE(taken.calls.copies_to_host, 2 * readbacks + 20) << verbose;
    EXPECT_LE(taken.calls.synchronizations, 40) << verbose;
  }
}

#if !STOKER_SANITIZED_MALLOC

TEST(LiveViewCost, IsNoAllocationInAStep) {
  std::optional<test::AllocationCounter> counter;
  std::uint64_t allocations = 0;
  FitOptions fit_options = test::options(3, 1);
  const auto begin = std::chrono::steady_clock::now();
  fit_options.steps_per_epoch = 301;
  double seconds = 0.0;
  fit_options.on_train_batch_end = [&](std::int64_t step, LogsView) {
    if (step == 100) counter.emplace();
    if (step != 300) return;
    allocations = counter->count_of_this_thread();
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  {
    const OutputOnTerminal terminal;
    test::fit(std::move(fit_options));
  }
  // Once a second it asks what was measured so far, for the verdict.
  constexpr double kOfAReport = 300.0;
  EXPECT_LE(static_cast<double>(allocations), kOfAReport * std::floor(seconds)) << seconds;
}

#endif

}  // namespace
}  // namespace stoker
