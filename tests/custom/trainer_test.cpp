// Training steps of a program's own: a GAN, a distillation, target networks; and what they refuse.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Numbers = std::vector<float>;

Numbers numbers(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

Sequential mlp(const std::string& name, std::int64_t inputs, std::int64_t outputs,
               std::uint64_t seed, const Device& device = Device::cpu()) {
  return Sequential({Input({inputs}), Dense(8, {.activation = "tanh"}), Dense(outputs)},
                    {.name = name, .seed = seed, .device = device});
}

void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(numbers(a[i]), numbers(b[i])) << i;
}

void expect_near(const std::vector<Tensor>& a, const std::vector<Tensor>& b, float tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Numbers x = numbers(a[i]), y = numbers(b[i]);
    for (std::size_t k = 0; k < x.size(); ++k) EXPECT_NEAR(x[k], y[k], tolerance) << i << " " << k;
  }
}

const Tensor kX = Tensor::normal({16, 4}, 0.0f, 1.0f, 1),
             kY = Tensor::normal({16, 2}, 0.0f, 1.0f, 2);

// ---- One model: the same as compile() and fit() ------------------------------------------------
TEST(Trainers, of_one_loss_do_what_compile_does) {
  Model own = mlp("a", 4, 2, 1), plain = mlp("a", 4, 2, 1);
  const Loss mse = "mse";
  Trainer trainer({Input({4})}, {Input({2})},
                  [&](TrainingStep& step) {
                    const Value predicted = Layer(own)(step.x());
                    step.minimize(mse(step.y(), predicted), {own}, Adam({.learning_rate = 0.01}));
                    return predicted;
                  },
                  {.device = Device::cpu()});
  plain.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(trainer.train_on_batch(kX, kY)["loss"], plain.train_on_batch(kX, kY)["loss"]);
  }
  expect_same(own.get_weights(), plain.get_weights());
  EXPECT_EQ(numbers(trainer.predict_on_batch(kX)), numbers(plain.predict_on_batch(kX)));
  EXPECT_EQ(trainer.test_on_batch(kX, kY)["loss"], plain.test_on_batch(kX, kY)["loss"]);
  EXPECT_EQ(trainer.iterations(), 5);
}

TEST(Trainers, apply_gradients_that_were_changed) {
  Model own = mlp("a", 4, 2, 1), plain = mlp("a", 4, 2, 1);
  const Loss mse = "mse";
  Trainer trainer({Input({4})}, {Input({2})},
                  [&](TrainingStep& step) {
                    const Value predicted = Layer(own)(step.x());
                    std::vector<Value> gradients = step.gradients(mse(step.y(), predicted), {own});
                    for (Value& gradient : gradients)
                      gradient = ops::clip(gradient * 3.0, -0.02, 0.02);
                    step.add_metric("first", ops::norm(gradients[0]));
                    step.apply_gradients(gradients, {own}, SGD({.learning_rate = 0.5}));
                    return predicted;
                  },
                  {.device = Device::cpu()});
  plain.compile({.optimizer = SGD({.learning_rate = 1.5, .clipvalue = 0.02 / 3}), .loss = "mse"});
  for (int i = 0; i < 5; ++i) {
    EXPECT_GT(trainer.train_on_batch(kX, kY)["first"], 0.0);
    plain.train_on_batch(kX, kY);
  }
  expect_near(own.get_weights(), plain.get_weights(), 1e-5f);
}

// ---- A GAN -------------------------------------------------------------------------------------
// The same steps taken by models that are compiled each for itself, with the same noise.
struct Gan {
  Model generator = mlp("generator", 3, 4, 1);
  Model discriminator = mlp("discriminator", 4, 1, 2);
};

