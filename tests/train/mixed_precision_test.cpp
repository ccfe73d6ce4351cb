// Dtype policies: 16-bit layers over float32 weights, and the scale of float16's loss.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/message.h"

namespace stoker {
namespace {

using test::message_of;

struct Rows {
  Tensor x;
  Tensor y;
};

// Three classes of 6x6 images, told apart by where they are bright.
Rows images(std::int64_t count, std::uint64_t seed = 1) {
  Rows rows{Tensor::normal({count, 6, 6, 1}, 0, 1, seed), Tensor({count}, DType::int32)};
  const auto x = rows.x.data<float>();
  const auto y = rows.y.data<std::int32_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(i % 3);
    y[static_cast<std::size_t>(i)] = label;
    for (std::int64_t k = 0; k < 12; ++k) x[static_cast<std::size_t>(i * 36 + label * 12 + k)] += 1;
  }
  return rows;
}

Sequential cnn(const std::string& policy, Device device = Device::best(),
               const Optimizer& optimizer = Adam({.learning_rate = 0.01}), int threads = 2) {
  Sequential model(
      {
          Input({6, 6, 1}),
          Conv2D(4, 3, {.padding = "same", .activation = "relu"}),
          BatchNormalization(),
          MaxPooling2D(2),
          Conv2D(8, 2, {.activation = "tanh"}),
          GlobalAveragePooling2D(),
          Dropout(0.1),
          Dense(3),
      },
      {.seed = 7, .threads = threads, .device = std::move(device), .dtype_policy = policy});
  model.compile({.optimizer = optimizer,
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

// A linear model whose gradients overflow float16 when the loss is scaled by too much.
Sequential line(const LossScaleOptions& scaling, double learning_rate = 0.01) {
  Sequential model({Input({2}), Dense(1, {.kernel_initializer = "ones"})},
                   {.dtype_policy = "mixed_float16"});
  model.compile({.optimizer = LossScaleOptimizer(SGD({.learning_rate = learning_rate}), scaling),
                 .loss = "mse"});
  return model;
}
const Tensor& line_x() {
  static const Tensor x = Tensor::from<float>({4, 2}, {1, 2, -1, 0, 2, 2, 0.5, -3});
  return x;
}
const Tensor& line_y() {
  static const Tensor y = Tensor::from<float>({4, 1}, {0, 0, 1, 1});
  return y;
}

// So many updates, whatever is skipped before.
void train_until(Model& model, std::int64_t updates) {
  for (int i = 0; i < 100 && model.iterations() < updates; ++i) {
    model.train_on_batch(line_x(), line_y());
  }
}

void expect_same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(std::memcmp(a[i].raw(), b[i].raw(), a[i].bytes()), 0) << "weight " << i;
  }
}

class MixedPrecision : public testing::TestWithParam<const char*> {
 protected:
  std::string policy() const { return GetParam(); }
};

// 16-bit rounding moves single weights by more than a step's size at Adam's sign-like first steps;
// the loss, an average over many, stays close: by a few units of the type's 8 or 11 bits.
TEST_P(MixedPrecision, follows_float32) {
  const Rows rows = images(96);
  Sequential wide = cnn("float32");
  Sequential narrow = cnn(policy());
  const FitOptions options{.epochs = 6, .verbose = 0};
  const auto expected = wide.fit(rows.x, rows.y, options)["loss"];
  const auto received = narrow.fit(rows.x, rows.y, options)["loss"];
  const double tolerance = policy() == "mixed_bfloat16" ? 0.04 : 0.01;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(received[i], expected[i], tolerance) << "epoch " << i;
  }
  EXPECT_NE(received, expected);  // or it would not have been 16 bits
  EXPECT_LT(received.back(), 0.7 * received.front());
}

TEST_P(MixedPrecision, is_the_same_for_any_number_of_threads) {
  const Rows rows = images(40);
  std::vector<std::vector<Tensor>> results;
  for (const int threads : {1, 2}) {
    Sequential model = cnn(policy(), Device::best(), Adam(), threads);
    model.fit(rows.x, rows.y, {.epochs = 2, .verbose = 0});
    results.push_back(model.get_weights());
  }
  expect_same_bits(results[0], results[1]);
}

TEST_P(MixedPrecision, is_the_same_on_the_simulated_device) {
  const Rows rows = images(40);
  Sequential cpu = cnn(policy(), Device::cpu());
  Sequential simulated = cnn(policy(), Device::simulated());
  for (Model* model : {static_cast<Model*>(&cpu), static_cast<Model*>(&simulated)}) {
    model->fit(rows.x, rows.y, {.epochs = 2, .verbose = 0});
  }
  expect_same_bits(cpu.get_weights(), simulated.get_weights());
  expect_same_bits({cpu.predict(rows.x)}, {simulated.predict(rows.x)});
}

TEST_P(MixedPrecision, shows_float32_to_the_user) {
  Sequential model = cnn(policy());
  for (const Tensor& weight : model.get_weights()) EXPECT_EQ(weight.dtype(), DType::float32);
  EXPECT_EQ(model.predict(images(3).x).dtype(), DType::float32);
}

TEST_P(MixedPrecision, computes_with_the_weights_that_were_set) {
  Sequential model = cnn(policy());
  const Tensor before = model.predict(images(3).x);
  auto weights = model.get_weights();
  Sequential other = cnn(policy());
  for (Tensor& weight : weights) {
    for (float& value : weight.data<float>()) value *= 0.5f;
  }
  other.set_weights(weights);
  EXPECT_NE(std::memcmp(other.predict(images(3).x).raw(), before.raw(), before.bytes()), 0);
  expect_same_bits(other.get_weights(), weights);
  other.set_weights(model.get_weights());
  expect_same_bits({other.predict(images(3).x)}, {before});
}

// A copy that an update forgot would show here: the second model rounds the same weights anew.
TEST_P(MixedPrecision, keeps_the_copies_up_to_date) {
  const Rows rows = images(32);
  Sequential trained = cnn(policy());
  trained.fit(rows.x, rows.y, {.epochs = 2, .verbose = 0});
  Sequential fresh = cnn(policy());
  fresh.set_weights(trained.get_weights());
  expect_same_bits({trained.predict(rows.x)}, {fresh.predict(rows.x)});
}

TEST_P(MixedPrecision, reports_the_copies) {
  Sequential model = cnn(policy());
  const MemoryReport report = model.memory_report();
  EXPECT_EQ(report.copies, report.parameters / 2);
  EXPECT_NE(report.text().find("16-bit copies"), std::string::npos);
  EXPECT_EQ(cnn("float32").memory_report().copies, 0);
}

TEST_P(MixedPrecision, keeps_results_in_16_bits) {
  Sequential model = cnn(policy());
  const std::string dump = model.graph_dump(8);
  EXPECT_NE(dump.find(policy() == "mixed_bfloat16" ? "bfloat16" : "float16"), std::string::npos)
      << dump;
}

TEST_P(MixedPrecision, runs_eagerly_to_nearly_the_same) {
  const Rows rows = images(32);
  Sequential planned = cnn(policy());
  Sequential eager = cnn(policy());
  eager.compile({.optimizer = Adam({.learning_rate = 0.01}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"},
                 .run_eagerly = true});
  for (int i = 0; i < 5; ++i) {
    const double expected = planned.train_on_batch(rows.x, rows.y).loss();
    EXPECT_NEAR(eager.train_on_batch(rows.x, rows.y).loss(), expected, 0.02) << "step " << i;
  }
}

TEST_P(MixedPrecision, of_every_optimizer_learns) {
  const Rows rows = images(48);
  for (const char* name : {"sgd", "adam", "adamw", "rmsprop"}) {
    Sequential model = cnn(policy(), Device::best(), name);
    const auto loss = model.fit(rows.x, rows.y, {.epochs = 5, .verbose = 0})["loss"];
    EXPECT_LT(loss.back(), loss.front()) << name;
  }
}

TEST_P(MixedPrecision, clips_gradients_as_float32_does) {
  const std::vector<SGDOptions> clipped{
      {.clipnorm = 0.05}, {.clipvalue = 0.01}, {.global_clipnorm = 0.05}};
  for (const SGDOptions& options : clipped) {
    std::vector<std::vector<Tensor>> results;
    for (const std::string& name : {std::string("float32"), policy()}) {
      Sequential model({Input({2}), Dense(1, {.kernel_initializer = "ones"})},
                       {.dtype_policy = name});
      model.compile({.optimizer = SGD(options), .loss = "mse"});
      train_until(model, 1);
      results.push_back(model.get_weights());
    }
    for (std::size_t i = 0; i < results[0].size(); ++i) {
      const auto expected = results[0][i].data<float>();
      const auto received = results[1][i].data<float>();
      for (std::size_t k = 0; k < expected.size(); ++k) {
        EXPECT_NEAR(received[k], expected[k], 1e-5);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, MixedPrecision,
                         testing::Values("mixed_bfloat16", "mixed_float16"),
                         [](const auto& info) { return std::string(info.param); });

TEST(DtypePolicy, of_float32_is_the_default_and_changes_nothing) {
  const Rows rows = images(32);
  Sequential a = cnn("float32");
  Sequential b({Input({6, 6, 1}), Conv2D(4, 3, {.padding = "same", .activation = "relu"}),
                BatchNormalization(), MaxPooling2D(2), Conv2D(8, 2, {.activation = "tanh"}),
                GlobalAveragePooling2D(), Dropout(0.1), Dense(3)},
               {.seed = 7, .threads = 2});
  b.compile({.optimizer = Adam({.learning_rate = 0.01}),
             .loss = SparseCategoricalCrossentropy({.from_logits = true}),
             .metrics = {"accuracy"}});
  a.fit(rows.x, rows.y, {.verbose = 0});
  b.fit(rows.x, rows.y, {.verbose = 0});
  expect_same_bits(a.get_weights(), b.get_weights());
}

TEST(DtypePolicy, of_a_layer_goes_before_the_models) {
  Sequential model({Input({4}), Dense(8, {.activation = "relu", .name = "narrow"}),
                    Dense(2, {.name = "wide", .dtype = "float32"})},
                   {.dtype_policy = "mixed_bfloat16"});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  bool narrow = false;
  std::istringstream dump(model.graph_dump(4));
  for (std::string line; std::getline(dump, line);) {
    const bool is_16bit = line.find("bfloat16") != std::string::npos;
    if (line.find("\"narrow\"") != std::string::npos) narrow = narrow || is_16bit;
  }
  EXPECT_TRUE(narrow);
  // Only float32 tells these apart.
  Sequential same({Input({1}), Dense(1, {.kernel_initializer = "ones", .dtype = "float32"})},
                  {.dtype_policy = "mixed_bfloat16"});
  EXPECT_EQ(same.predict(Tensor::from<float>({1, 1}, {1.0009765625f})).data<float>()[0],
            1.0009765625f);
}

TEST(DtypePolicy, of_one_layer_alone_converts_its_weights) {
  Sequential model(
      {Input({1}), Dense(1, {.kernel_initializer = "ones", .dtype = "mixed_float16"})});
  EXPECT_EQ(model.predict(Tensor::from<float>({1, 1}, {1.0001f})).data<float>()[0], 1.0f);
  EXPECT_EQ(model.memory_report().copies, 0);
  model.compile({.optimizer = "sgd", .loss = "mse"});
  const double loss = model.train_on_batch(line_y(), line_y()).loss();
  EXPECT_TRUE(std::isfinite(loss));
}

TEST(DtypePolicy, unknown_is_an_error_that_lists_them) {
  const std::string model = message_of<ValueError>([] {
    Sequential({Input({1}), Dense(1)}, {.name = "m", .dtype_policy = "mixed_float8"});
  });
  EXPECT_EQ(model,
            "Model \"m\": there is no dtype policy \"mixed_float8\"; known are float32, "
            "mixed_bfloat16, mixed_float16, bfloat16, float16");
  const std::string layer =
      message_of<ValueError>([] { Dense(1, {.name = "d", .dtype = "float64"}); });
  EXPECT_EQ(layer,
            "Dense \"d\": there is no dtype policy \"float64\"; known are float32, "
            "mixed_bfloat16, mixed_float16, bfloat16, float16");
}

TEST(LossScale, is_kerass_by_default_and_comes_with_mixed_float16_alone) {
  EXPECT_EQ(cnn("mixed_float16").loss_scale(), 32768.0);
  EXPECT_EQ(cnn("mixed_bfloat16").loss_scale(), 1.0);
  EXPECT_EQ(cnn("float32").loss_scale(), 1.0);
}

TEST(LossScale, of_any_size_gives_the_same_update) {
  std::vector<std::vector<Tensor>> results;
  for (const double scale : {1.0, 1024.0}) {
    Sequential model({Input({2}), Dense(1, {.kernel_initializer = "ones"})});
    model.compile(
        {.optimizer = LossScaleOptimizer("adam", {.initial_scale = scale}), .loss = "mse"});
    for (int i = 0; i < 3; ++i) model.train_on_batch(line_x(), line_y());
    results.push_back(model.get_weights());
  }
  expect_same_bits(results[0], results[1]);  // a power of two costs float32 nothing
}

TEST(LossScale, halves_and_skips_the_update_when_a_gradient_overflows) {
  Sequential model = line({.initial_scale = 131072.0});
  const auto before = model.get_weights();
  model.train_on_batch(line_x(), line_y());
  EXPECT_EQ(model.loss_scale(), 65536.0);
  EXPECT_EQ(model.iterations(), 0);
  expect_same_bits(model.get_weights(), before);
  int steps = 1;
  while (model.iterations() == 0 && steps < 20) {
    model.train_on_batch(line_x(), line_y());
    ++steps;
  }
  EXPECT_EQ(model.iterations(), 1);
  EXPECT_EQ(model.loss_scale(), std::ldexp(131072.0, 1 - steps));
  EXPECT_NE(model.get_weights()[0].data<float>()[0], before[0].data<float>()[0]);
}

TEST(LossScale, learns_all_the_same_after_an_overflow) {
  Sequential wide({Input({2}), Dense(1, {.kernel_initializer = "ones"})});
  wide.compile({.optimizer = SGD({.learning_rate = 0.01}), .loss = "mse"});
  Sequential narrow = line({.initial_scale = std::ldexp(1.0, 20)});
  train_until(narrow, 30);
  for (int i = 0; i < 30; ++i) wide.train_on_batch(line_x(), line_y());
  for (std::size_t i = 0; i < 2; ++i) {
    const auto expected = wide.get_weights()[i];
    const auto received = narrow.get_weights()[i];
    for (std::size_t k = 0; k < expected.data<float>().size(); ++k) {
      EXPECT_NEAR(received.data<float>()[k], expected.data<float>()[k], 5e-3);
    }
  }
}

TEST(LossScale, grows_after_so_many_finite_steps) {
  Sequential model = line({.initial_scale = 4.0, .dynamic_growth_steps = 3});
  std::vector<double> scales;
  for (int i = 0; i < 7; ++i) {
    model.train_on_batch(line_x(), line_y());
    scales.push_back(model.loss_scale());
  }
  EXPECT_EQ(scales, (std::vector<double>{4, 4, 8, 8, 8, 16, 16}));
  EXPECT_EQ(model.iterations(), 7);
}

TEST(LossScale, starts_over_with_compile) {
  Sequential model = line({.initial_scale = 4.0, .dynamic_growth_steps = 1});
  model.train_on_batch(line_x(), line_y());
  EXPECT_EQ(model.loss_scale(), 8.0);
  model.compile({.optimizer = "sgd", .loss = "mse"});
  EXPECT_EQ(model.loss_scale(), 32768.0);
}

TEST(LossScale, does_not_save_a_loss_that_is_not_finite) {
  Sequential model = line({});
  const auto before = model.get_weights();
  const Tensor x = Tensor::from<float>({1, 2}, {std::numeric_limits<float>::infinity(), 0});
  EXPECT_THROW(model.train_on_batch(x, Tensor::from<float>({1, 1}, {0})), NumericError);
  expect_same_bits(model.get_weights(), before);
  EXPECT_EQ(model.loss_scale(), 32768.0);
}

// Infinite whatever the scale: an error once the scale cannot be to blame.
TEST(LossScale, that_has_fallen_to_nothing_is_an_error) {
  Sequential model = line({.initial_scale = std::ldexp(1.0, -23)});
  const Tensor x = Tensor::from<float>({1, 2}, {6e4f, 0});
  const Tensor y = Tensor::from<float>({1, 1}, {-1e19f});
  model.train_on_batch(x, y);
  EXPECT_EQ(model.loss_scale(), std::ldexp(1.0, -24));
  EXPECT_THROW(model.train_on_batch(x, y), NumericError);
  EXPECT_EQ(model.iterations(), 0);
}

TEST(LossScale, moves_statistics_on_in_a_skipped_step) {
  Sequential model({Input({2}), BatchNormalization(), Dense(1)}, {.dtype_policy = "mixed_float16"});
  model.compile({.optimizer = LossScaleOptimizer(SGD(), {.initial_scale = std::ldexp(1.0, 40)}),
                 .loss = "mse"});
  const auto before = model.get_weights();
  model.train_on_batch(line_x(), line_y());
  const auto after = model.get_weights();
  EXPECT_EQ(model.iterations(), 0);
  const auto names = model.weight_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool moves = names[i].find("moving") != std::string::npos;
    EXPECT_EQ(std::memcmp(before[i].raw(), after[i].raw(), before[i].bytes()) != 0, moves)
        << names[i];
  }
}

TEST(LossScale, options_that_make_no_sense_are_errors) {
  const auto make = [](LossScaleOptions options) {
    return message_of<ValueError>([&] { LossScaleOptimizer("sgd", options); });
  };
  EXPECT_EQ(make({.initial_scale = 0.0}),
            "loss_scale_optimizer: expected an initial_scale above 0, received 0");
  EXPECT_EQ(make({.dynamic_growth_steps = 0}),
            "loss_scale_optimizer: expected dynamic_growth_steps in [1, 2147483647], received 0");
  EXPECT_NE(message_of<ValueError>([] { LossScaleOptimizer(LossScaleOptimizer("sgd")); }), "");
}

}  // namespace
}  // namespace stoker
