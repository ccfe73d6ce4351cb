// Models whose values go to several layers, and layers that take several values.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <functional>

namespace stoker {
namespace {

const Tensor& samples() {
  static const Tensor x = Tensor::normal({64, 6}, 0.0f, 1.0f, 1);
  return x;
}
const Tensor& targets() {
  static const Tensor y = Tensor::normal({64, 3}, 0.0f, 1.0f, 2);
  return y;
}

// Weights after some steps of a model of this tail behind a Dense layer.
std::vector<Tensor> trained(const std::function<Value(Value)>& tail) {
  const Value x = Input({6});
  const Value y = Dense(3, {.name = "last"})(tail(Dense(4, {.name = "first"})(x)));
  Model model(x, y, {.seed = 5, .threads = 1});
  model.compile({.optimizer = SGD({.learning_rate = 0.125}), .loss = MeanSquaredError()});
  for (int step = 0; step < 8; ++step) model.train_on_batch(samples(), targets());
  return model.get_weights();
}

void expect_equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto left = a[i].data<float>();
    const auto right = b[i].data<float>();
    ASSERT_EQ(left.size(), right.size());
    for (std::size_t k = 0; k < left.size(); ++k) EXPECT_NEAR(left[k], right[k], 2e-6f) << i;
  }
}

TEST(MergedModels, train_a_value_that_is_used_twice_as_one_of_twice_the_size) {
  const auto twice = trained([](Value h) { return Add()({h, h}); });
  expect_equal(twice, trained([](Value h) { return Rescaling(2.0)(h); }));
}

TEST(MergedModels, add_up_the_gradients_of_all_paths_from_a_value) {
  const auto paths = trained([](Value h) {
    const Value a = Rescaling(0.5)(h);
    const Value b = Rescaling(-0.25)(h);
    return Subtract()({Add()({h, a}), b});
  });
  expect_equal(paths, trained([](Value h) { return Rescaling(1.75)(h); }));
}

TEST(MergedModels, average_and_choose_among_equals_as_one_value) {
  const auto one = trained([](Value h) { return h; });
  expect_equal(trained([](Value h) { return Average()({h, h, h}); }), one);
  expect_equal(trained([](Value h) { return Maximum()({h, h}); }), one);
  expect_equal(trained([](Value h) { return Minimum()({h, h}); }), one);
}

// Products with the halves of a kernel, added, are the product with the whole.
TEST(MergedModels, train_the_parts_of_a_concatenation) {
  const Value x = Input({6});
  const Value h = Dense(4, {.name = "shared"})(x);
  const Value y = Dense(3, {.name = "last"})(Concatenate()({h, Activation("tanh")(h), h}));
  Model model(x, y, {.seed = 5, .threads = 1});
  model.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = MeanSquaredError()});
  const double before = model.train_on_batch(samples(), targets()).loss();
  double after = before;
  for (int step = 0; step < 200; ++step) {
    after = model.train_on_batch(samples(), targets()).loss();
  }
  EXPECT_LT(after, 0.9 * before);
}

TEST(MergedModels, take_several_inputs) {
  const Value a = Input({3}, {.name = "a"});
  const Value b = Input({3}, {.name = "b"});
  Model model({a, b}, Subtract()({a, b}));
  auto source = generator<float, float, float>(
      {.y = {2, 3}, .inputs = {Shape{2, 3}, Shape{2, 3}}},
      [](BatchContext&, std::span<float> first, std::span<float> second, std::span<float>) {
        for (std::size_t i = 0; i < first.size(); ++i) {
          first[i] = static_cast<float>(i);
          second[i] = 1.0f;
        }
      });
  const Tensor result = model.predict(source, {.steps = 1});
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(result.data<float>()[i], static_cast<float>(i) - 1.0f);
  }
}

}  // namespace
}  // namespace stoker
