// What docs/first-example.md quotes is what a program prints: the same words, whatever the numbers.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "support/form.h"
#include "support/source_folder.h"

namespace stoker {
namespace {

std::string page() {
  const auto path = test::source_folder() / "docs/first-example.md";
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The forms of all that stands between backticks in the lines that hold `with`.
std::set<std::string> quoted_beside(const std::string& with) {
  std::set<std::string> forms;
  std::istringstream lines(page());
  for (std::string line; std::getline(lines, line);) {
    if (line.find(with) == std::string::npos) continue;
    std::size_t end = 0;
    for (std::size_t begin = line.find('`'); begin != std::string::npos;
         begin = line.find('`', end + 1)) {
      end = line.find('`', begin + 1);
      if (end == std::string::npos) break;
      forms.insert(test::form_of(line.substr(begin + 1, end - begin - 1)));
    }
  }
  return forms;
}

template <class E, class F>
void expect_documented(const char* type, F&& f) {
  std::string message;
  try {
    f();
  } catch (const E& error) {
    message = error.what();
  }
  EXPECT_NE(message, "") << "expected a " << type;
  EXPECT_TRUE(quoted_beside("`" + std::string(type) + "`").contains(test::form_of(message)))
      << "docs/first-example.md does not quote: " << message;
}

Sequential classifier() {
  Sequential model({Input({28, 28, 1}), Flatten(), Dense(10)});
  model.compile({.optimizer = SGD(), .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  return model;
}

auto images(std::int64_t size, std::int32_t label = 0, std::int64_t returned = 8) {
  return generator<float, std::int32_t>(
      {.x = {8, size, size, size == 28 ? 1 : 3}, .y = {8}},
      [=](BatchContext&, std::span<float> x, std::span<std::int32_t> y) -> std::int64_t {
        for (float& value : x) value = 0.5f;
        for (auto& value : y) value = label;
        return returned;
      });
}

const FitOptions kOneStep{.steps_per_epoch = 1, .verbose = 0};

TEST(Documented, ErrorsOfLayersAndShapes) {
  expect_documented<ShapeError>("ShapeError", [] {
    Sequential model({Input({28, 28, 1}), Flatten(), Conv2D(4, 3)});
  });
  expect_documented<ValueError>("ValueError", [] { Sequential model({Dense(3)}); });
  expect_documented<ShapeError>("ShapeError", [] { classifier().fit(images(32), kOneStep); });
  expect_documented<ShapeError>("ShapeError", [] {
    Sequential model({Input({28, 28, 1}), Conv2D(4, 3), Dense(10)});
    model.compile({.loss = SparseCategoricalCrossentropy({.from_logits = true})});
    model.fit(images(28), kOneStep);
  });
  expect_documented<ShapeError>("ShapeError", [] {
    classifier().test_on_batch(Tensor({8, 28, 28, 1}), Tensor({8, 10}, DType::int32));
  });
}

TEST(Documented, ErrorsOfSources) {
  expect_documented<DataError>("DataError", [] { classifier().fit(images(28, 10), kOneStep); });
  expect_documented<DataError>("DataError", [] { classifier().fit(images(28, 0, 9), kOneStep); });
  expect_documented<ValueError>("ValueError", [] {
    auto endless = generator<float, std::int32_t>(
        {.x = {8, 28, 28, 1}, .y = {8}},
        [](BatchContext&, std::span<float>, std::span<std::int32_t>) {});
    classifier().fit(endless, {.verbose = 0});
  });
  expect_documented<ValueError>("ValueError", [] {
    generator<float, float>({.x = {8, 4}},
                            [](BatchContext&, std::span<float>, std::span<float>) {});
  });
}

TEST(Documented, ErrorsOfTraining) {
  expect_documented<ValueError>("ValueError", [] {
    Sequential model({Input({28, 28, 1}), Flatten(), Dense(10)});
    model.fit(images(28), kOneStep);
  });
  expect_documented<NumericError>("NumericError", [] {
    Sequential model({Input({1}), Dense(2, {.use_bias = false})});
    model.compile({.optimizer = SGD({.learning_rate = 1e30}), .loss = "mse"});
    model.set_weights({Tensor::from<float>({1, 2}, {0.5f, 0.25f})});
    auto batches = generator<float, float>(
        {.x = {1, 1}, .y = {1, 2}}, [](BatchContext&, std::span<float> x, std::span<float> y) {
          x[0] = 1.0f;
          y[0] = 0.5f;
          y[1] = 1e10f;
        });
    model.fit(batches, kOneStep);
  });
  expect_documented<NumericError>("NumericError", [] {
    auto batches = generator<float, std::int32_t>(
        {.x = {8, 28, 28, 1}, .y = {8}},
        [](BatchContext&, std::span<float> x, std::span<std::int32_t> y) {
          for (float& value : x) value = 3e38f;
          for (auto& value : y) value = 0;
        });
    classifier().fit(batches, kOneStep);
  });
  expect_documented<ValueError>("ValueError", [] {
    Sequential model = classifier();
    auto asks = generator<float, std::int32_t>(
        {.x = {8, 28, 28, 1}, .y = {8}},
        [&](BatchContext&, std::span<float>, std::span<std::int32_t>) {
          model.predict(Tensor({1, 28, 28, 1}));
        });
    try {
      model.fit(asks, kOneStep);
    } catch (const DataError& error) {
      std::rethrow_if_nested(error);
    }
  });
}

// What to change depends on the machine; what it says before that is compared.
void expect_verdict_documented(const std::string& verdict) {
  std::set<std::string> forms;
  std::istringstream lines(page());
  for (std::string line; std::getline(lines, line);) forms.insert(test::verdict_form(line));
  std::istringstream said(verdict);
  for (std::string line; std::getline(said, line) && !line.starts_with("- ");) {
    EXPECT_TRUE(forms.contains(test::verdict_form(line)))
        << "docs/first-example.md does not quote: " << line;
  }
}

FeedReport report_of(double generated, double computed) {
  FeedReport report;
  const auto ns = [](double s) { return static_cast<std::int64_t>(1e9 * s); };
  report.batches = 1000;
  report.samples = 32'000;
  report.workers = 1;
  report.queue_size = 10;
  for (int i = 0; i < 1000; ++i) {
    report.generate.add(ns(generated));
    report.step.add(ns(computed));
  }
  report.generated = 1000 * generated;
  report.computed = 1000 * computed;
  report.waited_for_generator = 1000 * std::max(0.0, generated - computed);
  report.wall = report.computed + report.waited_for_generator;
  return report;
}

TEST(Documented, VerdictsOfAFastAndOfASlowGenerator) {
  expect_verdict_documented(report_of(77.6e-6, 34.7e-3).verdict());
  expect_verdict_documented(report_of(2.12e-3, 18.4e-6).verdict());
}

}  // namespace
}  // namespace stoker