TrainingFunction gan_step(Gan& gan) {
  return [&gan](TrainingStep& step) {
    const Loss bce = BinaryCrossentropy({.from_logits = true});
    const Layer generator = gan.generator, discriminator = gan.discriminator;
    const Value real = step.x(0), noise = step.x(1);
    const Value of_real = discriminator(real);
    const Value of_fake = discriminator(ops::stop_gradient(generator(noise)));
    const Value ones = ops::ones_like(of_real), zeros = ops::zeros_like(of_fake);
    step.minimize(bce(ones, of_real) + bce(zeros, of_fake), {discriminator},
                  Adam({.learning_rate = 0.02}), "d_loss");
    const Value made = generator(noise);
    step.minimize(bce(ones, discriminator(made)), {generator}, SGD({.learning_rate = 0.1}),
                  "g_loss");
    return made;
  };
}

TEST(Trainers, take_the_steps_of_a_gan_one_after_the_other) {
  Gan gan, reference;
  Trainer trainer({Input({4}), Input({3})}, {}, gan_step(gan), {.device = Device::cpu()});

  // The discriminator on both batches as one: the sum of two means is twice their joint mean.
  const Value input = Input({4});
  Model d({input}, Layer(reference.discriminator)(input), {.name = "d", .device = Device::cpu()});
  d.compile({.optimizer = Adam({.learning_rate = 0.02}),
             .loss = BinaryCrossentropy({.from_logits = true}),
             .loss_weights = {2.0}});
  const Value noise_input = Input({3});
  Model g({noise_input}, Layer(reference.discriminator)(Layer(reference.generator)(noise_input)),
          {.name = "g", .device = Device::cpu()});
  reference.discriminator.set_trainable(false);
  g.compile({.optimizer = SGD({.learning_rate = 0.1}),
             .loss = BinaryCrossentropy({.from_logits = true})});

  Numbers labels(32, 0.0f);
  std::fill_n(labels.begin(), 16, 1.0f);
  const Tensor both_labels = Tensor::from<float>({32, 1}, std::span<const float>(labels));
  for (std::uint64_t i = 0; i < 6; ++i) {
    const Tensor real = Tensor::normal({16, 4}, 1.0f, 1.0f, 10 + i);
    const Tensor noise = Tensor::normal({16, 3}, 0.0f, 1.0f, 50 + i);
    const Logs logs = trainer.train_on_batch({real, noise}, {});
    Numbers both = numbers(real);
    for (const float x : numbers(reference.generator.predict_on_batch(noise))) both.push_back(x);
    const Logs d_logs =
        d.train_on_batch(Tensor::from<float>({32, 4}, std::span<const float>(both)), both_labels);
    const Logs g_logs = g.train_on_batch(noise, Tensor::full({16, 1}, 1.0f));
    EXPECT_NEAR(logs["d_loss"], d_logs["loss"], 1e-5);
    EXPECT_NEAR(logs["g_loss"], g_logs["loss"], 1e-5);
    EXPECT_NEAR(logs["loss"], d_logs["loss"] + g_logs["loss"], 1e-5);
  }
  expect_near(gan.discriminator.get_weights(), reference.discriminator.get_weights(), 2e-5f);
  expect_near(gan.generator.get_weights(), reference.generator.get_weights(), 2e-5f);
  EXPECT_EQ(trainer.iterations(), 6);
}

TEST(Trainers, repeat_bit_by_bit) {
  const auto weights = [](int threads) {
    Gan gan;
    Trainer trainer({Input({4}), Input({3})}, {}, gan_step(gan),
                    {.threads = threads, .device = Device::cpu()});
    for (std::uint64_t i = 0; i < 4; ++i) {
      trainer.train_on_batch({Tensor::normal({16, 4}, 1.0f, 1.0f, 10 + i),
                              Tensor::normal({16, 3}, 0.0f, 1.0f, 50 + i)},
                             {});
    }
    return gan.generator.get_weights();
  };
  expect_same(weights(0), weights(0));
}

