// fit's options of the feed, and what it leaves behind of it.
#include <gtest/gtest.h>
#include <signal.h>
#include <stoker/stoker.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>

namespace stoker {
namespace {

Sequential regressor(Device device = Device::cpu()) {
  Sequential model({Input({4}), Dense(1)}, {.seed = 3, .threads = 1, .device = std::move(device)});
  model.compile({.optimizer = SGD({.learning_rate = 0.01}), .loss = "mse"});
  return model;
}

auto random_batches() {
  return generator<float, float>({.x = {8, 4}, .y = {8, 1}},
                                 [](BatchContext& batch, std::span<float> x, std::span<float> y) {
                                   batch.random.fill_uniform(x);
                                   for (std::size_t row = 0; row < 8; ++row) y[row] = x[4 * row];
                                 });
}

// ---- Ctrl-C ----
// More steps than are taken before a signal that the source raises is noticed.
constexpr std::int64_t kManySteps = 100'000;

enum class Stuck { nowhere, generator, step };

// Trains for ever, tells its parent when that is under way, and never returns.
[[noreturn]] void train_for_ever(Stuck stuck) noexcept {
  alarm(60);  // where no signal ends it
  // No test output from here.
  if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(1);
  Sequential model =
      regressor(stuck == Stuck::step ? Device::simulated({.step_seconds = 3600.0}) : Device::cpu());
  const pid_t parent = getppid();
  auto source = generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}}, [&](BatchContext& batch, std::span<float> x, std::span<float> y) {
        std::ranges::fill(x, 0.5f);
        std::ranges::fill(y, 0.5f);
        if (batch.index == 5) kill(parent, SIGUSR1);
        if (batch.index > 5 && stuck == Stuck::generator) pause();
      });
  model.fit_generator(source, {.steps_per_epoch = std::int64_t{1} << 40, .verbose = 0});
  _exit(2);
}

enum class Signals { one, until_it_ends };

// The exit status of a child that trains and is sent SIGINT.
int status_of_interrupted(Signals signals, Stuck stuck) {
  const pid_t child = fork();
  if (child == 0) train_for_ever(stuck);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGCHLD);  // where it ends without having trained
  int received = 0;
  sigwait(&set, &received);
  kill(child, SIGINT);
  int status = 0;
  // Signals that are not taken yet are not counted twice: a second one is sent until it was taken.
  const bool more = signals == Signals::until_it_ends;
  while (waitpid(child, &status, more ? WNOHANG : 0) == 0) {
    kill(child, SIGINT);
    std::this_thread::yield();
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// As in a terminal: a shell's background jobs begin with SIGINT ignored.
class Sigint : public ::testing::Test {
 protected:
  void SetUp() override { before_ = signal(SIGINT, SIG_DFL); }
  void TearDown() override { signal(SIGINT, before_); }

 private:
  sighandler_t before_ = SIG_DFL;
};

class Interrupt : public Sigint {
 protected:
  void SetUp() override {
    Sigint::SetUp();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  void TearDown() override {
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    Sigint::TearDown();
  }

 private:
  sigset_t before_{};
};

TEST_F(Interrupt, ends_the_program_with_130_after_the_step) {
  EXPECT_EQ(status_of_interrupted(Signals::one, Stuck::nowhere), 130);
}

TEST_F(Interrupt, a_second_one_does_not_wait_for_anything) {
  EXPECT_EQ(status_of_interrupted(Signals::until_it_ends, Stuck::step), 130);
}

TEST_F(Interrupt, does_not_wait_for_a_generator_that_hangs) {
  EXPECT_EQ(status_of_interrupted(Signals::one, Stuck::generator), 130);
}

TEST_F(Sigint, raise_throws_and_leaves_the_model_usable) {
  Sequential model = regressor();
  auto source = generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}}, [](BatchContext& batch, std::span<float> x, std::span<float> y) {
        std::ranges::fill(x, 0.5f);
        std::ranges::fill(y, 0.5f);
        if (batch.index == 30) raise(SIGINT);
      });
  EXPECT_THROW(model.fit_generator(source, {.steps_per_epoch = kManySteps,
                                            .verbose = 0,
                                            .on_interrupt = OnInterrupt::raise}),
               Interrupted);
  EXPECT_GT(model.iterations(), 0);
  auto good = random_batches();
  model.fit_generator(good, {.steps_per_epoch = 3, .verbose = 0});
}

// Endless, and interrupts the program at batch 5.
auto interrupting() {
  return generator<float, float>({.x = {8, 4}, .y = {8, 1}},
                                 [](BatchContext& batch, std::span<float> x, std::span<float> y) {
                                   std::ranges::fill(x, 0.5f);
                                   std::ranges::fill(y, 0.5f);
                                   if (batch.index == 5) raise(SIGINT);
                                 });
}

