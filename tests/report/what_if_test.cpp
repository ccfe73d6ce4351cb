// What a run would have been: thirty changes that are predicted from its report, and then carried
// out (support/acted_fit.h).
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "stoker/config.h"
#include "stoker/error.h"
#include "stoker/report.h"
#include "support/acted_fit.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::act;
using test::contains;
using test::message_of;
using test::Setting;
using test::Work;

constexpr double kMs = 1e-3;

struct Imagined {
  const char* name;
  Work work;
  Setting setting;
  WhatIf change;
  const char* limit;
};

std::ostream& operator<<(std::ostream& out, const Imagined& imagined) {
  return out << imagined.name;
}

// The seconds of a batch when the change was carried out.
double carried_out(const Imagined& imagined) {
  Work work = imagined.work;
  Setting setting = imagined.setting;
  const WhatIf& change = imagined.change;
  work.step /= change.device_speed;
  work.generate /= change.generator_speed;
  work.upload *= change.upload_bytes;
  setting.workers = change.workers.value_or(setting.workers);
  setting.queue = change.queue.value_or(setting.queue);
  setting.cores = change.cores.value_or(setting.cores);
  return act(work, setting).seconds_per_batch();
}

class WhatIfs : public ::testing::TestWithParam<Imagined> {};

TEST_P(WhatIfs, come_out_as_predicted) {
  const Imagined& imagined = GetParam();
  const FeedReport report = act(imagined.work, imagined.setting);
  const Outcome outcome = report.what_if(imagined.change);
  EXPECT_NEAR(outcome.predicted / carried_out(imagined), 1.0, 0.15) << outcome.text();
  EXPECT_EQ(outcome.limit, imagined.limit) << outcome.text();
}

TEST_P(WhatIfs, are_the_same_from_a_report_that_was_read_from_json) {
  const FeedReport report = act(GetParam().work, GetParam().setting);
  const FeedReport again = FeedReport::from_json(report.to_json());
  EXPECT_EQ(again.to_json(), report.to_json());
  EXPECT_EQ(again.verdict(), report.verdict());
  EXPECT_DOUBLE_EQ(again.what_if(GetParam().change).predicted,
                   report.what_if(GetParam().change).predicted);
}

// A device of its own; the times are in milliseconds.
Work device(double generate, double upload, double step, double launch = 0.0) {
  return {.generate = generate * kMs,
          .upload = upload * kMs,
          .launch = launch * kMs,
          .step = step * kMs};
}
Work computing(Work work, double cpu_share = 1.0) {
  work.cpu_share = cpu_share;
  return work;
}
// The step reads the host's memory, and computes on its cores.
Work cpu(double generate, double step, double cpu_share) {
  return {.generate = generate * kMs, .cpu_share = cpu_share, .step = step * kMs};
}
Setting on_cpu(Setting setting = {}) {
  setting.on_cpu = true;
  return setting;
}

const Imagined kImagined[] = {
    // ---- A faster device ----
    {"twice_as_fast_and_fed", device(1, 0.5, 4), {}, {.device_speed = 2}, "step"},
    {"four_times_as_fast_and_starved", device(2, 0.5, 4), {}, {.device_speed = 4}, "generator"},
    {"ten_times_as_fast_and_still_starved", device(6, 1, 2), {}, {.device_speed = 10}, "generator"},
    {"ten_times_as_fast_the_upload_is_next", device(1, 2, 6), {}, {.device_speed = 10}, "upload"},
    {"fifty_times_as_fast_launching_is_next",
     device(0.05, 0.05, 5, 0.3),
     {},
     {.device_speed = 50},
     "launch"},
    {"half_as_fast", device(3, 1, 2), {}, {.device_speed = 0.5}, "step"},
    {"half_as_fast_and_still_starved", device(9, 1, 2), {}, {.device_speed = 0.5}, "generator"},
    // ---- Workers and the queue ----
    {"two_workers", device(4, 1, 2), {}, {.workers = 2}, "step"},
    {"eight_workers", device(20, 1, 2), {}, {.workers = 8}, "generator"},
    {"thirty_two_workers", device(20, 1, 2), {}, {.workers = 32}, "step"},
    {"fewer_workers", device(6, 1, 2), {.workers = 4}, {.workers = 2}, "generator"},
    {"one_of_eight_workers", device(12, 1, 2), {.workers = 8}, {.workers = 1}, "generator"},
    {"a_queue_of_32_hides_late_batches",
     {.generate = 1 * kMs,
      .late_share = 0.02,
      .late_factor = 30,
      .upload = 0.5 * kMs,
      .step = 2.5 * kMs},
     {},
     {.queue = 64},
     "step"},
    {"a_queue_of_1_does_not",
     {.generate = 1 * kMs,
      .late_share = 0.02,
      .late_factor = 30,
      .upload = 0.5 * kMs,
      .step = 2.5 * kMs},
     {.queue = 64},
     {.queue = 1},
     "generator"},
    {"workers_and_a_faster_device",
     device(12, 1, 4),
     {},
     {.device_speed = 4, .workers = 6},
     "generator"},
    {"enough_workers_and_a_faster_device",
     device(12, 0.5, 4),
     {},
     {.device_speed = 4, .workers = 24, .queue = 48},
     "step"},
    // ---- Less to upload ----
    {"a_quarter_of_the_bytes", device(1, 4, 1.5), {}, {.upload_bytes = 0.25}, "step"},
    {"half_of_the_bytes", device(1, 6, 1.5), {}, {.upload_bytes = 0.5}, "upload"},
    {"no_bytes", device(1, 4, 1.5), {}, {.upload_bytes = 0}, "step"},
    {"four_times_the_bytes", device(1, 1, 1.5), {}, {.upload_bytes = 4}, "upload"},
    {"a_quarter_of_the_bytes_beside_a_slow_generator",
     device(3, 4, 1),
     {},
     {.upload_bytes = 0.25},
     "generator"},
    // ---- A generator that computes, and cores ----
    {"four_workers_on_two_cores", computing(device(4, 0.5, 1)), {}, {.workers = 4}, "cores"},
    {"three_workers_on_eight_cores",
     computing(device(4, 0.5, 1)),
     {},
     {.workers = 3, .cores = 8},
     "generator"},
    {"sixteen_cores_alone_bring_nothing",
     computing(device(4, 0.5, 1)),
     {},
     {.cores = 16},
     "generator"},
    {"more_cores_for_many_workers",
     computing(device(8, 0.5, 1)),
     {.workers = 6},
     {.cores = 8},
     "generator"},
    {"a_generator_twice_as_fast",
     computing(device(4, 0.5, 1)),
     {},
     {.generator_speed = 2},
     "generator"},
    {"a_generator_ten_times_as_fast", device(4, 0.5, 1), {}, {.generator_speed = 10}, "step"},
    // ---- The CPU as the device ----
    {"cpu_twice_as_fast_and_starved", cpu(6, 2, 0), on_cpu(), {.device_speed = 2}, "generator"},
    {"cpu_three_workers_that_wait", cpu(18, 6, 0), on_cpu(), {.workers = 4}, "step"},
    {"cpu_half_as_fast", cpu(3, 4, 0), on_cpu(), {.device_speed = 0.5}, "step"},
};

