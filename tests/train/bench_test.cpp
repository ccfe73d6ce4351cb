// bench_feed() and diagnose(): which rows there are, and that the model is as it was. What rows
// cost is not looked at.
#include "stoker/bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "stoker/config.h"
#include "stoker/stoker.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

Sequential model_on(Device device = Device::cpu()) {
  Sequential model(
      {Input({8}), Dense(4, {.activation = "relu"}), Dropout(0.5), BatchNormalization(), Dense(1)},
      {.seed = 3, .device = device});
  model.compile({.optimizer = Adam(), .loss = "mse", .metrics = {"mae"}});
  return model;
}

void fill_batch(BatchContext& batch, std::span<float> x, std::span<float> y) {
  batch.random.fill_uniform(x);
  for (std::size_t row = 0; row < y.size(); ++row) y[row] = x[8 * row];
}

auto pure_source() {
  return generator<float, float>(
      {.x = {16, 8}, .y = {16, 1}},
      [](BatchContext& batch, std::span<float> x, std::span<float> y) { fill_batch(batch, x, y); });
}

std::vector<std::string> names_of(const FeedBench& bench) {
  std::vector<std::string> names;
  for (const BenchResult& row : bench.rows) names.push_back(row.name());
  return names;
}

// Everything that a training changes.
std::vector<Tensor> weights_and_more(const Model& model) {
  std::vector<Tensor> all = model.get_weights();
  all.push_back(Tensor::full({1}, static_cast<float>(model.iterations())));
  all.push_back(Tensor::full({1}, static_cast<float>(model.learning_rate())));
  return all;
}

void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(std::memcmp(a[i].raw(), b[i].raw(), a[i].bytes()), 0) << i;
  }
}

class BenchOn : public ::testing::TestWithParam<const char*> {
 protected:
  Device device() const {
    return std::string(GetParam()) == "cpu" ? Device::cpu() : Device::simulated();
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, BenchOn, ::testing::Values("cpu", "simulated"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(BenchOn, a_pure_source_has_all_rows_and_each_counts_its_batches) {
  Sequential model = model_on(device());
  const FeedBench bench = bench_feed(model, pure_source(), {.batches = 20});
  EXPECT_EQ(names_of(bench),
            (std::vector<std::string>{"pulling alone", "step alone", "fit, 1 worker",
                                      "fit, AUTOTUNE", "fit, cached batches"}));
  EXPECT_EQ(bench.batch_size, 16);
  EXPECT_EQ(bench.batch_bytes, 16 * 9 * 4);
  for (const BenchResult& row : bench.rows) {
    EXPECT_EQ(row.report.batches, 20) << row.name();
    EXPECT_EQ(row.report.samples, 320) << row.name();
    EXPECT_GT(row.seconds_per_batch, 0.0) << row.name();
    EXPECT_GT(row.samples_per_second(), 0.0) << row.name();
    EXPECT_EQ(row.note, "") << row.name();
  }
}

TEST_P(BenchOn, a_time_is_kept_to_and_something_is_counted) {
  Sequential model = model_on(device());
  const FeedBench bench = bench_feed(model, pure_source(), {.seconds = 0.05});
  ASSERT_EQ(bench.rows.size(), 5U);
  for (const BenchResult& row : bench.rows) EXPECT_GE(row.report.batches, 1) << row.name();
}

TEST_P(BenchOn, the_model_is_as_it_was_and_trains_on_with_the_same_bits) {
  Sequential trained = model_on(device());
  Sequential measured = model_on(device());
  const FitOptions options{.steps_per_epoch = 5, .verbose = 0};
  trained.fit(pure_source(), options);
  measured.fit(pure_source(), options);
  bench_feed(measured, pure_source(), {.batches = 7});
  expect_same(weights_and_more(measured), weights_and_more(trained));
  trained.fit(pure_source(), options);
  measured.fit(pure_source(), options);
  expect_same(weights_and_more(measured), weights_and_more(trained));
}

TEST(Bench, a_model_that_was_never_trained_is_as_it_was) {
  Sequential model = model_on();
  const std::vector<Tensor> before = weights_and_more(model);
  bench_feed(model, pure_source(), {.batches = 3});
  expect_same(weights_and_more(model), before);
}

TEST(Bench, measures_only_the_rows_that_are_asked_for) {
  Sequential model = model_on();
  const FeedBench bench =
      bench_feed(model, pure_source(), {.batches = 3, .rows = {BenchRow::cached}});
  EXPECT_EQ(names_of(bench), (std::vector<std::string>{"fit, cached batches"}));
  EXPECT_EQ(bench.find(BenchRow::step_alone), nullptr);
  EXPECT_NE(bench.find(BenchRow::cached), nullptr);
}

TEST(Bench, a_source_that_is_not_pure_says_so) {
  Sequential model = model_on();
  std::int64_t calls = 0;
  auto source = generator<float, float>(
      {.x = {16, 8}, .y = {16, 1}},
      [&calls](BatchContext& batch, std::span<float> x, std::span<float> y) {
        ++calls;
        fill_batch(batch, x, y);
      });
  const FeedBench bench = bench_feed(model, source, {.batches = 5});
  ASSERT_NE(bench.find(BenchRow::autotune), nullptr);
  EXPECT_TRUE(contains(bench.find(BenchRow::autotune)->note, "not pure"));
  EXPECT_EQ(bench.find(BenchRow::autotune)->report.workers, 1);
  EXPECT_TRUE(contains(bench.text(), "not pure"));
}

TEST(Bench, a_source_that_ends_is_asked_again) {
  Sequential model = model_on();
  const FeedBench bench = bench_feed(
      model, array_source(Tensor::uniform({40, 8}), Tensor::uniform({40, 1}), {.batch_size = 16}),
      {.batches = 11});
  ASSERT_EQ(bench.rows.size(), 5U);
  EXPECT_EQ(bench.find(BenchRow::pulling_alone)->report.batches, 11);
  EXPECT_EQ(bench.find(BenchRow::one_worker)->report.batches, 11);
}

TEST(Bench, a_coroutine_is_begun_again) {
  Sequential model = model_on();
  auto source = coroutine<float, float>({.x = {16, 8}, .y = {16, 1}},
                                        [](BatchWriter<float, float>& batch) -> BatchCoroutine {
                                          for (int i = 0; i < 3; ++i) {
                                            auto [x, y] = batch.fields();
                                            batch.random().fill_uniform(x);
                                            std::ranges::fill(y, 1.0f);
                                            co_yield whole_batch;
                                          }
                                        });
  const FeedBench bench = bench_feed(model, source, {.batches = 7});
  ASSERT_EQ(bench.rows.size(), 5U);
  EXPECT_EQ(bench.find(BenchRow::one_worker)->report.batches, 7);
}

TEST(Bench, a_source_of_the_devices_has_the_rows_that_it_can_have) {
  Sequential model = model_on(Device::simulated());
  const FeedBench bench = bench_feed(
      model,
      cache_on_device(Tensor::uniform({64, 8}), Tensor::uniform({64, 1}), {.batch_size = 16}),
      {.batches = 6});
  EXPECT_EQ(names_of(bench), (std::vector<std::string>{"fit, 1 worker", "fit, AUTOTUNE"}));
}

TEST(Bench, an_error_of_the_source_comes_out_and_the_model_is_set_back) {
  Sequential model = model_on();
  const std::vector<Tensor> before = weights_and_more(model);
  std::atomic<int> calls = 0;
  auto source = generator<float, float>(
      {.x = {16, 8}, .y = {16, 1}},
      [&calls](BatchContext& batch, std::span<float> x, std::span<float> y) {
        if (++calls > 60) throw std::runtime_error("the disk is gone");
        fill_batch(batch, x, y);
      });
  const std::string message =
      message_of<DataError>([&] { bench_feed(model, source, {.batches = 20}); });
  EXPECT_TRUE(contains(message, "the disk is gone")) << message;
  expect_same(weights_and_more(model), before);
}

TEST(Bench, refuses_bad_options_and_models_that_are_not_compiled) {
  Sequential model = model_on();
  const auto message = [&](BenchOptions options) {
    return message_of<ValueError>([&] { bench_feed(model, pure_source(), options); });
  };
  EXPECT_TRUE(contains(message({.seconds = 0.0}), "seconds"));
  EXPECT_TRUE(contains(message({.batches = 0}), "batches"));
  EXPECT_TRUE(contains(message({.max_workers = 0}), "max_workers"));
  EXPECT_TRUE(contains(message({.cache_bytes = -1}), "cache_bytes"));
  Sequential plain({Input({8}), Dense(1)});
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { bench_feed(plain, pure_source(), {.batches = 1}); }),
               "compile"));
}