TEST_F(Sigint, ends_an_evaluation_and_a_prediction_too) {
  Sequential model = regressor();
  auto source = interrupting();
  EXPECT_THROW(model.evaluate(
                   source, {.steps = kManySteps, .verbose = 0, .on_interrupt = OnInterrupt::raise}),
               Interrupted);
  EXPECT_THROW(model.predict(source, {.steps = kManySteps, .on_interrupt = OnInterrupt::raise}),
               Interrupted);
  auto good = random_batches();
  model.fit_generator(good, {.steps_per_epoch = 3, .verbose = 0});
}

TEST_F(Sigint, ends_a_fit_that_is_validating) {
  Sequential model = regressor();
  auto good = random_batches();
  EXPECT_THROW(model.fit(good, {.steps_per_epoch = 3,
                                .verbose = 0,
                                .validation_generator = interrupting(),
                                .validation_steps = kManySteps,
                                .on_interrupt = OnInterrupt::raise}),
               Interrupted);
  model.fit_generator(good, {.steps_per_epoch = 3, .verbose = 0});
}

std::atomic<int> handled{0};

TEST_F(Sigint, a_programs_own_handler_stays) {
  struct sigaction ours {};
  struct sigaction before {};
  ours.sa_handler = [](int) { ++handled; };
  sigaction(SIGINT, &ours, &before);
  Sequential model = regressor();
  auto source = generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}}, [](BatchContext& batch, std::span<float> x, std::span<float> y) {
        std::ranges::fill(x, 0.5f);
        std::ranges::fill(y, 0.5f);
        if (batch.index == 3) raise(SIGINT);
      });
  model.fit_generator(source, {.steps_per_epoch = 10, .verbose = 0});
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(model.iterations(), 10);
  sigaction(SIGINT, &before, nullptr);
}

// ---- Sources ----
TEST(SourceHandle, without_a_source_is_a_ValueError_wherever_one_is_taken) {
  Sequential model = regressor();
  SourceHandle moved = random_batches();
  const SourceHandle kept = std::move(moved);
  auto generator_moved = random_batches();
  const auto generator_kept = std::move(generator_moved);
  for (const SourceHandle& none :
       {moved, SourceHandle(std::shared_ptr<Source>()), SourceHandle(generator_moved)}) {
    EXPECT_THROW(model.fit(none, {.steps_per_epoch = 2, .verbose = 0}), ValueError);
    EXPECT_THROW(model.fit_generator(none, {.steps_per_epoch = 2, .verbose = 0}), ValueError);
    EXPECT_THROW(model.fit(kept, {.steps_per_epoch = 2,
                                  .verbose = 0,
                                  .validation_generator = none,
                                  .validation_steps = 1}),
                 ValueError);
    EXPECT_THROW(model.evaluate(none, {.steps = 2, .verbose = 0}), ValueError);
    EXPECT_THROW(model.predict(none, {.steps = 2}), ValueError);
  }
  EXPECT_THROW(cast<float>(generator_moved), ValueError);
}

// A source with state, as the training's and the validation's at once.
TEST(SourceHandle, with_state_is_refused_before_the_first_epoch_where_it_would_be_used_twice) {
  std::int64_t calls = 0;
  auto source = generator<float, double>(
      {.x = {8, 4}, .y = {8, 1}}, [&calls](BatchContext&, std::span<float> x, std::span<double> y) {
        ++calls;
        std::ranges::fill(x, 0.5f);
        std::ranges::fill(y, 0.5);
      });
  Sequential model = regressor();
  EXPECT_THROW(model.fit(cast<float>(source), {.steps_per_epoch = 2,
                                               .verbose = 0,
                                               .validation_generator = cast<float>(source),
                                               .validation_steps = 1}),
               ValueError);
  EXPECT_EQ(calls, 0);
}

TEST(SourceHandle, with_state_serves_one_fit_at_a_time) {
  std::int64_t errors = 0;
  Sequential outer = regressor();
  Sequential inner = regressor();
  std::optional<SourceHandle> handle;
  handle = generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}}, [&](BatchContext& batch, std::span<float> x, std::span<float> y) {
        std::ranges::fill(x, 0.5f);
        std::ranges::fill(y, 0.5f);
        if (batch.index > 0) return;
        try {
          inner.evaluate(*handle, {.steps = 1, .verbose = 0});
        } catch (const ValueError&) {
          ++errors;
        }
      });
  outer.fit(*handle, {.steps_per_epoch = 3, .verbose = 0});
  EXPECT_EQ(errors, 1);
}

