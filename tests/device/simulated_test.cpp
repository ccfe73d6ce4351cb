// Training on a device with a GPU's manners: the same bits as on the CPU, uploads under compute,
// and faults that end in one error.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "device/device.h"
#include "feed/upload/pipeline.h"

namespace stoker {
namespace {

int threads_now() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task")) {
    ++count;
  }
  return count;
}

// Three full batches and a short one an epoch, different from epoch to epoch.
auto three_and_a_half(std::int64_t throw_at = -1) {
  return generator<float, std::int32_t>(
      {.x = {8, 6, 6, 1}, .y = {8}},
      [throw_at](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        if (batch.sequence == throw_at) throw std::runtime_error("no more");
        batch.random.fill_uniform(x);
        for (auto& label : y) label = static_cast<std::int32_t>(batch.random.integer(0, 3));
        return batch.index < 3 ? 8 : batch.index == 3 ? 5 : 0;
      });
}

Sequential make_model(Device device, int threads = 2) {
  Sequential model(
      {
          Input({6, 6, 1}),
          Conv2D(4, 3, {.activation = "relu"}),
          BatchNormalization(),
          MaxPooling2D(2),
          Flatten(),
          Dropout(0.2),
          Dense(3),
      },
      {.seed = 7, .threads = threads, .device = std::move(device)});
  model.compile({.optimizer = Adam({.learning_rate = 0.01}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

void expect_same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(std::memcmp(a[i].raw(), b[i].raw(), a[i].bytes()), 0) << "weight " << i;
  }
}

// Validation between the epochs takes its own way through the device, with its own cursor.
std::vector<Tensor> train(Device device, std::vector<double>* losses) {
  Sequential model = make_model(std::move(device));
  auto batches = three_and_a_half();
  auto validation = three_and_a_half();
  const History history =
      model.fit_generator(batches, {.epochs = 4, .verbose = 0, .validation_generator = validation});
  *losses = history["loss"];
  const auto& more = history["val_loss"];
  losses->insert(losses->end(), more.begin(), more.end());
  const Tensor predicted = model.predict(Tensor::normal({11, 6, 6, 1}, 0, 1, 3), {.batch_size = 4});
  auto result = model.get_weights();
  result.push_back(predicted);
  return result;
}

TEST(Simulated, TrainsToTheSameBitsAsTheCpu) {
  std::vector<double> cpu_losses;
  std::vector<double> simulated_losses;
  const auto cpu = train(Device::cpu(), &cpu_losses);
  const auto simulated = train(Device::simulated(), &simulated_losses);
  expect_same_bits(cpu, simulated);
  EXPECT_EQ(cpu_losses, simulated_losses);
}

TEST(Simulated, SlowUploadsAndStepsChangeNothing) {
  std::vector<double> fast;
  std::vector<double> slow;
  const auto a = train(Device::simulated(), &fast);
  const auto b =
      train(Device::simulated({.upload_bytes_per_second = 5e6, .step_seconds = 1e-3}), &slow);
  expect_same_bits(a, b);
  EXPECT_EQ(fast, slow);
}

// An upload of 4 ms fits under a step of 8 ms; one that waited for the step before it would be
// waited for itself, and one that the host waited for would make the launch late.
TEST(Simulated, UploadsRunUnderTheStepsBefore) {
  const double bytes = 4.0 * 8 * 37;
  Sequential model = make_model(
      Device::simulated({.upload_bytes_per_second = bytes / 4e-3, .step_seconds = 8e-3}));
  auto batches = generator<float, std::int32_t>(
      {.x = {8, 6, 6, 1}, .y = {8}},
      [](BatchContext&, std::span<float> x, std::span<std::int32_t>) { x[0] = 1.0f; });
  const FeedReport feed = model.fit(batches, {.steps_per_epoch = 30, .verbose = 0}).feed;
  EXPECT_GE(feed.upload.total(), 30 * 4e-3);
  EXPECT_LT(feed.waited_for_upload + feed.waited_for_launch, 0.25 * feed.upload.total());
}

TEST(Simulated, ABatchByHandGivesTheSameOnBothDevices) {
  const Tensor x = Tensor::normal({4, 6, 6, 1});
  const Tensor y = Tensor::from<std::int32_t>({4}, {0, 1, 2, 0});
  Sequential cpu = make_model(Device::cpu());
  Sequential simulated = make_model(Device::simulated());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(cpu.train_on_batch(x, y).loss(), simulated.train_on_batch(x, y).loss());
  }
  expect_same_bits(cpu.get_weights(), simulated.get_weights());
}

TEST(Simulated, AnExceptionInMidEpochLeavesTheModelUsable) {
  Sequential model = make_model(Device::simulated());
  auto throwing = three_and_a_half(6);
  try {
    model.fit_generator(throwing, {.epochs = 3, .verbose = 0});
    FAIL() << "expected DataError";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("no more"), std::string::npos) << error.what();
  }
  EXPECT_EQ(model.iterations(), 6);
  auto good = three_and_a_half();
  const History history = model.fit_generator(good, {.verbose = 0});
  EXPECT_TRUE(std::isfinite(history["loss"].back()));
}