// Random numbers of the step itself, callbacks, a source, and a checkpoint that goes on.
TEST(Trainers, fit_from_sources_and_go_on_from_checkpoints) {
  const test::TemporaryFolder folder;
  const auto run = [&](const std::string& checkpoint, int epochs, bool restores) {
    auto gan = std::make_unique<Gan>();
    Trainer trainer(
        {Input({4})}, {},
        [&](TrainingStep& step) {
          const Loss bce = BinaryCrossentropy({.from_logits = true});
          const Layer generator = gan->generator, discriminator = gan->discriminator;
          const Value noise = ops::random::normal({step.x().shape()[0], 3});
          const Value of_real = discriminator(step.x());
          const Value of_fake = discriminator(generator(noise));
          step.minimize(
              bce(ops::ones_like(of_real), of_real) + bce(ops::zeros_like(of_fake), of_fake),
              {discriminator}, Adam(), "d_loss");
          const Value made = generator(ops::random::normal({step.x().shape()[0], 3}));
          const Value of_made = discriminator(made);
          step.minimize(bce(ops::ones_like(of_made), of_made), {generator}, Adam(), "g_loss");
          return made;
        },
        {.device = Device::cpu()});
    if (restores) trainer.restore_checkpoint(checkpoint);
    for (int epoch = 0; epoch < epochs; ++epoch) {
      const History history =
          trainer.fit(kX, {}, {.epochs = 1, .verbose = 0, .batch_size = 5, .shuffle = false});
      EXPECT_TRUE(std::isfinite(history["d_loss"].back()));
      EXPECT_TRUE(std::isfinite(history["g_loss"].back()));
    }
    if (!restores && !checkpoint.empty()) trainer.save_checkpoint(checkpoint);
    std::vector<Tensor> weights = gan->generator.get_weights();
    for (Tensor& weight : gan->discriminator.get_weights()) weights.push_back(std::move(weight));
    return weights;
  };
  const std::string path = folder / "gan.checkpoint";
  const std::vector<Tensor> whole = run("", 4, false);
  run(path, 2, false);
  expect_same(run(path, 2, true), whole);
}

// ---- A distillation ----------------------------------------------------------------------------
TEST(Trainers, distil_a_frozen_teacher) {
  Model teacher = mlp("teacher", 4, 3, 1), student = mlp("student", 4, 3, 2);
  const std::vector<Tensor> before = teacher.get_weights();
  Trainer trainer({Input({4})}, {Input({}, {.dtype = "int32"})},
                  [&](TrainingStep& step) {
                    const Value of_teacher = ops::softmax(Layer(teacher)(step.x()) / 3.0);
                    const Value logits = Layer(student)(step.x());
                    const Value of_student = ops::log_softmax(logits / 3.0);
                    const Value distilled = -ops::mean(ops::sum(of_teacher * of_student, -1)) * 9.0;
                    const Value entropy =
                        SparseCategoricalCrossentropy({.from_logits = true})(step.y(), logits);
                    step.add_metric("accuracy", ops::equal(ops::argmax(logits), step.y()));
                    step.minimize(0.9 * distilled + 0.1 * entropy, {student},
                                  Adam({.learning_rate = 0.02}));
                    return logits;
                  },
                  {.device = Device::cpu()});
  std::vector<std::int32_t> classes;
  const Numbers logits = numbers(teacher.predict_on_batch(kX));
  for (std::size_t i = 0; i < 16; ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(3 * i);
    classes.push_back(static_cast<std::int32_t>(std::max_element(row, row + 3) - row));
  }
  const Tensor y = Tensor::from<std::int32_t>({16}, std::span<const std::int32_t>(classes));
  const History history = trainer.fit(kX, y, {.epochs = 60, .verbose = 0, .batch_size = 16});
  EXPECT_GT(history["accuracy"].back(), 0.9);
  expect_same(teacher.get_weights(), before);
}

// A teacher with Dropout and BatchNormalization says the same whether the step trains or not.
TEST(Trainers, call_models_as_in_predictions) {
  Sequential teacher({Input({4}), Dense(8), BatchNormalization(), Dropout(0.5), Dense(2)},
                     {.name = "teacher", .seed = 1, .device = Device::cpu()});
  Model student = mlp("student", 4, 2, 2);
  const std::vector<Tensor> before = teacher.get_weights();
  const Loss mse = "mse";
  Trainer trainer({Input({4})}, {},
                  [&](TrainingStep& step) {
                    const Value wanted = teacher(step.x(), {.training = false});
                    step.add_metric("wanted", ops::mean(ops::square(wanted)));
                    const Value y = student(step.x());
                    step.minimize(mse(wanted, y), {student}, Adam());
                    return y;
                  },
                  {.device = Device::cpu()});
  const Tensor y = teacher.predict_on_batch(kX);
  double expected = 0.0;
  for (const float value : numbers(y)) expected += static_cast<double>(value) * value / 32.0;
  EXPECT_NEAR(trainer.train_on_batch(kX, {})["wanted"], expected, 1e-5 * expected);
  expect_same(teacher.get_weights(), before);
}

