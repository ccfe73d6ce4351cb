// Checkpoints: a training that stops at any step and goes on ends with the bits of one that never
// stopped.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEpochs = 3;
constexpr std::int64_t kSteps = 5;

// Dropout, moving statistics, Adam's slots and a schedule: all that a step leaves behind.
Sequential classifier(const Device& device, std::uint64_t seed = 3) {
  Sequential model(
      {Input({6}), Dense(8, {.activation = "relu"}), BatchNormalization(), Dropout(0.5), Dense(3)},
      {.name = "own", .seed = seed, .device = device});
  model.compile({.optimizer = Adam({.learning_rate = ExponentialDecay(0.05, 7, 0.5)}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

struct Data {
  Tensor x = Tensor::uniform({38, 6});
  Tensor y{{38}, DType::int32};
  Data() {
    for (std::size_t i = 0; i < 38; ++i) y.data<std::int32_t>()[i] = static_cast<int>(i % 3);
  }
};
const Data& data() {
  static const Data all;
  return all;
}

// A source that only goes forwards, and says where it is.
class Counter : public BatchGenerator<float, std::int32_t> {
 public:
  Counter() : BatchGenerator({.x = {4, 6}, .y = {4}}) {}
  std::int64_t fill(BatchContext&, std::span<float> x, std::span<std::int32_t> y) override {
    for (float& value : x) value = static_cast<float>(++count_ % 17) / 17.0f;
    for (auto& label : y) label = static_cast<std::int32_t>(++count_ % 3);
    return 4;
  }
  bool endless() const override { return true; }
  bool saves_state() const override { return true; }
  void save_state(std::vector<std::byte>& state) override {
    state.resize(sizeof count_);
    std::memcpy(state.data(), &count_, sizeof count_);
  }
  void load_state(std::span<const std::byte> state) override {
    std::memcpy(&count_, state.data(), sizeof count_);
  }

 private:
  std::int64_t count_ = 0;
};

// A kind of source, and how a fit is called with it.
struct Kind {
  const char* name;
  History (*fit)(Model& model, FitOptions options);
};

const Kind kKinds[] = {
    {"arrays",
     [](Model& model, FitOptions options) {
       options.batch_size = 8;
       return model.fit(data().x, data().y, options);
     }},
    {"validated",
     [](Model& model, FitOptions options) {
       options.batch_size = 6;
       options.validation_split = 0.2;
       return model.fit(data().x, data().y, options);
     }},
    {"generator",
     [](Model& model, FitOptions options) {
       options.steps_per_epoch = kSteps;
       options.workers = 2;
       return model.fit(generator<float, std::int32_t>(
                            {.x = {4, 6}, .y = {4}},
                            [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
                              batch.random.fill_uniform(x);
                              for (auto& label : y) {
                                label = static_cast<std::int32_t>(batch.random.integer(0, 3));
                              }
                            }),
                        options);
     }},
    {"stateful",
     [](Model& model, FitOptions options) {
       options.steps_per_epoch = kSteps;
       return model.fit(Counter(), options);
     }},
    {"dataset",
     [](Model& model, FitOptions options) {
       const auto rows =
           range(24)
               .map<float, std::int32_t>({Shape{6}, Shape{}},
                                         [](std::span<const std::int32_t> n, std::span<float> x,
                                            std::span<std::int32_t> y) {
                                           for (float& value : x)
                                             value = static_cast<float>(n[0]) / 24.0f;
                                           y[0] = n[0] % 3;
                                         })
               .shuffle(7, 1)
               .batch(5);
       return model.fit(rows, options);
     }},
};

struct Stop : std::runtime_error {
  Stop() : std::runtime_error("stop") {}
};

// Ends the fit after so many steps, as a crash would.
LambdaCallback crash_after(std::int64_t steps, std::int64_t& taken) {
  return {.on_train_batch_end = [steps, &taken](std::int64_t, LogsView) {
    if (++taken == steps) throw Stop();
  }};
}

std::vector<float> flat(const std::vector<Tensor>& weights) {
  std::vector<float> all;
  for (const Tensor& weight : weights) {
    all.insert(all.end(), weight.data<float>().begin(), weight.data<float>().end());
  }
  return all;
}

class Resume : public testing::TestWithParam<std::tuple<Kind, const char*>> {
 protected:
  Kind kind() const { return std::get<0>(GetParam()); }
  Device device() const {
    return std::string(std::get<1>(GetParam())) == "cpu" ? Device::cpu() : Device::simulated();
  }
  FitOptions quiet(std::vector<CallbackHandle> callbacks = {}) const {
    return {.epochs = kEpochs, .verbose = 0, .callbacks = std::move(callbacks)};
  }
};

TEST_P(Resume, AtEveryStepEndsWithTheSameBits) {
  Sequential whole = classifier(device());
  const History expected = kind().fit(whole, quiet());
  const std::vector<float> weights = flat(whole.get_weights());
  const std::int64_t steps = whole.iterations();
  for (std::int64_t stop = 1; stop <= steps; ++stop) {
    SCOPED_TRACE(stop);
    const test::TemporaryFolder folder;
    const std::string path = folder / "backup";
    std::int64_t taken = 0;
    {
      Sequential first = classifier(device());
      EXPECT_THROW(kind().fit(first, quiet({BackupAndRestore(path, {.save_freq = 1}),
                                            crash_after(stop, taken)})),
                   CallbackError);
    }
    // Another seed shows that nothing depends on the new model's own.
    Sequential second = classifier(device(), 99);
    const History history = kind().fit(second, quiet({BackupAndRestore(path)}));
    EXPECT_EQ(second.iterations(), steps);
    EXPECT_EQ(flat(second.get_weights()), weights);
    // The epoch in which the first one stopped has the logs of all its steps.
    ASSERT_FALSE(history.epoch.empty());
    for (std::size_t i = 0; i < history.epoch.size(); ++i) {
      const auto epoch = static_cast<std::size_t>(history.epoch[i]);
      EXPECT_EQ(history["loss"][i], expected["loss"][epoch]);
      EXPECT_EQ(history["accuracy"][i], expected["accuracy"][epoch]);
    }
    EXPECT_FALSE(fs::exists(path));  // the training has ended as it should
  }
}

TEST_P(Resume, TwiceInARowEndsWithTheSameBits) {
  Sequential whole = classifier(device());
  kind().fit(whole, quiet());
  const test::TemporaryFolder folder;
  const std::string path = folder / "backup";
  for (const std::int64_t stop : {3, 4, 2}) {
    std::int64_t taken = 0;
    Sequential part = classifier(device(), 50);
    if (stop == 3) part = classifier(device());
    EXPECT_THROW(kind().fit(part, quiet({BackupAndRestore(path, {.save_freq = 1}),
                                         crash_after(stop, taken)})),
                 CallbackError);
  }
  Sequential last = classifier(device(), 51);
  kind().fit(last, quiet({BackupAndRestore(path)}));
  EXPECT_EQ(flat(last.get_weights()), flat(whole.get_weights()));
}

TEST_P(Resume, AtTheEndOfAnEpochEndsWithTheSameBits) {
  Sequential whole = classifier(device());
  kind().fit(whole, quiet());
  const test::TemporaryFolder folder;
  const std::string path = folder / "backup";
  {
    Sequential first = classifier(device());
    const LambdaCallback crash{.on_epoch_begin = [](std::int64_t epoch) {
      if (epoch == 2) throw Stop();
    }};
    EXPECT_THROW(kind().fit(first, quiet({BackupAndRestore(path), crash})), CallbackError);
  }
  Sequential second = classifier(device(), 99);
  const History history = kind().fit(second, quiet({BackupAndRestore(path)}));
  EXPECT_EQ(history.epoch, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(flat(second.get_weights()), flat(whole.get_weights()));
}

INSTANTIATE_TEST_SUITE_P(
    Of, Resume, testing::Combine(testing::ValuesIn(kKinds), testing::Values("cpu", "simulated")),
    [](const auto& info) {
      return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param);
    });

// ---- Files ----

FitOptions backed_up(const std::string& path, BackupAndRestoreOptions options = {}) {
  return {.epochs = 2,
          .verbose = 0,
          .batch_size = 8,
          .callbacks = {BackupAndRestore(path, std::move(options))}};
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

TEST(Checkpoints, KeepTheNewestOnes) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "a/b";
  Sequential model = classifier(Device::cpu());
  model.fit(data().x, data().y,
            backed_up(path, {.save_freq = "epoch", .keep = 1, .delete_checkpoint = false}));
  EXPECT_EQ(names_in(path).size(), 1u);
  const CheckpointInfo info = read_checkpoint_info(path + "/" + names_in(path)[0]);
  EXPECT_TRUE(info.is_of_fit);
  EXPECT_EQ(info.epoch, 2);
  EXPECT_EQ(info.step, 0);
  EXPECT_EQ(info.iterations, model.iterations());
  // A fit that has ended already has nothing to do.
  Sequential again = classifier(Device::cpu(), 8);
  const History history =
      again.fit(data().x, data().y, backed_up(path, {.delete_checkpoint = false}));
  EXPECT_TRUE(history.epoch.empty());
  EXPECT_EQ(flat(again.get_weights()), flat(model.get_weights()));
}

TEST(Checkpoints, ThatAreDamagedArePassedOver) {
  const test::TemporaryFolder folder;
  const std::string good = folder.write("backup/checkpoint-0000000001", "");
  const std::string newest = folder / "backup/checkpoint-0000000002";
  Sequential model = classifier(Device::cpu());
  FitOptions options{.epochs = 2, .verbose = 0, .batch_size = 8};
  options.on_train_batch_end = [&](std::int64_t step, LogsView) {
    if (step == 1) model.save_checkpoint(good);
    if (step == 2) model.save_checkpoint(newest);
  };
  model.fit(data().x, data().y, options);
  const std::string bytes = test::read_all(newest);
  for (const std::size_t at :
       {bytes.size() - 5, bytes.size() / 2, bytes.find("epoch"), std::size_t{3}}) {
    SCOPED_TRACE(at);
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    folder.write("backup/checkpoint-0000000002", damaged);
    Sequential next = classifier(Device::cpu(), 12);
    FitOptions again = backed_up(folder / "backup", {.keep = 9, .delete_checkpoint = false});
    std::vector<std::int64_t> steps;
    again.on_train_batch_begin = [&](std::int64_t step) { steps.push_back(step); };
    testing::internal::CaptureStderr();
    next.fit(data().x, data().y, again);
    EXPECT_TRUE(test::contains(testing::internal::GetCapturedStderr(),
                               "The checkpoint before it is taken"));
    EXPECT_EQ(steps[0], 2);
    EXPECT_EQ(flat(next.get_weights()), flat(model.get_weights()));
    for (const std::string& name : names_in(folder / "backup")) {
      if (name > "checkpoint-0000000002") fs::remove(folder / ("backup/" + name));
    }
  }
  // Where all of them are damaged, nothing is trained as if there were none.
  folder.write("backup/checkpoint-0000000001", "no checkpoint");
  Sequential next = classifier(Device::cpu());
  EXPECT_THROW(next.fit(data().x, data().y, backed_up(folder / "backup")), CallbackError);
  EXPECT_EQ(next.iterations(), 0);
}

TEST(Checkpoints, OfAnotherModelAreRefused) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.checkpoint";
  Sequential model = classifier(Device::cpu());
  model.fit(data().x, data().y, {.verbose = 0});
  model.save_checkpoint(path);
  Sequential other({Input({6}), Dense(8), Dense(4)}, {.name = "other"});
  other.compile({.optimizer = Adam(), .loss = "mse"});
  const auto before = flat(other.get_weights());
  EXPECT_THROW(other.restore_checkpoint(path), Error);
  EXPECT_EQ(flat(other.get_weights()), before);
  EXPECT_EQ(other.iterations(), 0);
  EXPECT_THROW(model.restore_checkpoint(folder / "nothing"), IoError);
  EXPECT_THROW(model.restore_checkpoint(folder.write("text", "no checkpoint at all")), IoError);
}

TEST(Checkpoints, OutsideOfAFitHoldTheModelAlone) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.checkpoint";
  Sequential model = classifier(Device::cpu());
  model.fit(data().x, data().y, {.verbose = 0});
  model.save_checkpoint(path);
  const auto weights = flat(model.get_weights());
  Sequential other = classifier(Device::cpu(), 77);
  const CheckpointInfo info = other.restore_checkpoint(path);
  EXPECT_FALSE(info.is_of_fit);
  EXPECT_EQ(flat(other.get_weights()), weights);
  EXPECT_EQ(other.iterations(), model.iterations());
  // Adam's slots and dropout's numbers go on as well.
  model.train_on_batch(data().x, data().y);
  other.train_on_batch(data().x, data().y);
  EXPECT_EQ(flat(other.get_weights()), flat(model.get_weights()));
}

TEST(Checkpoints, OfAFitGiveTheModelOutsideOfOne) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "fit.checkpoint";
  Sequential model = classifier(Device::cpu());
  std::vector<float> weights;
  model.fit(data().x, data().y,
            {.verbose = 0, .batch_size = 8, .on_train_batch_end = [&](std::int64_t step, LogsView) {
               if (step != 2) return;
               model.save_checkpoint(path);
               weights = flat(model.get_weights());
             }});
  Sequential other = classifier(Device::cpu(), 77);
  const CheckpointInfo info = other.restore_checkpoint(path);
  EXPECT_TRUE(info.is_of_fit);
  EXPECT_EQ(info.step, 3);
  EXPECT_EQ(flat(other.get_weights()), weights);
  EXPECT_EQ(other.iterations(), 3);
  const History history = other.fit(data().x, data().y, {.verbose = 0, .batch_size = 8});
  EXPECT_EQ(history.feed.batches, 5);  // a fit from its own beginning
}

TEST(Checkpoints, SayWhatASourceLacks) {
  const test::TemporaryFolder folder;
  Sequential model = classifier(Device::cpu());
  std::int64_t count = 0;
  auto source = generator<float, std::int32_t>(
      {.x = {4, 6}, .y = {4}},
      [count](BatchContext&, std::span<float> x, std::span<std::int32_t> y) mutable {
        std::ranges::fill(x, static_cast<float>(++count));
        std::ranges::fill(y, 1);
      });
  FitOptions options = backed_up(folder / "backup");
  options.steps_per_epoch = 2;
  const std::string message = test::message_of<CallbackError>([&] { model.fit(source, options); });
  EXPECT_TRUE(test::contains(message, "BackupAndRestore, on_train_begin(): ")) << message;
  EXPECT_TRUE(test::contains(message, "save_state and load_state")) << message;
  EXPECT_TRUE(test::contains(message, "pure(f)")) << message;
}

// A source whose state has 100 bytes.
class Large : public Counter {
 public:
  void save_state(std::vector<std::byte>& state) override {
    Counter::save_state(state);
    state.resize(100);
  }
  void load_state(std::span<const std::byte> state) override {
    Counter::load_state(state.first(sizeof(std::int64_t)));
  }
};

TEST(Checkpoints, TakeStatesOfSourcesUpToALimit) {
  const test::TemporaryFolder folder;
  Sequential model = classifier(Device::cpu());
  FitOptions options = backed_up(folder / "backup");
  options.steps_per_epoch = 2;
  options.max_state_bytes = 99;
  const std::string message = test::message_of<DataError>([&] { model.fit(Large(), options); });
  EXPECT_TRUE(test::contains(message, "expected a state of at most 99 bytes")) << message;
  EXPECT_TRUE(test::contains(message, "raise max_state_bytes")) << message;
  options = backed_up(folder / "backup");
  options.steps_per_epoch = 2;
  options.max_state_bytes = 100;
  EXPECT_NO_THROW(model.fit(Large(), options));
  options.max_state_bytes = -1;
  EXPECT_THROW(model.fit(Large(), options), ValueError);
}

TEST(Checkpoints, ThatCannotBeWrittenEndTheFitWithTheReason) {
  Sequential model = classifier(Device::cpu());
  const std::string message = test::message_of<CallbackError>(
      [&] { model.fit(data().x, data().y, backed_up("/proc/no/such")); });
  EXPECT_TRUE(test::contains(message, "/proc/no/such: expected a folder for checkpoints"))
      << message;
  EXPECT_THROW(BackupAndRestore(""), ValueError);
  EXPECT_THROW(BackupAndRestore("x", {.keep = 0}), ValueError);
  EXPECT_THROW(BackupAndRestore("x", {.save_freq = 0}), ValueError);
  EXPECT_THROW(BackupAndRestore("x", {.save_freq = "step"}), ValueError);
}

}  // namespace
}  // namespace stoker