// Steps are launched ahead of the device: the error is found later, but names its own step, and
// nothing after it was applied.
TEST(Simulated, ABadLabelNamesItsStepThoughOthersWereLaunched) {
  Sequential model = make_model(Device::simulated({.step_seconds = 2e-3}));
  auto bad = generator<float, std::int32_t>(
      {.x = {8, 6, 6, 1}, .y = {8}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        for (auto& label : y) label = batch.sequence == 4 ? 99 : 1;
      });
  try {
    model.fit_generator(bad, {.steps_per_epoch = 20, .verbose = 0});
    FAIL() << "expected DataError";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("step 5 of epoch 1"), std::string::npos)
        << error.what();
    EXPECT_NE(std::string(error.what()).find("label 99"), std::string::npos) << error.what();
  }
  EXPECT_EQ(model.iterations(), 4);
}

TEST(Simulated, OutOfMemoryIsADeviceError) {
  // Every allocation in turn is refused, until one training gets through.
  int refused = 0;
  for (std::int64_t n = 1; n < 100; ++n) {
    try {
      Sequential model = make_model(Device::simulated({.refuse_allocation = n}));
      auto batches = three_and_a_half();
      model.fit_generator(batches, {.verbose = 0});
      break;
    } catch (const DeviceError& error) {
      ++refused;
      EXPECT_NE(std::string(error.what()).find("bytes"), std::string::npos) << error.what();
    }
  }
  EXPECT_GT(refused, 5);
  EXPECT_LT(refused, 90);
}