INSTANTIATE_TEST_SUITE_P(On, WhatIfs, ::testing::ValuesIn(kImagined),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(WhatIf, has_thirty_cases) { EXPECT_EQ(std::size(kImagined), 30U); }

TEST(WhatIf, nothing_changed_changes_nothing) {
  const FeedReport report = act(device(3, 1, 2), {});
  const Outcome outcome = report.what_if({});
  EXPECT_DOUBLE_EQ(outcome.predicted, report.seconds_per_batch());
  EXPECT_DOUBLE_EQ(outcome.speedup(), 1.0);
}

TEST(WhatIf, says_what_it_takes_and_what_holds_it_back) {
  const Outcome outcome = act(device(6, 1, 2), {}).what_if({.device_speed = 10});
  EXPECT_TRUE(contains(outcome.text(), "the generator would hold it back")) << outcome.text();
  const Config json = Config::from_json(outcome.to_json());
  EXPECT_EQ(json["limit"].string(), "generator");
  EXPECT_EQ(json["predicted"].number(), outcome.predicted);
}

TEST(WhatIf, refuses_what_can_not_be) {
  const FeedReport report = act(device(3, 1, 2), {});
  const auto message = [&](const WhatIf& change) {
    return message_of<ValueError>([&] { (void)report.what_if(change); });
  };
  EXPECT_TRUE(contains(message({.device_speed = 0}), "device_speed"));
  EXPECT_TRUE(contains(message({.device_speed = -1}), "device_speed"));
  EXPECT_TRUE(contains(message({.generator_speed = std::numeric_limits<double>::quiet_NaN()}),
                       "generator_speed"));
  EXPECT_TRUE(contains(message({.workers = 0}), "workers"));
  EXPECT_TRUE(contains(message({.workers = 1 << 30}), "workers"));
  EXPECT_TRUE(contains(message({.queue = 0}), "queue"));
  EXPECT_TRUE(contains(message({.upload_bytes = -1}), "upload_bytes"));
  EXPECT_TRUE(contains(message({.cores = 0.0}), "cores"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([] { (void)FeedReport{}.what_if({}); }), "without batches"));
}

TEST(WhatIf, refuses_json_that_is_no_report) {
  const std::string json = act(device(3, 1, 2), {}).to_json();
  const auto message = [](const std::string& text) {
    return message_of<ValueError>([&] { (void)FeedReport::from_json(text); });
  };
  EXPECT_TRUE(contains(message("[]"), "list"));
  EXPECT_TRUE(contains(message("{}"), "wall"));
  const auto with = [&](const std::string& key, const std::string& value) {
    Config config = Config::from_json(json);
    config.set(key, Config::from_json(value));
    return config.to_json();
  };
  EXPECT_TRUE(contains(message(with("workers", "1e12")), "workers"));
  EXPECT_TRUE(contains(message(with("workers", "\"two\"")), "workers"));
  EXPECT_TRUE(contains(message(with("source", "\"magic\"")), "source"));
  EXPECT_TRUE(contains(message(with("stages", "{}")), "generate"));
}

}  // namespace
}  // namespace stoker
