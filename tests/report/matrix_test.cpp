// Forty situations on a clock of their own (support/acted_fit.h): what the verdict calls each, what
// it advises first, word for word, and what came of it when the advice was carried out.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <ostream>
#include <string>
#include <vector>

#include "support/acted_fit.h"

namespace stoker {
namespace {

using Class = FeedReport::Class;
using test::act;
using test::Setting;
using test::Work;

constexpr double kMs = 1e-3;

struct Situation {
  const char* name;
  Work work;
  Setting setting;
  Class expected;
  const char* advice;  // the first; empty: none
};

std::ostream& operator<<(std::ostream& out, const Situation& situation) {
  return out << situation.name;
}

// The number behind the arrow of "workers 1 → 3 and max_queue_size 10 → 12"; 0 without one.
int number_after(const std::string& change, const std::string& what) {
  const std::size_t begin = change.find(what);
  if (begin == std::string::npos) return 0;
  const std::string arrow = "→ ";
  return std::atoi(change.c_str() + change.find(arrow, begin) + arrow.size());
}

// Seconds of a batch when the advice has been followed.
double carried_out(const Situation& situation, const std::string& change) {
  Work work = situation.work;
  Setting setting = situation.setting;
  setting.tunes = false;
  double batches = 1.0;  // as many of before in one of now
  if (const int workers = number_after(change, "workers")) {
    setting.workers = workers;
    setting.is_pure = true;
  }
  if (const int queue = number_after(change, "max_queue_size")) setting.queue = queue;
  if (change.starts_with("uint8")) work.upload *= 1.0 - 0.75 * work.float_share;
  if (change.starts_with("bfloat16")) work.upload *= 1.0 - 0.5 * work.float_share;
  if (change.starts_with("cache_on_device")) work.upload = 0.0;
  if (change.starts_with("fill float")) work.generate *= 1.0 - work.convert_share;
  if (change.starts_with("a cheaper batch")) work.generate = 0.0;
  if (change.starts_with("a batch_size")) {
    batches = 4.0;
    work.generate *= batches;
    if (work.bytes > 65536.0) work.upload *= batches;  // a small one takes what it takes to begin
    work.step *= batches;
  }
  return act(work, setting).seconds_per_batch() / batches;
}

class Matrix : public ::testing::TestWithParam<Situation> {};

TEST_P(Matrix, has_its_class_its_advice_and_the_gain_that_was_promised) {
  const Situation& situation = GetParam();
  const FeedReport report = act(situation.work, situation.setting);
  EXPECT_STREQ(FeedReport::name_of(report.classify()), FeedReport::name_of(situation.expected));
  const std::vector<Advice> advice = report.advice();
  ASSERT_EQ(advice.empty() ? "" : advice[0].change, situation.advice) << report.verdict();
  if (advice.empty()) return;
  const double after = carried_out(situation, advice[0].change);
  const double gain = report.seconds_per_batch() / after;
  EXPECT_NEAR(advice[0].speedup() / gain, 1.0, 0.15)
      << "promised " << advice[0].speedup() << ", received " << gain << "\n"
      << report.verdict();
}

Setting on_cpu(Setting setting) {
  setting.on_cpu = true;
  return setting;
}

const Situation kSituations[] = {
    // ---- A device of its own, and a generator that waits for something ----
    {"waits_4_against_2",
     {.generate = 4 * kMs, .upload = 1 * kMs, .step = 2 * kMs},
     {},
     Class::generator_bound,
     "workers 1 → 2"},
    {"waits_6_against_1",
     {.generate = 6 * kMs, .upload = 1 * kMs, .step = 1 * kMs},
     {},
     Class::generator_bound,
     "workers 1 → 6 and max_queue_size 10 → 12"},
    {"waits_30_against_24_us",
     {.generate = 30 * kMs, .upload = 0.01 * kMs, .step = 0.024 * kMs},
     {},
     Class::generator_bound,
     "workers 1 → 63 and max_queue_size 10 → 126"},
    {"waits_with_2_workers",
     {.generate = 9 * kMs, .upload = 1 * kMs, .step = 2 * kMs},
     {.workers = 2},
     Class::generator_bound,
     "workers 2 → 5"},
    {"waits_with_11_workers_44_are_four_times_as_fast",
     {.generate = 44 * kMs, .upload = 0.2 * kMs, .step = 1 * kMs},
     {.workers = 11},
     Class::generator_bound,
     "workers 11 → 44 and max_queue_size 14 → 88"},
    {"waits_with_a_queue_of_1",
     {.generate = 5 * kMs, .upload = 0.5 * kMs, .step = 2 * kMs},
     {.queue = 1},
     Class::generator_bound,
     "workers 1 → 3 and max_queue_size 1 → 6"},
    {"waits_and_the_upload_is_next",
     {.generate = 8 * kMs, .upload = 3 * kMs, .step = 1 * kMs},
     {},
     Class::generator_bound,
     "workers 1 → 3"},
    {"waits_a_little",
     {.generate = 2.2 * kMs, .upload = 0.5 * kMs, .step = 2 * kMs},
     {},
     Class::balanced,
     "workers 1 → 2"},
    {"is_just_fast_enough",
     {.generate = 1.5 * kMs, .upload = 0.5 * kMs, .step = 2 * kMs},
     {},
     Class::compute_bound,
     ""},
    {"late_batches_and_a_queue_of_1",
     {.generate = 1 * kMs,
      .late_share = 0.08,
      .late_factor = 12,
      .upload = 0.5 * kMs,
      .step = 2 * kMs},
     {.queue = 1},
     Class::generator_bound,
     "workers 1 → 3 and max_queue_size 1 → 6"},
    {"late_batches_and_a_queue_of_10",
     {.generate = 1 * kMs,
      .late_share = 0.02,
      .late_factor = 30,
      .upload = 0.5 * kMs,
      .step = 2 * kMs},
     {},
     Class::balanced,
     "max_queue_size 10 → 80"},
    {"a_Sequence",
     {.generate = 5 * kMs, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.kind = SourceKind::sequence},
     Class::generator_bound,
     "workers 1 → 5"},
    {"a_Dataset_by_number",
     {.generate = 5 * kMs, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.kind = SourceKind::dataset},
     Class::generator_bound,
     "workers 1 → 5"},
    {"a_Dataset_in_turn",
     {.generate = 5 * kMs, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.kind = SourceKind::dataset, .is_pure = false},
     Class::generator_bound,
     "workers 1 → 5"},
    {"a_capturing_lambda",
     {.generate = 5 * kMs, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.is_pure = false},
     Class::generator_bound,
     "workers 1 → 5"},
    {"a_class",
     {.generate = 5 * kMs, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.kind = SourceKind::custom, .is_pure = false},
     Class::generator_bound,
     "workers 1 → 5"},
    {"a_coroutine",
     {.generate = 5 * kMs, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.kind = SourceKind::coroutine, .is_pure = false},
     Class::generator_bound,
     "workers 1 → 5"},
    {"AUTOTUNE_of_a_generator_that_waits",
     {.generate = 20 * kMs, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.batches = 8000, .tunes = true},
     Class::compute_bound,
     ""},
    {"AUTOTUNE_at_its_limit",
     {.generate = 20 * kMs, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.batches = 4000, .tunes = true, .max_workers = 4},
     Class::generator_bound,
     "workers 4 → 20 and max_queue_size 10 → 40"},

    // ---- A generator that computes ----
    {"computes_4_on_8_cores",
     {.generate = 4 * kMs, .cpu_share = 1, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.cores = 8},
     Class::generator_bound,
     "workers 1 → 4"},
    {"computes_4_on_2_cores",
     {.generate = 4 * kMs, .cpu_share = 1, .upload = 0.5 * kMs, .step = 1 * kMs},
     {},
     Class::generator_bound,
     "workers 1 → 2"},
    {"computes_4_on_2_cores_with_2_workers",
     {.generate = 4 * kMs, .cpu_share = 1, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.workers = 2},
     Class::generator_bound,
     "a cheaper batch"},
    {"computes_4_on_2_cores_with_8_workers",
     {.generate = 4 * kMs, .cpu_share = 1, .upload = 0.5 * kMs, .step = 1 * kMs},
     {.workers = 8},
     Class::generator_bound,
     "a cheaper batch"},
    {"computes_half_of_it",
     {.generate = 6 * kMs, .cpu_share = 0.5, .upload = 0.5 * kMs, .step = 1 * kMs},
     {},
     Class::generator_bound,
     "workers 1 → 6 and max_queue_size 10 → 12"},
    {"converts",
     {.generate = 3 * kMs,
      .cpu_share = 1,
      .convert_share = 0.6,
      .upload = 0.5 * kMs,
      .step = 1 * kMs},
     {.cores = 1},
     Class::generator_bound,
     "fill float fields instead of casting double"},

    // ---- Uploads and launches ----
    {"uploads_floats",
     {.generate = 1 * kMs, .upload = 4 * kMs, .step = 1.5 * kMs},
     {},
     Class::upload_bound,
     "uint8 fields with a Rescaling layer, where the data allow it"},
    {"uploads_half_floats",
     {.generate = 1 * kMs, .upload = 4 * kMs, .step = 1 * kMs, .float_share = 0.5},
     {},
     Class::upload_bound,
     "cache_on_device(), where the data set fits the device's memory"},
    {"uploads_bytes",
     {.generate = 1 * kMs, .upload = 4 * kMs, .step = 1 * kMs, .float_share = 0},
     {},
     Class::upload_bound,
     "cache_on_device(), where the data set fits the device's memory"},
    {"uploads_a_Dataset",
     {.generate = 1 * kMs, .upload = 3 * kMs, .step = 1 * kMs},
     {.kind = SourceKind::dataset},
     Class::upload_bound,
     "uint8 fields with a Rescaling layer, where the data allow it"},
    {"uploads_so_little_that_beginning_takes_longest",
     {.generate = 0.01 * kMs,
      .upload = 0.05 * kMs,
      .launch = 0.01 * kMs,
      .step = 0.01 * kMs,
      .bytes = 2000},
     {},
     Class::upload_bound,
     "a batch_size four times as large"},
    {"launches",
     {.generate = 0.005 * kMs,
      .upload = 0.01 * kMs,
      .launch = 0.06 * kMs,
      .step = 0.005 * kMs,
      .bytes = 2000},
     {},
     Class::launch_bound,
     "a batch_size four times as large"},
    {"launches_and_computes",
     {.generate = 0.1 * kMs, .upload = 0.1 * kMs, .launch = 0.5 * kMs, .step = 0.3 * kMs},
     {},
     Class::launch_bound,
     "a batch_size four times as large"},
    {"computes_only",
     {.generate = 0.5 * kMs, .upload = 0.5 * kMs, .launch = 0.05 * kMs, .step = 4 * kMs},
     {},
     Class::compute_bound,
     ""},

    // ---- The CPU ----
    {"cpu_waits_for_3_steps_and_is_cold_after_them",
     {.generate = 18 * kMs, .step = 6 * kMs, .cold = 0.35},
     on_cpu({.step_threads = 2}),
     Class::generator_bound,
     "workers 1 → 3"},
    {"cpu_waits_and_the_step_takes_24_us",
     {.generate = 30 * kMs, .step = 0.024 * kMs},
     on_cpu({}),
     Class::generator_bound,
     "workers 1 → 63 and max_queue_size 10 → 126"},
    {"cpu_AUTOTUNE_of_30_ms_against_24_us",
     {.generate = 30 * kMs, .step = 0.024 * kMs},
     on_cpu({.batches = 8000, .tunes = true}),
     Class::generator_bound,
     "a cheaper batch"},
    {"cpu_computes_as_long_as_the_step",
     {.generate = 6 * kMs, .cpu_share = 1, .step = 6 * kMs},
     on_cpu({.step_threads = 1}),
     Class::compute_bound,
     ""},
    {"cpu_computes_beside_a_step_on_both_cores",
     {.generate = 5 * kMs, .cpu_share = 1, .step = 6 * kMs},
     on_cpu({.step_threads = 2}),
     Class::compute_bound,
     "a cheaper batch"},
    {"cpu_computes_4_times_the_step",
     {.generate = 24 * kMs, .cpu_share = 1, .step = 6 * kMs},
     on_cpu({.step_threads = 2}),
     Class::generator_bound,
     "workers 1 → 2"},
    {"cpu_costs_nothing",
     {.generate = 0.01 * kMs, .cpu_share = 1, .step = 6 * kMs},
     on_cpu({.step_threads = 2}),
     Class::compute_bound,
     ""},
};

INSTANTIATE_TEST_SUITE_P(On, Matrix, ::testing::ValuesIn(kSituations),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Matrix, has_forty_situations) { EXPECT_EQ(std::size(kSituations), 40U); }

// The best of 1 to 64 workers, each with the ring that it gets.
double best_fixed(const Work& work, Setting setting, int most) {
  double best = INFINITY;
  setting.tunes = false;
  for (int workers = 1; workers <= most; ++workers) {
    setting.workers = workers;
    best = std::min(best, act(work, setting).seconds_per_batch());
  }
  return best;
}

TEST(AutotuneMatrix, ends_within_a_tenth_of_the_best_of_64_workers_where_the_generator_waits) {
  for (const bool on_cpu : {true, false}) {
    const Work work{.generate = 30 * kMs, .upload = on_cpu ? 0.0 : 1e-6, .step = 0.024 * kMs};
    Setting setting{.on_cpu = on_cpu, .batches = 8000, .tunes = true};
    const double tuned = act(work, setting).seconds_per_batch();
    setting.batches = 2000;
    EXPECT_LT(tuned, 1.1 * best_fixed(work, setting, 64)) << on_cpu;
  }
}

TEST(AutotuneMatrix,
     ends_within_a_tenth_of_the_best_of_as_many_workers_as_cores_where_it_computes) {
  for (const bool on_cpu : {true, false}) {
    for (const double cores : {2.0, 4.0, 8.0}) {
      const Work work{
          .generate = 8 * kMs, .cpu_share = 1, .upload = on_cpu ? 0.0 : 1e-5, .step = 1 * kMs};
      Setting setting{.on_cpu = on_cpu, .cores = cores, .batches = 4000, .tunes = true};
      const double tuned = act(work, setting).seconds_per_batch();
      setting.batches = 2000;
      EXPECT_LT(tuned, 1.1 * best_fixed(work, setting, static_cast<int>(cores))) << on_cpu << cores;
    }
  }
}

}  // namespace
}  // namespace stoker
