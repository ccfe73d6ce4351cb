// The optimizers' rules, element by element, against their formulas in double.
#include "optimizers/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/expression_reference.h"
#include "support/message.h"

namespace stoker {
namespace {

using graph::Expr;
using test::message_of;

constexpr double kDecay = 0.25;  // the range's value

// Inputs of the rule: parameter, gradient, learning rate, slots, scalars.
class Recorded final : public optimizers::Update {
 public:
  explicit Recorded(const Optimizer& optimizer)
      : slots_(optimizer.base()->slot_names().size()), slot_results_(slots_, -1) {
    optimizers::build(*optimizer.base(), *this);
    rule_.add_output(parameter_result_);
    for (const auto id : slot_results_) rule_.add_output(id);
  }

  Expr parameter() override { return input(0); }
  Expr gradient() override { return input(1); }
  Expr learning_rate() override { return input(2); }
  Expr slot(int index) override { return input(3 + index); }
  Expr scalar(const std::function<Expr(Expr, Expr)>& f) override {
    scalars_.add_output(f({&scalars_, scalars_.input(0)}, {&scalars_, scalars_.input(1)}).id);
    return input(2 + static_cast<int>(slots_ + scalars_.outputs().size()));
  }
  void set_slot(int index, Expr value) override {
    slot_results_[static_cast<std::size_t>(index)] = value.id;
  }
  void set_parameter(Expr value) override { parameter_result_ = value.id; }
  void set_direction(Expr) override {}

  // The parameter after each step, from 1.5, on fixed gradients.
  std::vector<double> run(double learning_rate, int steps) const {
    std::vector<double> state(1 + slots_, 0.0);
    state[0] = 1.5;
    std::vector<double> parameters;
    for (int t = 1; t <= steps; ++t) {
      std::vector<double> inputs{state[0], gradient_at(t), learning_rate};
      inputs.insert(inputs.end(), state.begin() + 1, state.end());
      const std::vector<double> step{learning_rate, static_cast<double>(t)};
      for (const double scalar : test::evaluate(scalars_, step)) inputs.push_back(scalar);
      state = test::evaluate(rule_, inputs, {.range_value = kDecay});
      parameters.push_back(state[0]);
    }
    return parameters;
  }
  static double gradient_at(int t) { return std::sin(1.7 * t) + 0.2; }

 private:
  Expr input(int index) { return {&rule_, rule_.input(index)}; }

  std::size_t slots_;
  graph::Expression rule_;
  graph::Expression scalars_;
  std::vector<std::int32_t> slot_results_;
  std::int32_t parameter_result_ = -1;
};

constexpr double kRate = 0.1;
constexpr int kSteps = 6;

// `rule(parameter, gradient, t)` returns the new parameter and keeps its slots itself.
void expect_rule(const Optimizer& optimizer,
                 const std::function<double(double, double, int)>& rule) {
  const auto got = Recorded(optimizer).run(kRate, kSteps);
  double expected = 1.5;
  for (int t = 1; t <= kSteps; ++t) {
    expected = rule(expected, Recorded::gradient_at(t), t);
    EXPECT_NEAR(got[static_cast<std::size_t>(t - 1)], expected, 1e-6) << "step " << t;
  }
}

TEST(SGD, follows_the_gradient) {
  expect_rule(SGD({.learning_rate = kRate}), [](double p, double g, int) { return p - kRate * g; });
}

TEST(SGD, gathers_momentum) {
  double m = 0;
  expect_rule(SGD({.learning_rate = kRate, .momentum = 0.75}), [&](double p, double g, int) {
    m = 0.75 * m - kRate * g;
    return p + m;
  });
}

TEST(SGD, looks_ahead_with_nesterov) {
  double m = 0;
  expect_rule(SGD({.learning_rate = kRate, .momentum = 0.75, .nesterov = true}),
              [&](double p, double g, int) {
                m = 0.75 * m - kRate * g;
                return p + 0.75 * m - kRate * g;
              });
}

TEST(Optimizers, decay_weights_before_the_step_by_the_value_of_their_range) {
  expect_rule(SGD({.learning_rate = kRate, .weight_decay = 0.5}),
              [](double p, double g, int) { return p - p * kDecay * kRate - kRate * g; });
}

class AdamReference {
 public:
  explicit AdamReference(bool amsgrad = false, double decay = 0.0)
      : amsgrad_(amsgrad), decay_(decay) {}
  double operator()(double p, double g, int t) {
    p -= p * decay_ * kRate;
    m_ += (g - m_) * 0.1;
    v_ += (g * g - v_) * 0.01;
    largest_ = std::fmax(largest_, v_);
    const double alpha = kRate * std::sqrt(1 - std::pow(0.99, t)) / (1 - std::pow(0.9, t));
    return p - m_ * alpha / (std::sqrt(amsgrad_ ? largest_ : v_) + 1e-3);
  }