// Throws wherever it is asked for something else than a batch.
class Moody : public BatchGenerator<float, float> {
 public:
  enum class Where { nowhere, batches_per_epoch, endless, begin_epoch, end_epoch };
  explicit Moody(Where where) : BatchGenerator({.x = {8, 4}, .y = {8, 1}}), where_(where) {}
  std::int64_t fill(BatchContext&, std::span<float> x, std::span<float> y) override {
    std::ranges::fill(x, 0.5f);
    std::ranges::fill(y, 0.5f);
    return 8;
  }
  std::optional<std::int64_t> batches_per_epoch() const override {
    complain(Where::batches_per_epoch);
    return 2;
  }
  bool endless() const override {
    complain(Where::endless);
    return false;
  }
  void begin_epoch(std::int64_t) override { complain(Where::begin_epoch); }
  void end_epoch(std::int64_t) override { complain(Where::end_epoch); }

 private:
  void complain(Where here) const {
    if (where_ == here) throw std::logic_error("not today");
  }
  Where where_;
};

TEST(SourceErrors, are_ours_with_the_original_nested_wherever_a_source_throws) {
  using Where = Moody::Where;
  for (const Where where :
       {Where::batches_per_epoch, Where::endless, Where::begin_epoch, Where::end_epoch}) {
    Sequential model = regressor();
    Moody moody(where);
    const auto expect = [&](const auto& call) {
      try {
        call();
        ADD_FAILURE() << "nothing was thrown, " << static_cast<int>(where);
      } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("not today"), std::string::npos) << error.what();
        EXPECT_THROW(std::rethrow_if_nested(error), std::logic_error);
      }
    };
    expect([&] { model.fit(moody, {.verbose = 0}); });
    expect([&] { model.evaluate(moody, {.verbose = 0}); });
    expect([&] { model.predict(moody); });
    Moody calm(Where::nowhere);
    model.fit(calm, {.verbose = 0});
  }
}

// ---- Traces ----
TEST(Trace, leads_every_batch_from_the_worker_to_its_step) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("stoker-trace-" + std::to_string(getpid()));
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    Sequential model = regressor(device);
    auto batches = random_batches();
    model.fit_generator(
        batches,
        {.steps_per_epoch = 12, .epochs = 2, .verbose = 0, .workers = 2, .trace = path.string()});
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    std::filesystem::remove(path);
    std::map<std::string, std::set<std::int64_t>> batches_of;  // stages and arrows
    std::set<std::string> threads;
    const Config trace = Config::from_json(text.str());
    for (const Config& event : trace["traceEvents"].list_items()) {
      const std::string phase = event["ph"].string();
      if (phase == "X") {
        batches_of[event["name"].string()].insert(event["args"]["batch"].integer());
        EXPECT_GE(event["dur"].number(), 0.0);
      } else if (phase == "M") {
        threads.insert(event["args"]["name"].string());
      } else {
        batches_of[phase].insert(event["id"].integer());
      }
    }
    for (const char* stage : {"generate", "compute", "s", "f"}) {
      EXPECT_EQ(batches_of[stage].size(), 24U) << stage << " on " << device.name();
    }
    if (device.name() == "simulated") {
      EXPECT_EQ(batches_of["upload"].size(), 24U);
      EXPECT_EQ(batches_of["t"].size(), 24U);
    }
    EXPECT_TRUE(threads.contains("worker 1"));
  }
}

TEST(Trace, to_a_folder_that_is_not_there_is_an_error) {
  Sequential model = regressor();
  auto batches = random_batches();
  EXPECT_THROW(
      model.fit_generator(
          batches, {.steps_per_epoch = 2, .verbose = 0, .trace = "/nonexistent/folder/trace.json"}),
      IoError);
}

// ---- Reports ----
TEST(Report, its_parts_add_up_to_the_wall_time_on_both_devices) {
  for (const Device& device : {Device::cpu(), Device::simulated({.step_seconds = 0.002})}) {
    Sequential model = regressor(device);
    auto batches = random_batches();
    const History history =
        model.fit_generator(batches, {.steps_per_epoch = 50, .epochs = 2, .verbose = 0});
    for (const FeedReport& report : history.feed_by_epoch) {
      EXPECT_EQ(report.batches, 50);
      EXPECT_EQ(report.step.count(), 50U) << device.name();
      EXPECT_EQ(report.generate.count() > 0, true);
      const double parts = report.waited_for_generator + report.waited_for_upload +
                           report.waited_for_launch + report.computed + report.other;
      EXPECT_NEAR(parts, report.wall, 0.1 * report.wall + 3e-3) << device.name();
    }
    EXPECT_EQ(history.feed.batches, 100);
    EXPECT_EQ(history["feed_computed"].size(), 2U);
    if (device.name() == "simulated") {
      EXPECT_EQ(history.feed.upload.count(), 100U);
      // A step counts from when the host has launched it, a little after it began.
      EXPECT_GE(history.feed.computed, 0.95 * 100 * 0.002);
    }
  }
}

