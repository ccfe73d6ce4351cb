// Ctrl-C in a fit that saves checkpoints: the program ends with status 130, the state after the
// last step is saved, and the next run ends with the bits of one that nobody interrupted.
#include <gtest/gtest.h>
#include <signal.h>
#include <stoker/stoker.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "support/temporary_folder.h"

namespace stoker {
namespace {

constexpr std::int64_t kStepsPerEpoch = 6;

// Trains to the end and saves the weights. With `stop_at` a SIGINT comes in that step, counted
// over the epochs of this run.
void train(const std::string& folder, std::int64_t stop_at) {
  Sequential model({Input({4}), Dense(8, {.activation = "relu"}), Dropout(0.5), Dense(2)},
                   {.seed = 3, .threads = 1, .device = Device::cpu()});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  std::int64_t steps = 0;
  const auto batches = generator<float, float>(
      {.x = {4, 4}, .y = {4, 2}}, [](BatchContext& batch, std::span<float> x, std::span<float> y) {
        batch.random.fill_uniform(x);
        batch.random.fill_uniform(y);
      });
  model.fit(batches, {.steps_per_epoch = kStepsPerEpoch,
                      .epochs = 3,
                      .verbose = 0,
                      .callbacks = {BackupAndRestore(folder + "/backup")},
                      .on_train_batch_end = [&](std::int64_t, LogsView) {
                        if (++steps == stop_at) raise(SIGINT);
                      }});
  model.save_weights(folder + "/end.safetensors");
}

// Returns the status of a program of its own that does this.
int status_of(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGINT, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
    work();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(InterruptedFit, IsSavedAndGoesOn) {
  const test::TemporaryFolder whole;
  ASSERT_EQ(status_of([&] { train(whole.path(), 0); }), 0);
  const std::string expected = test::read_all(whole / "end.safetensors");
  // In the first step, in the middle of an epoch, in an epoch's last step, and in the last of all.
  for (const std::int64_t stop_at : {1, 9, 12, 18}) {
    SCOPED_TRACE(stop_at);
    const test::TemporaryFolder folder;
    EXPECT_EQ(status_of([&] { train(folder.path(), stop_at); }), 128 + SIGINT);
    EXPECT_FALSE(std::filesystem::exists(folder / "end.safetensors"));
    std::int64_t saved = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "backup")) {
      saved = std::max(saved, read_checkpoint_info(entry.path().string()).iterations);
    }
    EXPECT_EQ(saved, stop_at);
    EXPECT_EQ(status_of([&] { train(folder.path(), 0); }), 0);
    EXPECT_EQ(test::read_all(folder / "end.safetensors"), expected);
    EXPECT_FALSE(std::filesystem::exists(folder / "backup"));
  }
}

TEST(InterruptedFit, MayBeInterruptedAgain) {
  const test::TemporaryFolder whole, folder;
  ASSERT_EQ(status_of([&] { train(whole.path(), 0); }), 0);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(status_of([&] { train(folder.path(), 3); }), 128 + SIGINT);
  }
  EXPECT_EQ(status_of([&] { train(folder.path(), 0); }), 0);
  EXPECT_EQ(test::read_all(folder / "end.safetensors"), test::read_all(whole / "end.safetensors"));
}

}  // namespace
}  // namespace stoker
