// Kernels of a program's own as functions of values.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

// y = x^3, element by element.
KernelDefinition cube() {
  return {.name = "cube",
          .cpu =
              [](const KernelData& data, std::int64_t begin, std::int64_t end) {
                for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end);
                     ++i) {
                  data.outputs[0][i] = data.inputs[0][i] * data.inputs[0][i] * data.inputs[0][i];
                }
              },
          .cuda =
              "__device__ void cube(const float* const* in, float* const* out, long long i) {\n"
              "  out[0][i] = in[0][i] * in[0][i] * in[0][i];\n"
              "}\n",
          .gradient =
              [](const std::vector<Value>& inputs, const std::vector<Value>&,
                 const std::vector<Value>& gradients) {
                return std::vector<Value>{3.0 * ops::square(inputs[0]) * gradients[0]};
              }};
}

Sequential with_layer(const Layer& layer) {
  return Sequential({Input({4}), Dense(6), layer, Dense(2)}, {.seed = 1, .device = Device::cpu()});
}

const Tensor kX = Tensor::normal({300, 4}, 0.0f, 1.0f, 1),
             kY = Tensor::normal({300, 2}, 0.0f, 1.0f, 2);

TEST(Kernels, train_as_the_function_that_they_are) {
  for (const char* policy : {"float32", "mixed_bfloat16"}) {
    const auto trained = [&](const Layer& layer) {
      Sequential model({Input({4}), Dense(6), layer, Dense(2)},
                       {.seed = 1, .device = Device::cpu(), .dtype_policy = policy});
      model.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
      double loss = 0.0;
      for (int i = 0; i < 5; ++i) loss = model.train_on_batch(kX, kY)["loss"];
      return loss;
    };
    const Layer by_kernel =
        Lambda([](const Value& x) { return ops::kernel(cube(), {x}, {x.shape()})[0]; });
    const Layer by_ops = Lambda([](const Value& x) {
      const Value wide = ops::cast(x, DType::float32);
      return wide * wide * wide;
    });
    // The two round to bfloat16 at different places.
    const double tolerance = std::string(policy) == "float32" ? 1e-5 : 2e-3;
    EXPECT_NEAR(trained(by_kernel), trained(by_ops), tolerance) << policy;
  }
}

TEST(Kernels, compute_items_that_are_not_elements) {
  // The largest of each row.
  const KernelDefinition largest{
      .name = "largest",
      .cpu =
          [](const KernelData& data, std::int64_t begin, std::int64_t end) {
            for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end);
                 ++row) {
              const auto values = data.inputs[0].subspan(row * 4, 4);
              data.outputs[0][row] = *std::ranges::max_element(values);
            }
          },
      .cuda =
          "__device__ void largest(const float* const* in, float* const* out, long long row) {\n"
          "  float most = in[0][4 * row];\n"
          "  for (int i = 1; i < 4; ++i) most = fmaxf(most, in[0][4 * row + i]);\n"
          "  out[0][row] = most;\n"
          "}\n"};
  const Value x = Input({4});
  const Layer layer = Lambda([&](const Value& v) {
    return ops::kernel(largest, {v}, {Shape{v.shape()[0], 1}}, v.shape()[0])[0];
  });
  Model model(x, layer(x), {.device = Device::cpu()});
  const Tensor y = model.predict_on_batch(kX);
  for (std::size_t row = 0; row < 300; ++row) {
    const auto values = kX.data<float>().subspan(row * 4, 4);
    EXPECT_EQ(y.data<float>()[row], *std::ranges::max_element(values));
  }
}

std::string refused(const KernelDefinition& kernel) {
  return message_of<Error>([&] {
    Sequential model = with_layer(
        Lambda([&](const Value& x) { return ops::kernel(kernel, {x}, {x.shape()})[0]; }));
    model.compile({.optimizer = "adam", .loss = "mse"});
    model.train_on_batch(kX, kY);
  });
}

// Only the CPU runs it.
TEST(KernelMistakes, that_throw_end_the_step) {
  KernelDefinition kernel = cube();
  kernel.cpu = [](const KernelData&, std::int64_t, std::int64_t) {
    throw std::runtime_error("no");
  };
  EXPECT_TRUE(contains(refused(kernel), "loss"));
}

TEST(KernelMistakes, say_what_was_expected) {
  KernelDefinition kernel = cube();
  kernel.gradient = nullptr;
  EXPECT_TRUE(contains(refused(kernel), "kernel \"cube\": has no gradient"));
  kernel = cube();
  kernel.gradient = [](const std::vector<Value>& inputs, const std::vector<Value>&,
                       const std::vector<Value>&) {
    return std::vector<Value>{ops::mean(inputs[0])};
  };
  EXPECT_TRUE(contains(refused(kernel), "a gradient of shape (300, 6) for input 0, received ()"));
  kernel = cube();
  kernel.cpu = nullptr;
  EXPECT_TRUE(contains(refused(kernel), "expected a function for the CPU"));
  kernel = cube();
  kernel.name = "not a name";
  EXPECT_TRUE(contains(refused(kernel), "an identifier of C++"));
}

}  // namespace
}  // namespace stoker
