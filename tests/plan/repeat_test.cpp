// A program computes the same bits each time, whatever the arena held before.
#include <gtest/gtest.h>

#include <tbb/global_control.h>

#include <cmath>
#include <cstring>
#include <new>
#include <vector>

#include "backend/backend.h"
#include "plan/training_graph.h"

namespace stoker {
namespace {

constexpr int kSteps = 4;

struct Result {
  std::vector<float> parameters;
  float total = 0.0f;
  plan::Scalars scalars;
};

float number(std::size_t i) {
  return static_cast<float>((i * 7919 + 104729) % 2003) / 1001.0f - 1.0f;
}

std::unique_ptr<device::Buffer> batch(device::Device& device, std::uint64_t step) {
  auto block = device.allocate(static_cast<std::size_t>(test::TrainingGraph::kInputBytes));
  new (block->data()) device::SlotHeader{.sequence = step};
  auto* pixels = reinterpret_cast<float*>(block->data() + device::kHeaderBytes);
  for (std::size_t i = 0; i < test::TrainingGraph::kRows * 256; ++i) pixels[i] = number(i + step);
  auto* labels = reinterpret_cast<std::int32_t*>(block->data() + test::TrainingGraph::kLabelOffset);
  for (int i = 0; i < test::TrainingGraph::kRows; ++i) labels[i] = i % 10;
  return block;
}

struct Options {
  int threads = 2;
  bool optimize = true;
  int garbage = 0;  // what every byte of the arena is before a step
};

Result train(const Options& options) {
  const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, 4);
  test::TrainingGraph training;
  const auto weights = static_cast<std::size_t>(training.parameter_bytes);
  const auto backend = backend::make_cpu_backend(options.threads);
  const auto executable = backend->compile(std::move(training.graph), {training.logits.id},
                                           {.optimize = options.optimize});
  const auto device = device::make_cpu_device();
  const auto stream = device->make_stream();
  const auto arena = device->allocate(static_cast<std::size_t>(executable->program().arena_bytes));
  const auto parameters = device->allocate(weights), gradients = device->allocate(weights);
  const auto velocity = device->allocate(weights), metrics = device->allocate(256);
  auto* values = reinterpret_cast<float*>(parameters->data());
  for (std::size_t i = 0; i < weights / 4; ++i) values[i] = 0.1f * number(i);

  Result result;
  backend::Memory memory;
  memory.arena = arena->data();
  memory.parameters = parameters->data();
  memory.gradients = gradients->data();
  memory.slots = {velocity->data()};
  memory.metrics = metrics->data();
  memory.scalars = &result.scalars;
  executable->bind(memory);
  device::RingState ring;
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    const auto block = batch(*device, step);
    ring.blocks[0] = block->data();
    std::memset(arena->data(), options.garbage, arena->bytes());
    executable->run(*stream, &ring);
  }
  result.parameters.assign(values, values + weights / 4);
  std::memcpy(&result.total, metrics->data(), sizeof result.total);
  return result;
}

void expect_same_bits(const Result& a, const Result& b) {
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  EXPECT_EQ(std::memcmp(a.parameters.data(), b.parameters.data(), a.parameters.size() * 4), 0);
  EXPECT_EQ(a.total, b.total);
}

TEST(Program, trains) {
  const Result result = train({});
  EXPECT_EQ(result.scalars.error, plan::StepError::none);
  EXPECT_EQ(result.scalars.step, static_cast<std::uint32_t>(kSteps));
  EXPECT_TRUE(std::isfinite(result.total));
  // A uniform guess loses log 10 a step; the first one is close to that.
  EXPECT_LT(result.total, kSteps * std::log(10.0f) + 0.5f);
}

TEST(Program, gives_the_same_bits_twice) {
  for (const int threads : {1, 2}) {
    SCOPED_TRACE(threads);
    expect_same_bits(train({.threads = threads}), train({.threads = threads}));
  }
}

TEST(Program, reads_nothing_of_the_arena_that_it_has_not_written) {
  expect_same_bits(train({.garbage = 0}), train({.garbage = 0xff}));
}

TEST(Program, trains_the_same_without_the_passes) {
  const Result fused = train({}), plain = train({.optimize = false});
  for (std::size_t i = 0; i < fused.parameters.size(); ++i) {
    // Rounding in a few steps of training; a weight is at most about 1.
    ASSERT_NEAR(fused.parameters[i], plain.parameters[i], 1e-5) << "parameter " << i;
  }
  EXPECT_NEAR(fused.total, plain.total, 1e-4);
}

}  // namespace
}  // namespace stoker