TEST(Simulated, StreamsDoNotJitterAlike) {
  const auto device =
      device::make_simulated_device({.upload_bytes_per_second = 1e6, .jitter = 0.5});
  const auto memory = device->allocate(20'000);
  const std::vector<std::byte> from(20'000);
  std::vector<double> seconds;
  for (int i = 0; i < 2; ++i) {
    const auto stream = device->make_stream();
    const auto begin = device->make_timed_event();
    const auto end = device->make_timed_event();
    stream->record(*begin);
    stream->copy_to_device(memory->data(), from.data(), from.size());
    stream->record(*end);
    stream->synchronize();
    seconds.push_back(end->seconds_since(*begin));
  }
  // 20 ms, half of it more or less; handing commands over takes microseconds.
  EXPECT_GT(std::abs(seconds[0] - seconds[1]), 1e-3);
}

// Slots that uploads still read come back only when the trainer asks for the next batch.
TEST(Simulated, AQueueThatIsMadeShorterDoesNotKeepTheWorkersFromTheirSlots) {
  const auto device = device::make_simulated_device({.step_seconds = 0.0});
  const auto compute = device->make_stream();
  auto source = generator<float>({.x = {2, 8}}, [](BatchContext&, std::span<float>) {});
  feed::Pipeline pipeline(source.source(),
                          {.steps_per_epoch = 400, .max_queue_size = 20, .timeout_seconds = 20.0},
                          *device, *compute);
  std::int64_t batches = 0;
  while (const auto batch = pipeline.next()) {
    pipeline.consumed(*batch);
    if (++batches % 50 == 0) pipeline.feed().set_queue_size(static_cast<int>(1 + batches / 50 % 4));
  }
  EXPECT_EQ(batches, 400);
}

TEST(Simulated, WithoutPinnedMemoryTrainingGivesTheSameWeights) {
  const auto weights = [](const SimulatedOptions& options) {
    Sequential model = make_model(Device::simulated(options));
    auto batches = three_and_a_half();
    model.fit_generator(batches, {.epochs = 2, .verbose = 0});
    std::vector<float> all;
    for (const Tensor& weight : model.get_weights()) {
      const auto values = weight.data<float>();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  };
  EXPECT_EQ(weights({.refuse_pinned = true}), weights({}));
}

TEST(Simulated, ABrokenOrLostDeviceEndsInOneErrorWhereverItHappens) {
  const int threads = threads_now();
  for (const bool lost : {false, true}) {
    int broken = 0;
    for (std::int64_t call = 1; call < 400; call += 7) {
      SimulatedOptions options;
      (lost ? options.lose_at_call : options.break_at_call) = call;
      const Device device = Device::simulated(options);
      EXPECT_FALSE(device.is_lost());
      try {
        Sequential model = make_model(device);
        auto batches = three_and_a_half();
        model.fit_generator(batches, {.epochs = 3, .verbose = 0});
      } catch (const DeviceError& error) {
        ++broken;
        EXPECT_TRUE(device.is_lost());
        EXPECT_NE(std::string(error.what()).find(lost ? "lost" : "sticky"), std::string::npos)
            << error.what();
      }
    }
    EXPECT_GT(broken, 20);
  }
  // TBB's own workers stay, and a joined thread may still be listed for a moment; no stream and no
  // feed of these hundred stays.
  EXPECT_LT(threads_now(), threads + 10);
}

TEST(Simulated, AThousandStartsAndStopsLeaveNoThread) {
  Sequential model({Input({4}), Dense(2)}, {.threads = 1, .device = Device::simulated()});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  auto batches = generator<float, float>({.x = {2, 4}, .y = {2, 2}},
                                         [](BatchContext&, std::span<float>, std::span<float>) {});
  model.fit_generator(batches, {.steps_per_epoch = 1, .verbose = 0});
  const int before = threads_now();
  for (int i = 0; i < 1000; ++i) {
    model.fit_generator(batches, {.steps_per_epoch = 2, .verbose = 0});
  }
  // A thread that has been joined may still be listed for a moment.
  EXPECT_LT(threads_now(), before + 10);
  EXPECT_EQ(model.iterations(), 2001);
}

// A wait covers what was recorded before it, and no more.
TEST(Simulated, EventsCoverWhatWasRecorded) {
  const auto device = device::make_simulated_device({});
  const auto stream = device->make_stream();
  const auto other = device->make_stream();
  const auto event = device->make_event();
  other->wait(*event);  // nothing recorded yet: passes at once
  other->synchronize();
  EXPECT_TRUE(event->has_passed());
  const auto a = device->allocate(1024);
  const auto b = device->allocate_pinned(1024);
  std::memset(b->data(), 42, 1024);
  stream->copy_to_device(a->data(), b->data(), 1024);
  stream->record(*event);
  other->wait(*event);
  std::byte seen{};
  other->copy_to_host(&seen, a->data() + 1023, 1);
  other->synchronize();
  EXPECT_EQ(seen, std::byte{42});
  EXPECT_TRUE(event->has_passed());
}

}  // namespace
}  // namespace stoker