TEST(Report, of_an_epoch_takes_a_few_hundred_bytes) {
  Sequential model = regressor();
  const auto bytes = [&](std::int64_t epochs) {
    const History history =
        model.fit(random_batches(), {.steps_per_epoch = 2, .epochs = epochs, .verbose = 0});
    EXPECT_EQ(history.feed_by_epoch.size(), static_cast<std::size_t>(epochs));
    std::size_t all = 0;
    for (const FeedReport& report : history.feed_by_epoch) {
      all += sizeof report + report.generate.bytes() + report.convert.bytes() +
             report.wait_for_generator.bytes() + report.upload.bytes() + report.step.bytes() +
             report.step_in_a_row.bytes();
    }
    return all / static_cast<std::size_t>(epochs);
  };
  EXPECT_LT(bytes(200), 700U);
}

TEST(Report, knows_the_source_and_how_it_was_compiled) {
  Sequential model = regressor();
  const auto report_of = [&](const SourceHandle& source) {
    return model.fit(source, {.steps_per_epoch = 2, .verbose = 0}).feed;
  };
  const FeedReport drawn = report_of(generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}}, [](BatchContext& batch, std::span<float> x, std::span<float> y) {
        for (float& value : x) value = batch.random.uniform();
        batch.random.fill_uniform(y);
      }));
  EXPECT_EQ(drawn.source, SourceKind::function);
  EXPECT_EQ(drawn.drawn_one_by_one, 2U * 32U);
  EXPECT_EQ(drawn.float_share, 32.0 / 40.0);
  EXPECT_TRUE(drawn.is_pure);
  EXPECT_EQ(report_of(random_batches()).drawn_one_by_one, 0U);
  EXPECT_EQ(report_of(array_source(Tensor({32, 4}), Tensor({32, 1}), {.batch_size = 8})).source,
            SourceKind::arrays);
  EXPECT_EQ(report_of(cast<float>(generator<double, float>(
                          {.x = {8, 4}, .y = {8, 1}},
                          [](BatchContext&, std::span<double> x, std::span<float> y) {
                            std::ranges::fill(x, 0.5);
                            std::ranges::fill(y, 0.5f);
                          })))
                .source,
            SourceKind::function);
  const auto rows = Dataset<float, float>::from_tensor_slices({Tensor({64, 4}), Tensor({64, 1})});
  EXPECT_EQ(report_of(rows.batch(8)).source, SourceKind::dataset);
}

TEST(Report, of_train_on_batch_tells_what_the_caller_took_between_the_calls) {
  Sequential model = regressor();
  const Tensor x = Tensor::normal({8, 4}, 0, 1, 1);
  const Tensor y = Tensor::normal({8, 1}, 0, 1, 2);
  for (int i = 0; i < 5; ++i) model.train_on_batch(x, y);
  const FeedReport report = model.take_on_batch_report();
  EXPECT_EQ(report.batches, 5);
  EXPECT_EQ(report.samples, 40);
  EXPECT_EQ(report.generate.count(), 4U);
  EXPECT_TRUE(report.by_hand);
  EXPECT_EQ(model.take_on_batch_report().batches, 0);
}

// ---- NaNs ----
TEST(NanPolicy, a_skipped_batch_is_no_step) {
  Sequential model = regressor();
  auto source = generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}}, [](BatchContext& batch, std::span<float> x, std::span<float> y) {
        std::ranges::fill(x, 0.5f);
        std::ranges::fill(y, 0.5f);
        if (batch.index == 2) y[3] = std::numeric_limits<float>::quiet_NaN();
      });
  const History history = model.fit_generator(
      source, {.steps_per_epoch = 6, .verbose = 0, .nan_policy = NanPolicy::skip});
  EXPECT_EQ(model.iterations(), 5);
  EXPECT_EQ(history.feed.nan_batches, 1);
}

TEST(Timeout, of_a_generator_leaves_the_model_usable) {
  Sequential model = regressor();
  const auto go = std::make_shared<std::atomic<bool>>(false);  // the call outlives this test
  auto source =
      generator<float, float>({.x = {8, 4}, .y = {8, 1}},
                              [go](BatchContext& batch, std::span<float> x, std::span<float> y) {
                                std::ranges::fill(x, 0.5f);
                                std::ranges::fill(y, 0.5f);
                                if (batch.index == 3) go->wait(false);
                              });
  EXPECT_THROW(
      model.fit_generator(source, {.steps_per_epoch = 6, .verbose = 0, .generator_timeout = 1.0}),
      DataError);
  EXPECT_EQ(model.iterations(), 3);
  auto good = random_batches();
  model.fit_generator(good, {.steps_per_epoch = 3, .verbose = 0});
  go->store(true);
  go->notify_all();
}

}  // namespace
}  // namespace stoker
