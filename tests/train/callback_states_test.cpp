// What callbacks remember goes into checkpoints: a fit that stops and goes on decides as one that
// never stopped.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

constexpr std::int64_t kSteps = 3;

Sequential small_model() {
  Sequential model({Input({4}), Dense(3), Dense(2)},
                   {.seed = 4, .threads = 1, .device = Device::cpu()});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  return model;
}

struct Crash : std::runtime_error {
  Crash() : std::runtime_error("crash") {}
};

// Improves in epochs 1 and 4: the rate is reduced in 3, and again in 6; training stops in 7.
double score(std::int64_t epoch) { return epoch < 1 ? 5.0 : epoch < 4 ? 4.0 : 3.0; }

struct Outcome {
  std::vector<float> weights;
  double rate = 0.0;
  std::int64_t iterations = 0;
  std::int64_t stopped_epoch = 0;
  std::int64_t best_epoch = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Trains until the callbacks stop it, or until a crash after so many steps of this fit.
Outcome train(const std::string& folder, bool is_backup_first, std::int64_t crash_after = 0) {
  Sequential model = small_model();
  EarlyStopping stopping(
      {.monitor = "score", .patience = 3, .mode = "min", .restore_best_weights = true});
  // One of the same name shows that states find their own.
  EarlyStopping patient({.monitor = "score", .patience = 50, .mode = "max"});
  std::int64_t steps = 0;
  const LambdaCallback scores{
      .on_epoch_end = [](std::int64_t epoch, Logs& logs) { logs.set("score", score(epoch)); },
      .on_train_batch_end =
          [&](std::int64_t, LogsView) {
            if (++steps == crash_after) throw Crash();
          }};
  std::vector<CallbackHandle> callbacks{
      scores, patient, stopping,
      ReduceLROnPlateau({.monitor = "score", .patience = 2, .mode = "min", .cooldown = 1})};
  if (!folder.empty()) {
    callbacks.insert(is_backup_first ? callbacks.begin() : callbacks.end(),
                     BackupAndRestore(folder, {.save_freq = is_backup_first ? 1 : 2}));
  }
  model.fit(Tensor::full({2 * kSteps, 4}, 0.5f), Tensor::full({2 * kSteps, 2}, 0.25f),
            {.epochs = 20, .verbose = 0, .batch_size = 2, .callbacks = std::move(callbacks)});
  Outcome outcome{{},
                  model.learning_rate(),
                  model.iterations(),
                  stopping.stopped_epoch(),
                  stopping.best_epoch()};
  for (const Tensor& weight : model.get_weights()) {
    outcome.weights.insert(outcome.weights.end(), weight.data<float>().begin(),
                           weight.data<float>().end());
  }
  return outcome;
}

TEST(CallbackStates, LetAFitThatGoesOnDecideAsOneThatNeverStopped) {
  const Outcome whole = train("", false);
  ASSERT_EQ(whole.stopped_epoch, 7);
  ASSERT_EQ(whole.best_epoch, 4);
  ASSERT_NEAR(whole.rate, 0.001, 1e-9);
  for (const bool is_backup_first : {true, false}) {
    for (std::int64_t stop = 2; stop <= whole.iterations; ++stop) {
      SCOPED_TRACE(testing::Message() << stop << (is_backup_first ? " first" : " last"));
      const test::TemporaryFolder folder;
      EXPECT_THROW(train(folder / "backup", is_backup_first, stop), CallbackError);
      EXPECT_EQ(train(folder / "backup", is_backup_first), whole);
    }
  }
}

TEST(CallbackStates, HoldForCheckpointsOfAnEpoch) {
  const test::TemporaryFolder folder;
  const auto fit = [&](std::int64_t crash_in) {
    Sequential model = small_model();
    ReduceLROnPlateau reduce({.monitor = "score", .patience = 2, .mode = "min"});
    const LambdaCallback scores{
        .on_epoch_begin =
            [&](std::int64_t epoch) {
              if (epoch == crash_in) throw Crash();
            },
        .on_epoch_end = [](std::int64_t epoch, Logs& logs) { logs.set("score", score(epoch)); }};
    model.fit(Tensor::full({4, 4}, 0.5f), Tensor::full({4, 2}, 0.25f),
              {.epochs = 6,
               .verbose = 0,
               .callbacks = {BackupAndRestore(folder / "backup"), scores, reduce}});
    return model.learning_rate();
  };
  const double whole = fit(-1);
  // The rate that the callback sets at the end of epoch 3 is in the checkpoint made there.
  for (const std::int64_t epoch : {2, 3, 4}) {
    EXPECT_THROW(fit(epoch), CallbackError);
    EXPECT_EQ(fit(-1), whole) << epoch;
  }
}

TEST(CallbackStates, OfAFitThatWasStoppedLeaveNothingToDo) {
  const test::TemporaryFolder folder;
  const auto fit = [&] {
    Sequential model = small_model();
    return model
        .fit(Tensor::full({4, 4}, 0.5f), Tensor::full({4, 2}, 0.25f),
             {.epochs = 6,
              .verbose = 0,
              .callbacks = {BackupAndRestore(folder / "backup", {.delete_checkpoint = false}),
                            EarlyStopping({.monitor = "loss", .min_delta = 100.0, .patience = 1})}})
        .epoch.size();
  };
  EXPECT_EQ(fit(), 2u);
  EXPECT_EQ(fit(), 0u);
}

// ---- Callbacks of one's own ----

class Remembers : public Callback {
 public:
  std::string name() const override { return "Remembers"; }
  void on_train_begin() override { count = 0; }
  void on_train_batch_end(std::int64_t, LogsView) override {
    ++count;
    if (count == crash_at) throw Crash();
  }
  void save_state(CallbackState& state) const override {
    state.values.set("count", count);
    state.tensors = {Tensor::full({2, 3}, static_cast<float>(count)),
                     Tensor(Shape{}, DType::int32)};
  }
  void load_state(const CallbackState& state) override {
    if (fails) throw std::runtime_error("no");
    count = state.values["count"].integer();
    tensors = state.tensors;
  }

