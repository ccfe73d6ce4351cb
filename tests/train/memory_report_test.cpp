// What a model says it keeps on its device, and what it says when there is no room.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <atomic>
#include <cstring>
#include <stdexcept>

#include "device/device.h"

namespace stoker {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

std::int64_t used(const Device& device) {
  const auto memory = device.base()->memory();
  return memory->total - memory->free;
}

Sequential dense(Device device, const Optimizer& optimizer = Adam()) {
  Sequential model({Input({3}), Dense(4)}, {.device = std::move(device)});
  model.compile({.optimizer = optimizer, .loss = "mse"});
  return model;
}

// A training step needs a little more than 8 KiB a row: the first layer's result and its gradient.
Sequential wide(Device device) {
  Sequential model({Input({8}), Dense(1024, {.activation = "tanh"}), Dense(2)},
                   {.seed = 5, .threads = 1, .device = std::move(device)});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  return model;
}

struct Rows {
  explicit Rows(std::int64_t count)
      : x(Tensor::normal({count, 8}, 0, 1, 1)), y(Tensor::normal({count, 2}, 0, 1, 2)) {}
  Tensor x;
  Tensor y;
};

const LayerMemory& layer(const MemoryReport& report, const std::string& name) {
  for (const LayerMemory& row : report.layers) {
    if (row.name == name) return row;
  }
  throw std::runtime_error("no row " + name);
}

std::string message_of_fit(Model& model, const Rows& rows, std::int64_t batch_size) {
  try {
    model.fit(rows.x, rows.y, {.verbose = 0, .batch_size = batch_size});
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

// The N of "Batches of N fit"; 0 where there is none.
std::int64_t named_batch(const std::string& message) {
  const std::string before = "Batches of ";
  const std::size_t at = message.find(before);
  return at == std::string::npos ? 0 : std::stoll(message.substr(at + before.size()));
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(a[i].raw(), b[i].raw(), a[i].bytes()) != 0) return false;
  }
  return a.size() == b.size();
}

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "no \"" << (part) << "\" in: " << (text)

// ---- The report ----

TEST(MemoryReport, KnowsTheWeightsBeforeCompile) {
  const Sequential model({Input({3}), Dense(4), BatchNormalization()}, {.device = Device::cpu()});
  const MemoryReport report = model.memory_report();
  // Kernel, bias, gamma and beta; the moving mean and variance. Each takes a multiple of 256 bytes.
  EXPECT_EQ(report.parameters, 4 * 256);
  EXPECT_EQ(report.state, 2 * 256);
  EXPECT_EQ(report.gradients, 0);
  EXPECT_EQ(report.optimizer_slots, 0);
  EXPECT_EQ(report.arena, 0);
  EXPECT_EQ(report.largest_plan(), nullptr);
  ASSERT_EQ(report.layers.size(), 2u);
  EXPECT_EQ(layer(report, "dense").weights, 2 * 256);
  EXPECT_EQ(layer(report, "batch_normalization").weights, 4 * 256);
  EXPECT_EQ(layer(report, "batch_normalization").class_name, "BatchNormalization");
}

TEST(MemoryReport, KnowsGradientsAndSlotsAfterCompile) {
  const MemoryReport adam = dense(Device::cpu(), Adam()).memory_report();
  EXPECT_EQ(adam.gradients, 2 * 256);
  EXPECT_EQ(adam.optimizer_slots, 2 * 2 * 256);
  EXPECT_EQ(layer(adam, "dense").gradients, 2 * 256);
  EXPECT_EQ(layer(adam, "dense").optimizer_slots, 2 * 2 * 256);
  const MemoryReport sgd = dense(Device::cpu(), SGD()).memory_report();
  EXPECT_EQ(sgd.gradients, 2 * 256);
  EXPECT_EQ(sgd.optimizer_slots, 0);
}

TEST(MemoryReport, GivesEachLayerItsValuesOfTheArena) {
  Sequential model({Input({8}), Dense(16, {.activation = "tanh"}), Dense(2)},
                   {.threads = 1, .device = Device::cpu()});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const std::int64_t rows = 65536;
  const MemoryReport report = model.memory_report(rows);
  // Tanh overwrites what it is of. The second layer makes the gradient of the first one's result,
  // and tanh's gradient overwrites that. The loss has a number a row, and its gradient overwrites
  // the second layer's result. The kernels' workspaces come on top; these are the CPU's own.
  const auto expect = [&](const char* what, std::int64_t bytes, std::int64_t floats_a_row) {
    const std::int64_t values = rows * floats_a_row * 4;
    EXPECT_GE(bytes, values) << what;
    EXPECT_LE(bytes, values + values / 8) << what;
  };
  expect("dense", layer(report, "dense").activations, 16);
  expect("dense_1", layer(report, "dense_1").activations, 2 + 16);
  expect("loss", layer(report, "loss").activations, 1);
  // All but the loss's number live when the second layer goes backwards.
  expect("arena", report.arena, 16 + 2 + 16);
}

TEST(MemoryReport, TotalIsWhatTheDeviceHasGiven) {
  const Device device = Device::simulated({.memory_bytes = 64 * kMiB});
  Sequential model = wide(device);
  EXPECT_EQ(model.memory_report().total(), used(device));
  const Rows rows(100);
  model.fit(rows.x, rows.y, {.verbose = 0, .batch_size = 32});
  EXPECT_EQ(model.memory_report().total(), used(device));
  model.evaluate(rows.x, rows.y, {.verbose = 0, .batch_size = 64});
  model.predict(rows.x);
  EXPECT_EQ(model.memory_report().total(), used(device));
  model.train_on_batch(rows.x, rows.y);
  EXPECT_GT(model.memory_report().batches, 0);
  EXPECT_EQ(model.memory_report().total(), used(device));
  model.compile({.optimizer = SGD(), .loss = "mse"});
  EXPECT_EQ(model.memory_report().arena, 0);
  EXPECT_EQ(model.memory_report().total(), used(device));
}

TEST(MemoryReport, PlansShareOneArenaAsLargeAsTheLargestNeeds) {
  Sequential model = wide(Device::simulated());
  const Rows rows(100);
  model.fit(rows.x, rows.y, {.verbose = 0, .batch_size = 64});
  const std::int64_t training = model.memory_report().arena;
  model.evaluate(rows.x, rows.y, {.verbose = 0, .batch_size = 64});
  model.predict(rows.x, {.batch_size = 10});
  MemoryReport report = model.memory_report();
  EXPECT_EQ(report.arena, training);
  ASSERT_EQ(report.plans.size(), 5u);  // batches of 64 and 36, twice; of 10
  EXPECT_EQ(report.largest_plan()->mode, "training");
  EXPECT_EQ(report.largest_plan()->rows, 64);
  EXPECT_EQ(report.largest_plan()->arena, training);
  model.evaluate(rows.x, rows.y, {.verbose = 0, .batch_size = 100});
  model.fit(rows.x, rows.y, {.verbose = 0, .batch_size = 100});
  report = model.memory_report();
  EXPECT_GT(report.arena, training);
  EXPECT_EQ(report.largest_plan()->rows, 100);
  EXPECT_EQ(report.largest_plan()->arena, report.arena);
}

TEST(MemoryReport, ForABatchSizeAllocatesNothingAndIsRight) {
  const Device device = Device::simulated({.memory_bytes = 4 * kMiB});
  Sequential model = wide(device);
  const std::int64_t before = used(device);
  EXPECT_GT(model.memory_report(1'000'000).total(), 1000 * kMiB);
  const MemoryReport expected = model.memory_report(48);
  EXPECT_EQ(used(device), before);
  EXPECT_TRUE(model.memory_report().plans.empty());
  const Rows rows(48);
  model.fit(rows.x, rows.y, {.verbose = 0, .batch_size = 48});
  const MemoryReport report = model.memory_report();
  EXPECT_EQ(report.arena, expected.arena);
  EXPECT_EQ(report.metrics, expected.metrics);
  EXPECT_EQ(layer(report, "dense").activations, layer(expected, "dense").activations);
  EXPECT_THROW(model.memory_report(0), ValueError);
}

TEST(MemoryReport, TextIsATable) {
  Sequential model = dense(Device::cpu());
  const std::string text = model.memory_report(8).text();
  EXPECT_CONTAINS(text, "Memory of model \"sequential\" on cpu");
  EXPECT_CONTAINS(text,
                  "│ dense (Dense)                   │    512.00 B │    512.00 B │     1.00 KB");
  EXPECT_CONTAINS(text, " Optimizer slots: 1.00 KB\n");
  EXPECT_CONTAINS(text, "   training on batches of 8: ");
}

// ---- Out of memory ----

TEST(OutOfMemory, TheMessageNamesNeedsLayersAndABatchThatFits) {
  Sequential model = wide(Device::simulated({.memory_bytes = 4 * kMiB}));
  const std::string message = message_of_fit(model, Rows(4096), 4096);
  EXPECT_CONTAINS(message,
                  "Model \"sequential\": out of memory: training on batches of 4096 needs ");
  EXPECT_CONTAINS(message, " of simulated's memory (arena ");
  EXPECT_CONTAINS(message, " of 4.00 MB are free. Batches of ");
  // Both take 16 MB and a bit, which depends on the kind of CPU, and so does their order.
  EXPECT_CONTAINS(message, ". Largest: Dense \"dense");
  EXPECT_CONTAINS(message, " Dense \"dense_1\" 16.");
  EXPECT_CONTAINS(message, " Dense \"dense\" 16.");
  EXPECT_CONTAINS(message, "simulated: out of memory: no ");
  EXPECT_GT(named_batch(message), 64) << message;
}

TEST(OutOfMemory, TheBatchThatIsNamedFitsAndTwiceOfItDoesNot) {
  for (const std::int64_t mebibytes : {1, 2, 3, 7, 11}) {
    Sequential model = wide(Device::simulated({.memory_bytes = mebibytes * kMiB}));
    const Rows rows(8192);
    const std::int64_t named = named_batch(message_of_fit(model, rows, 8192));
    ASSERT_GT(named, 0) << mebibytes;
    EXPECT_NE(message_of_fit(model, rows, 2 * named), "") << named;
    EXPECT_EQ(message_of_fit(model, rows, named), "") << named;
    const std::int64_t quarter_more = named + std::max<std::int64_t>(8, named / 4);
    EXPECT_NE(message_of_fit(model, rows, quarter_more), "") << named;
  }
}

TEST(OutOfMemory, SaysSoWhenNothingFits) {
  const Device device = Device::simulated({.memory_bytes = 1 * kMiB});
  Sequential model = wide(device);
  const auto taken =
      device.base()->allocate(static_cast<std::size_t>(device.base()->memory()->free - 1024));
  EXPECT_CONTAINS(message_of_fit(model, Rows(64), 64), ". Not even batches of 1 fit (");
  EXPECT_CONTAINS(message_of_fit(model, Rows(1), 1), ". Even one row does not fit");
}

TEST(OutOfMemory, SlotsOfTheFeedCountToo) {
  // Large rows, hardly any work: what a batch takes is mostly the feed's slots on the device.
  const Device device = Device::simulated({.memory_bytes = 4 * kMiB});
  Sequential model({Input({4096}), Dense(1)}, {.device = device});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const Tensor x = Tensor::normal({256, 4096}, 0, 1, 1);
  const Tensor y = Tensor::normal({256, 1}, 0, 1, 2);
  std::string message;
  try {
    model.fit(x, y, {.verbose = 0, .batch_size = 256});
  } catch (const DeviceError& error) {
    message = error.what();
  }
  EXPECT_CONTAINS(message, "training on batches of 256 needs ");
  const std::int64_t named = named_batch(message);
  EXPECT_GT(named, 32) << message;
  EXPECT_LT(named, 86) << message;  // three of 16 KiB a row
  model.fit(x, y, {.verbose = 0, .batch_size = named});
}

TEST(OutOfMemory, NothingIsAskedOfTheSourceAndTheWeightsStay) {
  Sequential model = wide(Device::simulated({.memory_bytes = 4 * kMiB}));
  const Rows rows(512);
  model.fit(rows.x, rows.y, {.verbose = 0, .batch_size = 32});
  const std::vector<Tensor> weights = model.get_weights();
  const std::int64_t iterations = model.iterations();
  std::atomic<int> calls = 0;
  auto large =
      generator<float, float>({.x = {4096, 8}, .y = {4096, 2}},
                              [&](BatchContext&, std::span<float>, std::span<float>) { ++calls; });
  EXPECT_THROW(model.fit(large, {.steps_per_epoch = 1, .verbose = 0}), DeviceError);
  // Validation too is looked at before the training begins.
  FitOptions options{.verbose = 0, .batch_size = 32};
  options.validation_generator = large;
  options.validation_steps = 1;
  EXPECT_THROW(model.fit(rows.x, rows.y, options), DeviceError);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(model.iterations(), iterations);
  EXPECT_TRUE(same_bits(model.get_weights(), weights));
}

// As if nothing had happened: optimizer slots and counters are what they were.
TEST(OutOfMemory, TrainingGoesOnWhereItWas) {
  const Rows rows(4096);
  const auto train = [&](const Device& device, bool fails_between) {
    Sequential model = wide(device);
    const Tensor x = rows.x;
    model.fit(x, rows.y, {.verbose = 0, .batch_size = 64});
    if (fails_between) {
      EXPECT_NE(message_of_fit(model, rows, 4096), "");
      EXPECT_THROW(model.predict(rows.x, {.batch_size = 4096}), DeviceError);
      EXPECT_THROW(model.train_on_batch(rows.x, rows.y), DeviceError);
    }
    model.fit(x, rows.y, {.verbose = 0, .batch_size = 64});
    return model.get_weights();
  };
  EXPECT_TRUE(same_bits(train(Device::simulated({.memory_bytes = 2 * kMiB}), true),
                        train(Device::simulated(), false)));
}

TEST(OutOfMemory, CompileSaysWhatItNeedsAndCanBeCalledAgain) {
  const Device device = Device::simulated({.memory_bytes = 256 * 1024});
  Sequential model({Input({8}), Dense(2048)}, {.device = device});
  const std::vector<Tensor> weights = model.get_weights();
  try {
    model.compile({.optimizer = Adam(), .loss = "mse"});
    FAIL() << "expected DeviceError";
  } catch (const DeviceError& error) {
    const std::string message = error.what();
    EXPECT_CONTAINS(message, "compile: out of memory: the gradients and 2 optimizer slots need 3");
    EXPECT_CONTAINS(message, "Largest: Dense \"dense\" 72.00 KB");
  }
  EXPECT_EQ(model.memory_report().gradients, 0);
  EXPECT_THROW(model.memory_report(1), ValueError);  // not compiled
  model.compile({.optimizer = SGD(), .loss = "mse"});
  EXPECT_TRUE(same_bits(model.get_weights(), weights));
  model.train_on_batch(Tensor::normal({2, 8}), Tensor::normal({2, 2048}));
}

TEST(OutOfMemory, AnyRefusedAllocationLeavesTheModelUsable) {
  const Rows rows(40);
  const FitOptions options{.epochs = 2, .verbose = 0, .batch_size = 16};
  const auto compile = [](Model& model) {
    model.compile({.optimizer = Adam(), .loss = "mse", .metrics = {"mae"}});
  };
  const auto build = [](const Device& device) {
    return Sequential({Input({8}), Dense(16), Dense(2)}, {.threads = 1, .device = device});
  };
  Sequential undisturbed = build(Device::cpu());
  compile(undisturbed);
  undisturbed.fit(rows.x, rows.y, options);
  const std::vector<Tensor> expected = undisturbed.get_weights();
  int refused = 0;
  bool was_refused = true;
  for (std::int64_t n = 4; was_refused; ++n) {  // the first three are the weights' and scalars'
    ASSERT_LT(n, 100);
    Sequential model = build(Device::simulated({.refuse_allocation = n}));
    was_refused = false;
    try {
      compile(model);
    } catch (const DeviceError&) {
      was_refused = true;
      compile(model);
    }
    try {
      model.fit(rows.x, rows.y, options);
    } catch (const DeviceError&) {
      was_refused = true;
      model.fit(rows.x, rows.y, options);
    }
    refused += was_refused ? 1 : 0;
    EXPECT_TRUE(same_bits(model.get_weights(), expected)) << n;
  }
  EXPECT_GE(refused, 9);  // gradients, two slots, totals, arena, the ring's state and three slots
}

}  // namespace
}  // namespace stoker