// ---- A target network --------------------------------------------------------------------------
TEST(Trainers, move_a_target_network_towards_the_online_one) {
  Model online = mlp("online", 4, 2, 1), target = mlp("target", 4, 2, 2);
  const std::vector<Tensor> before = target.get_weights();
  const Loss mse = "mse";
  Trainer trainer({Input({4})}, {Input({2})},
                  [&](TrainingStep& step) {
                    const Value q = Layer(online)(step.x());
                    const Value wanted =
                        step.y() + 0.9 * ops::stop_gradient(Layer(target)(step.x()));
                    step.minimize(mse(wanted, q), {online}, SGD({.learning_rate = 0.1}));
                    step.move_towards(target, online, 0.25);
                    return q;
                  },
                  {.device = Device::cpu()});
  trainer.train_on_batch(kX, kY);
  const std::vector<Tensor> after = target.get_weights(), now = online.get_weights();
  for (std::size_t i = 0; i < after.size(); ++i) {
    const Numbers a = numbers(after[i]), b = numbers(before[i]), o = numbers(now[i]);
    for (std::size_t k = 0; k < a.size(); ++k)
      EXPECT_NEAR(a[k], b[k] + 0.25f * (o[k] - b[k]), 1e-6f);
  }
}

// ---- Devices -----------------------------------------------------------------------------------
TEST(Trainers, do_the_same_on_a_device_of_its_own) {
  const auto weights = [](const Device& device) {
    Model generator = mlp("generator", 3, 4, 1, device),
          discriminator = mlp("discriminator", 4, 1, 2, device);
    Trainer trainer({Input({4}), Input({3})}, {},
                    [&](TrainingStep& step) {
                      const Loss bce = BinaryCrossentropy({.from_logits = true});
                      const Value of_real = Layer(discriminator)(step.x(0));
                      const Value of_fake = Layer(discriminator)(Layer(generator)(step.x(1)));
                      step.minimize(bce(ops::ones_like(of_real), of_real) +
                                        bce(ops::zeros_like(of_fake), of_fake),
                                    {discriminator}, Adam());
                      const Value made = Layer(generator)(step.x(1));
                      step.minimize(bce(ops::ones_like(of_real), Layer(discriminator)(made)),
                                    {generator}, Adam());
                      return made;
                    },
                    {.device = device});
    const Tensor real = Tensor::normal({48, 4}, 1.0f, 1.0f, 3),
                 noise = Tensor::normal({48, 3}, 0.0f, 1.0f, 4);
    trainer.fit({real, noise}, {}, {.epochs = 2, .verbose = 0, .batch_size = 16, .shuffle = false});
    return generator.get_weights();
  };
  expect_same(weights(Device::simulated()), weights(Device::cpu()));
}

