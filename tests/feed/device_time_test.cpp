// How a device's time divides, batch by batch.
#include "feed/upload/device_time.h"

#include <gtest/gtest.h>

namespace stoker::feed {
namespace {

// The batch before had been stepped at 100.
constexpr BatchTimes kBefore{.uploaded_ns = 60, .stepped_ns = 100};

struct Waits {
  std::int64_t generator, upload, launch;
  friend bool operator==(const Waits&, const Waits&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Waits& waits) {
    return out << waits.generator << " for the generator, " << waits.upload << " for the upload, "
               << waits.launch << " for the launch";
  }
};

Waits waits_of(const BatchTimes& batch) {
  const DeviceSpan span = span_of(batch, kBefore, 0);
  return {span.waited_for_generator_ns, span.waited_for_upload_ns, span.waited_for_launch_ns};
}

TEST(DeviceTime, a_batch_that_was_in_time_is_not_waited_for) {
  EXPECT_EQ(waits_of({.filled_ns = 50,
                      .issued_ns = 55,
                      .launched_ns = 70,
                      .uploaded_ns = 90,
                      .stepped_ns = 150}),
            (Waits{0, 0, 0}));
}

TEST(DeviceTime, the_earliest_stage_that_was_late_is_the_cause) {
  EXPECT_EQ(waits_of({.filled_ns = 120,
                      .issued_ns = 125,
                      .launched_ns = 130,
                      .uploaded_ns = 160,
                      .stepped_ns = 200}),
            (Waits{60, 0, 0}));
  EXPECT_EQ(waits_of({.filled_ns = 50,
                      .issued_ns = 55,
                      .launched_ns = 70,
                      .uploaded_ns = 140,
                      .stepped_ns = 200}),
            (Waits{0, 40, 0}));
  EXPECT_EQ(waits_of({.filled_ns = 50,
                      .issued_ns = 110,
                      .launched_ns = 120,
                      .uploaded_ns = 140,
                      .stepped_ns = 200}),
            (Waits{0, 0, 40}));
}

TEST(DeviceTime, a_launch_that_comes_after_its_upload_is_late_by_itself) {
  EXPECT_EQ(waits_of({.filled_ns = 50,
                      .issued_ns = 95,
                      .launched_ns = 160,
                      .uploaded_ns = 105,
                      .stepped_ns = 200}),
            (Waits{0, 5, 55}));
}

TEST(DeviceTime, what_came_before_the_epoch_was_no_waiting) {
  EXPECT_EQ(waits_of({.filled_ns = 1005,
                      .issued_ns = 1006,
                      .launched_ns = 1008,
                      .uploaded_ns = 1007,
                      .stepped_ns = 1050,
                      .epoch_ns = 1000}),
            (Waits{8, 0, 0}));
}

}  // namespace
}  // namespace stoker::feed
