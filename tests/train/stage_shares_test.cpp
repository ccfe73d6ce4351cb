// What the live view says of the stages of a feed, and of the stages of its source.
#include "train/callbacks/stage_shares.h"

#include <gtest/gtest.h>
#include <stoker/dataset.h>
#include <stoker/generator.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "feed/feed.h"

namespace stoker {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Returns the lines after an epoch of the source that took two seconds of a clock that is made up.
std::vector<report::StageShare> lines_after_an_epoch(const SourceHandle& source) {
  const auto device = device::make_cpu_device();
  feed::Feed feed(source.source(), {.epochs = 1}, *device);
  train::StageShares shares;
  shares.look(feed, 0);
  while (const auto batch = feed.next()) feed.release(*batch);
  shares.look(feed, 2 * kSecond);
  return shares.shares();
}

std::vector<std::string> names_of(const std::vector<report::StageShare>& lines) {
  std::vector<std::string> names;
  for (const report::StageShare& line : lines) names.push_back(line.name);
  return names;
}

void add_one(std::span<std::int32_t> x) { ++x[0]; }

TEST(StageShares, name_the_stages_of_a_source_below_its_batches) {
  const auto lines =
      lines_after_an_epoch(range(1000).map(add_one, {.workers = 2, .name = "add"}).batch(10));
  EXPECT_EQ(names_of(lines), (std::vector<std::string>{"generate", " range", " add", " batch",
                                                       "wait", "upload", "compute"}));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].is_part, i >= 1 && i <= 3) << lines[i].name;
    EXPECT_GE(lines[i].share, 0.0);
    EXPECT_LE(lines[i].share, 1.0);
  }
  EXPECT_EQ(lines[1].detail, "on the feed's threads");
  EXPECT_EQ(lines[2].detail, "on 2 threads of its own");
}

TEST(StageShares, name_the_busiest_stages_of_a_long_pipeline_in_their_order) {
  auto numbers = range(1000);
  for (int i = 0; i < 6; ++i) numbers = numbers.map(add_one);
  const auto lines = lines_after_an_epoch(numbers.batch(10));
  std::vector<std::string> parts;
  for (const report::StageShare& line : lines) {
    if (line.is_part) parts.push_back(line.name);
  }
  EXPECT_EQ(parts.size(), 4U);
  std::vector<std::string> maps;
  for (const std::string& part : parts) {
    if (part.starts_with(" map ")) maps.push_back(part);
  }
  EXPECT_TRUE(std::ranges::is_sorted(maps));
}

TEST(StageShares, of_a_source_without_stages_are_those_of_the_feed) {
  const auto source =
      generator<float>({.x = {1, 4}}, [](BatchContext&, std::span<float> x) { x[0] = 1.0f; });
  const auto device = device::make_cpu_device();
  feed::Feed feed(SourceHandle(source).source(), {.epochs = 1, .steps_per_epoch = 3}, *device);
  train::StageShares shares;
  shares.look(feed, 0);
  while (const auto batch = feed.next()) feed.release(*batch);
  shares.look(feed, 2 * kSecond);
  EXPECT_EQ(names_of(shares.shares()),
            (std::vector<std::string>{"generate", "wait", "upload", "compute"}));
}

}  // namespace
}  // namespace stoker