// ---- Mistakes ----------------------------------------------------------------------------------
TEST(TrainerMistakes, say_what_was_expected) {
  const Loss mse = "mse";
  const auto refused =
      [&](const std::function<Value(TrainingStep&, const Layer&, const Layer&)>& f) {
        return message_of<Error>([&] {
          Model a = mlp("a", 4, 2, 1), b = mlp("b", 2, 2, 2);
          Trainer trainer({Input({4})}, {Input({2})},
                          [&](TrainingStep& step) { return f(step, a, b); },
                          {.device = Device::cpu()});
          trainer.train_on_batch(kX, kY);
        });
      };
  const Optimizer sgd = SGD({.learning_rate = 0.1}), adam = Adam();
  EXPECT_TRUE(contains(
      refused([&](TrainingStep& step, const Layer& a, const Layer&) { return a(step.x()); }),
      "minimizes none"));
  EXPECT_TRUE(contains(refused([&](TrainingStep& step, const Layer& a, const Layer&) {
                         const Value y = a(step.x());
                         step.minimize(mse(step.y(), y), {a}, sgd);
                         step.minimize(mse(step.y(), a(step.x())), {a}, adam);
                         return y;
                       }),
                       "\" is updated twice in a step, by SGD and by Adam"));
  EXPECT_TRUE(contains(refused([&](TrainingStep& step, const Layer& a, const Layer& b) {
                         const Value y = b(a(step.x()));
                         step.minimize(mse(step.y(), a(step.x())), {b}, sgd);
                         return y;
                       }),
                       "the loss depends on no weight of"));
  EXPECT_TRUE(contains(refused([&](TrainingStep& step, const Layer& a, const Layer& b) {
                         const Value h = a(step.x());
                         const Value y = b(h);
                         step.minimize(mse(step.y(), y), {b}, sgd);
                         // The gradient by a's weights goes through b as it was.
                         step.minimize(mse(step.y(), y), {a}, adam);
                         return h;
                       }),
                       "as it was before the step moved it"));
  EXPECT_TRUE(contains(refused([&](TrainingStep& step, const Layer& a, const Layer&) {
                         const Value y = a(step.x());
                         step.minimize(ops::square(y), {a}, sgd);
                         return y;
                       }),
                       "expected a loss of one number"));
  EXPECT_TRUE(contains(refused([&](TrainingStep& step, const Layer& a, const Layer&) {
                         const Value y = a(step.x());
                         step.minimize(mse(step.y(1), y), {a}, sgd);
                         return y;
                       }),
                       "expected a number below 1"));
  EXPECT_TRUE(contains(refused([&](TrainingStep& step, const Layer& a, const Layer&) {
                         step.minimize(mse(step.y(), a(step.x())), {a}, sgd);
                         return Value();
                       }),
                       "what predict() gives"));
  EXPECT_TRUE(contains(refused([&](TrainingStep& step, const Layer& a, const Layer& b) {
                         const Value y = a(step.x());
                         step.minimize(mse(step.y(), y), {a}, sgd);
                         step.move_towards(a, b, 0.5);
                         return b(y);
                       }),
                       "with the same weights"));
}

TEST(TrainerMistakes, of_losses_that_are_there_in_training_alone_are_told) {
  Model a = mlp("a", 4, 2, 1);
  const Loss mse = "mse";
  Trainer trainer({Input({4})}, {Input({2})},
                  [&](TrainingStep& step) {
                    const Value y = Layer(a)(step.x());
                    if (step.training()) step.minimize(mse(step.y(), y), {a}, Adam());
                    return y;
                  },
                  {.device = Device::cpu()});
  trainer.train_on_batch(kX, kY);
  EXPECT_TRUE(contains(message_of<ValueError>([&] { trainer.test_on_batch(kX, kY); }),
                       "none when it evaluates"));
  EXPECT_NO_THROW(trainer.predict_on_batch(kX));
}

TEST(TrainerMistakes, of_batches_are_told) {
  Model a = mlp("a", 4, 2, 1);
  const Loss mse = "mse";
  Trainer trainer({Input({4})}, {Input({2})},
                  [&](TrainingStep& step) {
                    const Value y = Layer(a)(step.x());
                    step.minimize(mse(step.y(), y), {a}, Adam());
                    return y;
                  },
                  {.device = Device::cpu()});
  EXPECT_TRUE(contains(message_of<ShapeError>([&] { trainer.train_on_batch(kX, {}); }),
                       "has 1 targets, the source gives 0"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         trainer.train_on_batch(kX, Tensor::full({16, 3}, 0.0f));
                       }),
                       "expected batches of (None, 2)"));
  const std::vector<Tensor> before = a.get_weights();
  Tensor bad = kX;
  bad.data<float>()[0] = NAN;
  EXPECT_THROW(trainer.train_on_batch(bad, kY), Error);
  expect_same(a.get_weights(), before);
  trainer.train_on_batch(kX, kY);
}

}  // namespace
}  // namespace stoker