  std::int64_t count = 0;
  std::int64_t crash_at = 0;
  bool fails = false;
  std::vector<Tensor> tensors{};
};

void fit_with(const std::string& folder, std::vector<CallbackHandle> callbacks) {
  callbacks.insert(callbacks.begin(), BackupAndRestore(folder, {.save_freq = 1}));
  Sequential model = small_model();
  model.fit(Tensor::full({6, 4}, 0.5f), Tensor::full({6, 2}, 0.25f),
            {.epochs = 2, .verbose = 0, .batch_size = 2, .callbacks = std::move(callbacks)});
}

TEST(CallbackStates, OfOnesOwnHaveValuesAndTensors) {
  const test::TemporaryFolder folder;
  Remembers first;
  first.crash_at = 4;
  EXPECT_THROW(fit_with(folder / "backup", {first}), CallbackError);
  Remembers fails;
  fails.fails = true;
  const std::string message =
      test::message_of<CallbackError>([&] { fit_with(folder / "backup", {fails}); });
  EXPECT_TRUE(test::contains(message, "callback Remembers, load_state(): no")) << message;
  Remembers second;
  fit_with(folder / "backup", {second});
  // The checkpoint was made before the hook in which the callback counts its fourth step.
  ASSERT_EQ(second.tensors.size(), 2u);
  EXPECT_EQ(second.tensors[0].data<float>()[5], 3.0f);
  EXPECT_EQ(second.tensors[1].dtype(), DType::int32);
  EXPECT_EQ(second.count, 5);
}

TEST(CallbackStates, WithoutTheirCallbackArePassedOver) {
  const test::TemporaryFolder folder;
  Remembers first;
  first.crash_at = 4;
  EXPECT_THROW(fit_with(folder / "backup", {first}), CallbackError);
  testing::internal::CaptureStderr();
  fit_with(folder / "backup", {});
  const std::string warning = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(test::contains(warning, "state of a callback Remembers, which is not there"))
      << warning;
}

TEST(CallbackStates, KeepNumbersThatJsonHasNot) {
  for (const double value :
       {0.1, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()}) {
    const Config saved = Config::from_json(detail::saved_number(value).to_json());
    EXPECT_EQ(detail::loaded_number(saved), value);
  }
  EXPECT_TRUE(std::isnan(
      *detail::loaded_number(detail::saved_number(std::numeric_limits<double>::quiet_NaN()))));
  EXPECT_FALSE(detail::loaded_number(detail::saved_number(std::nullopt)).has_value());
  EXPECT_THROW(detail::loaded_number("1"), ValueError);
}

}  // namespace
}  // namespace stoker
