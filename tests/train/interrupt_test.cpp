// Ctrl-C at any moment: the program ends, with status 130 or by the signal itself, and never goes
// on or crashes. STOKER_INTERRUPT_TRIES says how many children are interrupted.
#include <gtest/gtest.h>
#include <signal.h>
#include <stoker/stoker.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "support/contains.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using Clock = std::chrono::steady_clock;

void spin_until(Clock::time_point end) {
  while (Clock::now() < end) std::this_thread::yield();
}

int tries() {
  const char* wanted = std::getenv("STOKER_INTERRUPT_TRIES");
  return wanted != nullptr ? std::atoi(wanted) : 6;
}

Sequential classifier() {
  Sequential model({Input({8}), Dense(16, {.activation = "relu"}), Dense(4)});
  model.compile(
      {.optimizer = Adam(), .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  return model;
}

auto batches() {
  return generator<float, std::int32_t>(
      {.x = {16, 8}, .y = {16}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        for (auto& label : y) label = 0;
      });
}

// What the threads of a child do, for ever.
void fits_of(std::int64_t steps, const std::string& trace) {
  Sequential model = classifier();
  auto source = batches();
  for (;;) {
    model.fit(source, {.steps_per_epoch = steps,
                       .verbose = 0,
                       .validation_generator = batches(),
                       .validation_steps = 2,
                       .workers = 2,
                       .trace = trace});
  }
}
void evaluations() {
  Sequential model = classifier();
  auto source = batches();
  for (;;) {
    model.evaluate(source, {.steps = 3, .verbose = 0});
    model.predict(Tensor::uniform({32, 8}));
  }
}
void steps_by_hand() {
  Sequential model = classifier();
  const Tensor x = Tensor::uniform({16, 8});
  const Tensor y({16}, DType::int32);
  for (;;) model.train_on_batch(x, y);
}

[[noreturn]] void train_in_threads(const std::string& trace) {
  signal(SIGINT, SIG_DFL);
  std::thread([] { fits_of(1'000'000, ""); }).detach();
  std::thread([=] { fits_of(30, trace); }).detach();
  std::thread(evaluations).detach();
  std::thread(steps_by_hand).detach();
  for (;;) pause();
}

// "130", "SIGINT", or what went wrong.
std::string interrupted_after(std::chrono::microseconds delay, const std::string& trace) {
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
    if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(3);
    train_in_threads(trace);
  }
  spin_until(Clock::now() + delay);
  kill(child, SIGINT);
  const Clock::time_point deadline = Clock::now() + std::chrono::seconds(60);
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (Clock::now() > deadline) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return "went on";
    }
    std::this_thread::yield();
  }
  if (WIFEXITED(status)) return std::to_string(WEXITSTATUS(status));
  return WTERMSIG(status) == SIGINT ? "SIGINT" : "signal " + std::to_string(WTERMSIG(status));
}

TEST(InterruptThreads, EndsTheProgramAtAnyMoment) {
  const test::TemporaryFolder folder;
  int with_status = 0;
  for (int i = 0; i < tries(); ++i) {
    const std::chrono::microseconds delay(20'000 + 7919 * static_cast<std::int64_t>(i) % 380'000);
    const std::string end = interrupted_after(delay, folder / "trace.json");
    EXPECT_TRUE(end == "130" || end == "SIGINT") << end << " after " << delay.count() << " us";
    with_status += end == "130" ? 1 : 0;
  }
  EXPECT_GT(with_status, 0);
}

TEST(InterruptThreads, OneThatComesAsTheFitEndsIsNotLost) {
  const auto before = signal(SIGINT, SIG_DFL);
  const test::TemporaryFolder folder;
  Sequential model({Input({2}), Dense(1)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  // A FIFO for the trace, which is larger than what a pipe holds: the end of fit waits for the
  // reader, which sends the signal first.
  constexpr std::int64_t kSteps = 2000;
  const std::string trace = folder / "trace";
  ASSERT_EQ(mkfifo(trace.c_str(), 0600), 0);
  std::thread reader([&] {
    std::FILE* file = std::fopen(trace.c_str(), "r");
    raise(SIGINT);
    char bytes[4096];
    while (file != nullptr && std::fread(bytes, 1, sizeof bytes, file) > 0) {
    }
    if (file != nullptr) std::fclose(file);
  });
  auto source = generator<float, float>({.x = {4, 2}, .y = {4, 1}},
                                        [](BatchContext&, std::span<float> x, std::span<float> y) {
                                          for (float& value : x) value = 0.5f;
                                          for (float& value : y) value = 0.5f;
                                        });
  std::string message;
  try {
    model.fit(source, {.steps_per_epoch = kSteps,
                       .verbose = 0,
                       .on_interrupt = OnInterrupt::raise,
                       .trace = trace});
  } catch (const Interrupted& interrupted) {
    message = interrupted.what();
  }
  reader.join();
  EXPECT_TRUE(test::contains(message, "after its last step"));
  EXPECT_EQ(model.iterations(), kSteps);
  // The next one starts afresh.
  EXPECT_NO_THROW(
      model.fit(source, {.steps_per_epoch = 3, .verbose = 0, .on_interrupt = OnInterrupt::raise}));
  signal(SIGINT, before);
}

TEST(InterruptThreads, ASignalIsToldWhereTheGeneratorFailsToo) {
  const auto before = signal(SIGINT, SIG_DFL);
  Sequential model({Input({2}), Dense(1)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  auto source = generator<float, float>({.x = {4, 2}, .y = {4, 1}},
                                        [](BatchContext&, std::span<float>, std::span<float>) {
                                          raise(SIGINT);
                                          throw std::runtime_error("the disk is gone");
                                        });
  std::string message;
  try {
    model.fit(source, {.steps_per_epoch = 3, .verbose = 0, .on_interrupt = OnInterrupt::raise});
  } catch (const Interrupted& interrupted) {
    message = interrupted.what();
  }
  EXPECT_TRUE(test::contains(message, "interrupted"));
  signal(SIGINT, before);
}

}  // namespace
}  // namespace stoker
