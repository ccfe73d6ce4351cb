// Checkpoints that a fit saves while the disk fails, or takes its time.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "core/format.h"
#include "faults/failing_calls.h"
#include "support/contains.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;
using test::Call;
using test::FailingCalls;
using test::Fault;

Sequential small_model() {
  Sequential model({Input({3}), Dense(2)}, {.seed = 5, .threads = 1, .device = Device::cpu()});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  return model;
}

// Two epochs of three steps.
void fit(Model& model, std::vector<CallbackHandle> callbacks) {
  static const Tensor x = Tensor::uniform({6, 3});
  model.fit(x, Tensor::full({6, 2}, 0.5f),
            {.epochs = 2, .verbose = 0, .batch_size = 2, .callbacks = std::move(callbacks)});
}

std::string weights_of(const Model& model) {
  std::string text;
  for (const Tensor& weight : model.get_weights()) {
    for (const float value : weight.data<float>()) text += format(value, ' ');
  }
  return text;
}

std::vector<fs::path> files_in(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

using Parameters = std::tuple<Call, Fault>;

class Backups : public testing::TestWithParam<Parameters> {};

// Whatever fails, the newest checkpoint is whole, no other file is left, and the next fit goes on
// and ends with the bits of one that never failed.
TEST_P(Backups, AreWholeWhateverFails) {
  const auto [call, fault] = GetParam();
  if (!test::can_end_so(call, fault)) return;
  const bool is_harmless = fault == Fault::interrupted || fault == Fault::short_count;
  Sequential whole = small_model();
  fit(whole, {});
  const std::string expected = weights_of(whole);
  std::uint64_t n = 1;
  for (bool was_reached = true; was_reached; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 1000u);
    const test::TemporaryFolder folder;
    const std::string path = folder / "backup";
    std::string message;
    std::string failed_on;
    {
      Sequential model = small_model();
      const FailingCalls failing(folder.path(), call, fault, n);
      try {
        fit(model, {BackupAndRestore(path, {.save_freq = 1, .delete_checkpoint = false})});
      } catch (const CallbackError& error) {
        message = error.what();
        EXPECT_THROW(std::rethrow_if_nested(error), IoError);
      }
      was_reached = failing.has_failed();
      failed_on = failing.path();
    }
    if (!was_reached || is_harmless) {
      EXPECT_EQ(message, "");
    }
    const bool must_tell = call == Call::write || call == Call::sync || call == Call::rename ||
                           call == Call::make_folder || call == Call::remove;
    if (was_reached && !is_harmless && must_tell) {
      EXPECT_TRUE(test::contains(message, path)) << failed_on << ": " << message;
    }
    for (const fs::path& file : fs::exists(path) ? files_in(path) : std::vector<fs::path>()) {
      EXPECT_TRUE(file.filename().string().starts_with("checkpoint-")) << file;
      EXPECT_NO_THROW(small_model().restore_checkpoint(file.string())) << file;
    }
    Sequential next = small_model();
    fit(next, {BackupAndRestore(path)});
    EXPECT_EQ(weights_of(next), expected);
    EXPECT_FALSE(fs::exists(path));
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Backups,
                         testing::Combine(testing::Values(Call::open, Call::write, Call::sync,
                                                          Call::close, Call::rename, Call::remove,
                                                          Call::make_folder),
                                          testing::Values(Fault::no_space, Fault::io_error,
                                                          Fault::interrupted, Fault::short_count)),
                         [](const auto& info) {
                           return format(test::name_of(std::get<0>(info.param)), '_',
                                         test::name_of(std::get<1>(info.param)));
                         });

// No step waits for a write. The newest of the states that come meanwhile is kept in memory.
TEST(SlowDisk, LetsStepsGoOnAndGetsTheNewestState) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "backup";
  test::WaitingWrites disk(folder.path());
  std::int64_t steps = 0;
  const LambdaCallback counts{.on_train_batch_end = [&](std::int64_t, LogsView) {
    while (!disk.has_one()) std::this_thread::yield();  // The first write is under way.
    if (++steps == 6) disk.release();
  }};
  Sequential model = small_model();
  fit(model,
      {BackupAndRestore(path, {.save_freq = 1, .keep = 10, .delete_checkpoint = false}), counts});
  EXPECT_EQ(steps, 6);
  std::vector<std::int64_t> saved;
  for (const fs::path& file : files_in(path)) {
    saved.push_back(read_checkpoint_info(file.string()).iterations);
  }
  EXPECT_EQ(saved, (std::vector<std::int64_t>{1, 6}));
}

}  // namespace
}  // namespace stoker