 private:
  bool amsgrad_;
  double decay_;
  double m_ = 0, v_ = 0, largest_ = 0;
};

TEST(Adam, adds_epsilon_outside_the_root) {
  expect_rule(Adam({.learning_rate = kRate, .beta_2 = 0.99, .epsilon = 1e-3}), AdamReference());
}

TEST(Adam, amsgrad_keeps_the_largest_velocity) {
  expect_rule(Adam({.learning_rate = kRate, .beta_2 = 0.99, .epsilon = 1e-3, .amsgrad = true}),
              AdamReference(true));
}

TEST(AdamW, is_adam_with_weight_decay) {
  expect_rule(AdamW({.learning_rate = kRate, .beta_2 = 0.99, .epsilon = 1e-3}),
              AdamReference(false, kDecay));
  EXPECT_EQ(AdamW().base()->common().weight_decay, 0.004);
  EXPECT_EQ(Adam().base()->common().weight_decay, std::nullopt);
}

TEST(RMSprop, adds_epsilon_inside_the_root) {
  double v = 0;
  expect_rule(RMSprop({.learning_rate = kRate, .epsilon = 1e-3}), [&](double p, double g, int) {
    v = 0.9 * v + 0.1 * g * g;
    return p - kRate * g / std::sqrt(v + 1e-3);
  });
}

TEST(RMSprop, can_be_centered_and_gather_momentum) {
  double v = 0, m = 0, average = 0;
  expect_rule(RMSprop({.learning_rate = kRate, .momentum = 0.5, .epsilon = 1e-3, .centered = true}),
              [&](double p, double g, int) {
                v = 0.9 * v + 0.1 * g * g;
                average = 0.9 * average + 0.1 * g;
                m = 0.5 * m + kRate * g / std::sqrt(v - average * average + 1e-3);
                return p - m;
              });
}

TEST(Optimizers, name_their_slots_as_keras_does) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(SGD().base()->slot_names(), Names{});
  EXPECT_EQ(SGD({.momentum = 0.5}).base()->slot_names(), Names{"momentum"});
  EXPECT_EQ(Adam().base()->slot_names(), (Names{"momentum", "velocity"}));
  EXPECT_EQ(Adam({.amsgrad = true}).base()->slot_names(),
            (Names{"momentum", "velocity", "velocity_hat"}));
  EXPECT_EQ(RMSprop().base()->slot_names(), Names{"velocity"});
  EXPECT_EQ(RMSprop({.centered = true}).base()->slot_names(),
            (Names{"velocity", "average_gradient"}));
  EXPECT_EQ(RMSprop({.momentum = 0.5, .centered = true}).base()->slot_names(),
            (Names{"velocity", "momentum", "average_gradient"}));
}

TEST(Optimizers, go_by_keras_names) {
  for (const char* name : {"sgd", "adam", "adamw", "rmsprop", "adadelta", "adagrad", "adamax",
                           "ftrl", "nadam", "lion", "lamb", "muon"}) {
    EXPECT_EQ(Optimizer(name).base()->name(), name);
  }
  EXPECT_EQ(Optimizer("RMSprop").base()->name(), "rmsprop");
  EXPECT_EQ(Optimizer().base()->name(), "rmsprop");
  EXPECT_EQ(Optimizer("sgd").base()->common().learning_rate, 0.01);
  EXPECT_EQ(message_of<ValueError>([] { Optimizer("adagrat"); }),
            "Optimizer: there is none named \"adagrat\"; known are sgd, adam, adamw, rmsprop, "
            "adadelta, adagrad, adamax, ftrl, nadam, lion, lamb, schedulefreeadamw, adafactor, "
            "muon; did you mean "
            "\"adagrad\"?");
}

TEST(Optimizers, name_the_option_that_is_out_of_range) {
  EXPECT_EQ(message_of<ValueError>([] { Adam({.clipnorm = 1.0, .clipvalue = 1.0}); }),
            "adam: expected at most one of clipnorm, clipvalue and global_clipnorm, received 2");
  EXPECT_EQ(message_of<ValueError>([] { Adam({.global_clipnorm = 0.0}); }),
            "adam: expected global_clipnorm above 0, received 0");
  EXPECT_EQ(message_of<ValueError>([] { SGD({.learning_rate = -1.0}); }),
            "sgd: expected learning_rate of 0 or more, received -1");
  EXPECT_EQ(message_of<ValueError>([] { SGD({.momentum = 1.5}); }),
            "sgd: expected momentum in [0, 1], received 1.5");
  EXPECT_EQ(message_of<ValueError>([] { AdamW({.weight_decay = -0.1}); }),
            "adamw: expected weight_decay of 0 or more, received -0.1");
}

}  // namespace
}  // namespace stoker
