// Optimizers against Keras: two weights after each of eight steps with given gradients, and the
// slots after the last. The update is the step's own, over the flat buffers of a model's state.
#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "golden/program.h"
#include "ops/ops.h"
#include "optimizers/optimizer.h"
#include "support/device_under_test.h"
#include "support/golden.h"
#include "train/network/network.h"
#include "train/runtime/state.h"
#include "train/runtime/update.h"

namespace stoker::test {
namespace {

// A model whose weights are those of the cases: "kernel" and "bias" of one Dense.
train::Network network_of(const GoldenCase& golden) {
  const Shape& kernel = golden.tensor("initial/kernel").shape();
  const stoker::Value input = Input({kernel[0]});
  return {{input}, {Dense(kernel[1])(input)}};
}

class Training {
 public:
  Training(const GoldenCase& golden, const Optimizer& handle, const Variant& variant)
      : golden_(golden),
        optimizer_(handle),
        slots_(handle.base()->slot_names()),
        network_(network_of(golden)),
        state_(network_, 0, variant.threads, device_under_test().device) {
    const optimizers::OptimizerBase& optimizer = *optimizer_.base();
    state_.prepare_training(network_, slots_.size(), optimizer.slot_values());
    for (const train::Weight& weight : network_.weights()) {
      state_.write(weight, golden.tensor("initial/" + weight.spec.name));
    }
    plan::Scalars scalars = state_.read_scalars();
    scalars.learning_rate = static_cast<float>(optimizer.common().learning_rate.at(0));
    state_.write_scalars(scalars);
    compile(variant);
  }

  void step(std::int64_t t) {
    for (const train::Weight& weight : network_.weights()) {
      const Tensor gradient = golden_.tensor("gradient/" + weight.spec.name).rows(t, t + 1);
      state_.stream().copy_to_device(memory_.gradients + weight.gradient_offset,
                                     static_cast<const std::byte*>(gradient.raw()),
                                     gradient.bytes());
      state_.stream().synchronize();
    }
    new (block_.host()) device::SlotHeader{static_cast<std::uint64_t>(t), 1};
    block_.upload(state_.stream());
    executable_->run(state_.stream(), reinterpret_cast<device::RingState*>(ring_.device()));
    ASSERT_EQ(state_.read_scalars().error, plan::StepError::none);
    ASSERT_EQ(state_.read_scalars().iterations, t + 1);
    for (const train::Weight& weight : network_.weights()) {
      const Tensor value = state_.read(weight);
      const auto elements = value.data<float>();
      auto& all = values_["value/" + weight.spec.name];
      all.insert(all.end(), elements.begin(), elements.end());
      if (const auto average = optimizer_.base()->average_slot()) {
        const std::vector<float> averages = slot(weight, *average);
        auto& all_averages = values_["average/" + weight.spec.name];
        all_averages.insert(all_averages.end(), averages.begin(), averages.end());
      }
    }
  }

  void compare(GoldenComparison& comparison) {
    const std::int64_t iterations = state_.read_scalars().iterations;
    if (const auto product = optimizer_.base()->momentum_product(iterations)) {
      comparison.expect("slot/variable", std::vector<float>{*product});
    }
    for (const auto& [name, values] : values_) comparison.expect(name, values);
    for (const train::Weight& weight : network_.weights()) {
      for (std::size_t i = 0; i < slots_.size(); ++i) {
        comparison.expect("slot/" + weight.spec.name + "_" + slots_[i], slot(weight, i));
      }
      // When a fit ends, the averages are the weights.
      if (const auto average = optimizer_.base()->average_slot()) {
        comparison.expect("finalized/" + weight.spec.name, slot(weight, *average));
      }
    }
  }

 private:
  std::vector<float> slot(const train::Weight& weight, std::size_t number) {
    std::vector<float> values(static_cast<std::size_t>(weight.count));
    state_.stream().copy_to_host(reinterpret_cast<std::byte*>(values.data()),
                                 memory_.slots[number] + weight.home.offset,
                                 values.size() * sizeof(float));
    state_.stream().synchronize();
    return values;
  }

  void compile(const Variant& variant) {
    auto graph = std::make_unique<graph::Graph>();
    ops::advance(ops::fill(*graph, {}, 0.0f));
    train::append_update(*graph, network_, *optimizer_.base(),
                         std::vector<bool>(network_.weights().size(), true),
                         optimizer_.excluded_from_weight_decay());
    executable_ = state_.backend().compile(std::move(graph), {}, {.optimize = variant.optimize});
    state_.reserve_arena(executable_->program().arena_bytes);
    memory_ = state_.memory();
    executable_->bind(memory_);
    (new (ring_.host()) device::RingState)->blocks[0] = block_.device();
    ring_.upload(state_.stream());
  }

  const GoldenCase& golden_;
  const Optimizer optimizer_;
  const std::vector<std::string> slots_;
  train::Network network_;
  train::State state_;
  backend::Memory memory_;
  std::unique_ptr<backend::Executable> executable_;
  const SharedMemory block_{device::kHeaderBytes};  // of a batch without fields
  const SharedMemory ring_{sizeof(device::RingState)};
  std::map<std::string, std::vector<float>> values_;  // of all steps
};

class GoldenOptimizer : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenOptimizer, ComputesWhatKerasDoes) {
  const GoldenCase golden = load_golden("optimizers", GetParam());
  Optimizer optimizer = optimizer_from_config(golden.object());
  std::vector<std::string> excluded;
  for (const Config& name : golden.info["exclude_from_weight_decay"].list_items()) {
    excluded.push_back(name.string());
  }
  optimizer.exclude_from_weight_decay(excluded);
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(variant.name);
    GoldenComparison comparison(golden);
    Training training(golden, optimizer, variant);
    const std::int64_t steps = golden.tensor("gradient/kernel").shape()[0];
    for (std::int64_t t = 0; t < steps; ++t) training.step(t);
    training.compare(comparison);
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenOptimizer, ::testing::ValuesIn(golden_names("optimizers")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test
