// Optimizers against Keras: two weights after each of eight steps with given gradients, and the
// slots after the last. The update is the step's own, over the flat buffers of a model's state.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "golden/from_config.h"
#include "golden/program.h"
#include "ops/ops.h"
#include "optimizers/optimizer.h"
#include "support/golden.h"
#include "train/network.h"
#include "train/state.h"
#include "train/update.h"

namespace stoker::test {
namespace {

// A model whose weights are those of the cases: "kernel" and "bias" of one Dense.
train::Network network_of(const GoldenCase& golden) {
  const Shape& kernel = golden.tensor("initial/kernel").shape();
  const stoker::Value input = Input({kernel[0]});
  return {{input}, Dense(kernel[1])(input)};
}

class Training {
 public:
  Training(const GoldenCase& golden, const optimizers::OptimizerBase& optimizer,
           const Variant& variant)
      : golden_(golden),
        slots_(optimizer.slot_names()),
        network_(network_of(golden)),
        state_(network_, 0, variant.threads, device::make_cpu_device()) {
    state_.prepare_training(network_, slots_.size());
    for (const train::Weight& weight : network_.weights()) {
      state_.write(weight, golden.tensor("initial/" + weight.spec.name));
    }
    plan::Scalars scalars = state_.read_scalars();
    scalars.learning_rate = static_cast<float>(optimizer.common().learning_rate);
    state_.write_scalars(scalars);
    compile(optimizer, variant);
  }

  void step(std::int64_t t) {
    for (const train::Weight& weight : network_.weights()) {
      const Tensor gradient = golden_.tensor("gradient/" + weight.spec.name).rows(t, t + 1);
      std::memcpy(memory_.gradients + weight.home.offset, gradient.raw(), gradient.bytes());
    }
    new (block_->data()) device::SlotHeader{ring_.cursor, 1};
    executable_->run(state_.stream(), &ring_);
    ASSERT_EQ(state_.read_scalars().error, plan::StepError::none);
    ASSERT_EQ(state_.read_scalars().iterations, t + 1);
    for (const train::Weight& weight : network_.weights()) {
      const Tensor value = state_.read(weight);
      const auto elements = value.data<float>();
      auto& all = values_["value/" + weight.spec.name];
      all.insert(all.end(), elements.begin(), elements.end());
    }
  }

  void compare(GoldenComparison& comparison) const {
    for (const auto& [name, values] : values_) comparison.expect(name, values);
    for (const train::Weight& weight : network_.weights()) {
      for (std::size_t i = 0; i < slots_.size(); ++i) {
        const std::byte* slot = memory_.slots[i] + weight.home.offset;
        comparison.expect(
            "slot/" + weight.spec.name + "_" + slots_[i],
            {reinterpret_cast<const float*>(slot), static_cast<std::size_t>(weight.count)});
      }
    }
  }

 private:
  void compile(const optimizers::OptimizerBase& optimizer, const Variant& variant) {
    auto graph = std::make_unique<graph::Graph>();
    ops::advance(ops::fill(*graph, {}, 0.0f));
    train::append_update(*graph, network_, optimizer,
                         std::vector<bool>(network_.weights().size(), true));
    executable_ = state_.backend().compile(std::move(graph), {}, {.optimize = variant.optimize});
    state_.reserve_arena(executable_->program().arena_bytes);
    memory_ = state_.memory();
    executable_->bind(memory_);
    block_ = state_.device().allocate_pinned(device::kHeaderBytes);
    ring_.blocks[0] = block_->data();
  }

  const GoldenCase& golden_;
  const std::vector<std::string> slots_;
  const train::Network network_;
  train::State state_;
  backend::Memory memory_;
  std::unique_ptr<backend::Executable> executable_;
  std::unique_ptr<device::Buffer> block_;  // of a batch without fields
  device::RingState ring_;
  std::map<std::string, std::vector<float>> values_;  // of all steps
};

class GoldenOptimizer : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenOptimizer, ComputesWhatKerasDoes) {
  const GoldenCase golden = load_golden("optimizers", GetParam());
  ASSERT_TRUE(golden.info["exclude_from_weight_decay"].items().empty());
  const Optimizer optimizer = optimizer_from(golden.class_name(), golden.config());
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(variant.name);
    GoldenComparison comparison(golden);
    Training training(golden, *optimizer.base(), variant);
    const std::int64_t steps = golden.tensor("gradient/kernel").shape()[0];
    for (std::int64_t t = 0; t < steps; ++t) training.step(t);
    training.compare(comparison);
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenOptimizer, ::testing::ValuesIn(golden_names("optimizers")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test