TEST(Bench, can_not_be_called_from_a_callback_of_the_same_model) {
  Sequential model = model_on();
  const std::string message = message_of<CallbackError>([&] {
    model.fit(pure_source(),
              {.steps_per_epoch = 2, .verbose = 0, .on_epoch_begin = [&](std::int64_t) {
                 bench_feed(model, pure_source(), {.batches = 1});
               }});
  });
  EXPECT_TRUE(contains(message, "bench_feed")) << message;
}

TEST(Diagnosis, has_a_roof_for_each_part_a_verdict_and_what_was_carried_out) {
  Sequential model = model_on(Device::simulated());
  const Diagnosis diagnosis = diagnose(model, pure_source(), {.batches = 20});
  std::vector<std::string> names;
  for (const Roof& roof : diagnosis.roofs) names.push_back(roof.name);
  for (const char* name : {"generator, 1 worker", "upload", "launch", "step"}) {
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  }
  const std::string text = diagnosis.text();
  for (const char* part : {"generator, 1 worker", "█", "fit, AUTOTUNE", "Carried out here"}) {
    EXPECT_TRUE(contains(text, part)) << part << "\n" << text;
  }
  EXPECT_TRUE(contains(text, diagnosis.report.verdict()));
  const Config json = Config::from_json(diagnosis.to_json());
  EXPECT_EQ(json["roofs"].size(), diagnosis.roofs.size());
  EXPECT_EQ(json["bench"]["rows"].size(), 5U);
  EXPECT_EQ(json["report"]["batches"].integer(), 20);
}

TEST(Diagnosis, keeps_to_the_columns) {
  Sequential model = model_on();
  const Diagnosis diagnosis = diagnose(model, pure_source(), {.batches = 5});
  for (const int columns : {60, 80, 200}) {
    const std::string text = diagnosis.text(columns);
    std::size_t begin = text.find('\n') + 1;  // The heading is a sentence.
    for (int bar = 0; bar < 6; ++bar) {
      const std::size_t end = text.find('\n', begin);
      const std::string line = text.substr(begin, end - begin);
      EXPECT_LE(std::ranges::count_if(
                    line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }),
                columns)
          << line;
      begin = end + 1;
    }
  }
}

}  // namespace
}  // namespace stoker
