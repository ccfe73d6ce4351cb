// What the stages of a Dataset tell of themselves, and folders of images as two stages.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using IntSet = Dataset<std::int32_t>;

IntSet serial(std::int32_t count) {
  return IntSet::from_generator({Shape{}}, [count](std::int64_t) {
    return [count, next = 0](std::span<std::int32_t> out) mutable {
      out[0] = next;
      return next++ < count;
    };
  });
}

// Fills batches of an epoch, on this thread, until there are no more or `stop` says so.
template <class Stop>
std::vector<std::string> fill_until(Source& source, Stop stop) {
  const Field& field = source.spec().inputs[0];
  std::vector<std::string> batches;
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::byte*> fields;
  for (std::size_t i = 0; i < source.spec().field_count(); ++i) {
    memory.emplace_back(static_cast<std::size_t>(source.spec().field(i).shape.elements()) * 4);
  }
  for (auto& bytes : memory) fields.push_back(bytes.data());
  static_cast<void>(field);
  detail::Failures failures;
  for (BatchContext batch{.failures = &failures};; ++batch.index, ++batch.sequence) {
    if (source.fill(batch, Slot(source.spec(), fields.data())) == 0 || stop()) return batches;
    std::string all;
    for (const auto& bytes : memory) {
      all.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    batches.push_back(std::move(all));
  }
}
std::vector<std::string> fill_all(const SourceHandle& source) {
  return fill_until(*source.source(), [] { return false; });
}
StageReport of(const SourceHandle& source, const std::string& name) {
  for (StageReport& report : source.source()->stages()) {
    if (report.name == name) return report;
  }
  ADD_FAILURE() << "no stage " << name;
  return {};
}
// Works for so long, since a thread that sleeps may do so for longer.
void work_for(std::chrono::microseconds duration) {
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
  }
}
void work(std::span<std::int32_t>) { work_for(std::chrono::microseconds(200)); }

TEST(DatasetStages, have_names_and_count_elements_and_bytes) {
  const auto to_pair = [](std::span<const std::int32_t> x, std::span<std::int32_t> pair) {
    pair[0] = pair[1] = x[0];
  };
  for (const auto& numbers : {range(1000), serial(1000)}) {
    for (const std::optional<int> workers :
         std::vector<std::optional<int>>{std::nullopt, 2, AUTOTUNE}) {
      const SourceHandle source = numbers.shuffle(1000, 1)
                                      .take(999)
                                      .map([](std::span<std::int32_t>) {}, {.workers = workers})
                                      .map([](std::span<std::int32_t>) {}, {.name = "brighten"})
                                      .map<std::int32_t>({Shape{2}}, to_pair)
                                      .batch(10);
      EXPECT_EQ(fill_all(source).size(), 100U);
      const std::vector<StageReport> stages = source.source()->stages();
      std::vector<std::string> names;
      for (const StageReport& stage : stages) names.push_back(stage.name);
      EXPECT_EQ(names, (std::vector<std::string>{
                           numbers.is_random_access() ? "range" : "from_generator", "shuffle",
                           "take", "map 1", "brighten", "map 2", "batch"}));
      for (std::size_t i = 2; i < 6; ++i) EXPECT_EQ(stages[i].elements, 999) << names[i];
      EXPECT_GE(stages[0].elements, 999);
      EXPECT_EQ(stages[4].bytes, 999U * 4);
      EXPECT_EQ(stages[5].bytes, 999U * 8);
      EXPECT_EQ(stages[6].elements, 100);
      EXPECT_EQ(stages[6].bytes, 999U * 8) << "the last batch is short";
      EXPECT_EQ(stages[3].workers > 0, workers.has_value());
      EXPECT_EQ(stages[3].is_tuned, workers == AUTOTUNE);
      if (workers) {
        EXPECT_GT(stages[3].asked, 0);
      }
    }
  }
}

TEST(DatasetStages, are_charged_with_their_own_work) {
  for (const std::optional<int> workers : std::vector<std::optional<int>>{std::nullopt, 2}) {
    const SourceHandle source =
        range(400).map([](std::span<std::int32_t>) {}).map(work, {.workers = workers}).batch(10);
    fill_all(source);
    EXPECT_GT(of(source, "map 2").busy, 400 * 150e-6);
    for (const std::string other : {"range", "map 1", "batch"}) {
      EXPECT_LT(of(source, other).busy, of(source, "map 2").busy / 4) << other;
    }
  }
}

TEST(DatasetStages, tell_what_threads_wait_for) {
  const auto slow_input = [](std::span<std::int32_t> x) {
    work(x);
    return true;
  };
  const SourceHandle starved =
      serial(300)
          .map([=](std::span<std::int32_t> x) { slow_input(x); }, {.workers = 1})
          .map([](std::span<std::int32_t>) {}, {.workers = 2})
          .batch(10);
  fill_all(starved);
  EXPECT_GT(of(starved, "map 2").waited_for_input, 0.02);
  EXPECT_LT(of(starved, "map 2").occupancy(), 50.0);
  const SourceHandle full =
      serial(20000).map([](std::span<std::int32_t>) {}, {.workers = 2}).batch(10);
  fill_until(*full.source(), [] {
    work_for(std::chrono::microseconds(100));
    return false;
  });
  EXPECT_GT(of(full, "map").waited_for_room, 0.02);
  EXPECT_GT(of(full, "map").occupancy(), 10.0);
}

TEST(DatasetStages, share_the_cores_if_autotune_chooses) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const SourceHandle source = serial(1 << 30)
                                  .map([](std::span<std::int32_t>) {}, {.workers = AUTOTUNE})
                                  .map(work, {.workers = AUTOTUNE})
                                  .batch(4);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int most = 0;
  fill_until(*source.source(), [&] {
    const int quick = of(source, "map 1").workers;
    const int slow = of(source, "map 2").workers;
    EXPECT_LE(quick + slow, std::max(2, cores));
    EXPECT_GE(quick, 1);
    most = std::max(most, slow);
    return most > 1 || cores < 3 || std::chrono::steady_clock::now() > until;
  });
  if (cores >= 3) {
    EXPECT_GT(most, 1) << "the stage that others wait for gets threads";
  }
  // One stage alone has all cores.
  const SourceHandle alone = serial(1 << 30).map(work, {.workers = AUTOTUNE}).batch(4);
  most = 0;
  fill_until(*alone.source(), [&] {
    most = std::max(most, of(alone, "map").workers);
    return most >= std::min(cores, 2) || std::chrono::steady_clock::now() > until;
  });
  EXPECT_GE(most, std::min(cores, 2));
  EXPECT_LE(most, cores);
}

// ---- Folders of images ----
void write_images(const std::string& path, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string folder = path + "/class" + std::to_string(i % 2);
    std::filesystem::create_directories(folder);
    std::vector<std::uint8_t> pixels(6 * 5 * 3);
    for (std::size_t p = 0; p < pixels.size(); ++p) {
      pixels[p] = static_cast<std::uint8_t>(11 * i + static_cast<int>(p));
    }
    write_png(folder + "/" + std::to_string(100 + i) + ".png", pixels, {6, 5, 3});
  }
}

TEST(DatasetImages, reading_and_decoding_are_stages_that_give_the_same_images) {
  const test::TemporaryFolder folder;
  write_images(folder.path(), 40);
  const auto batches = [&](std::optional<int> read, std::optional<int> decode) {
    const ImageFolder images = image_folder(
        folder.path(),
        {.size = {4, 4, 3}, .seed = 3, .read_workers = read, .decode_workers = decode});
    return images.dataset
        .map([](MapContext& context, std::span<std::uint8_t> image, std::span<std::int32_t>) {
          image[0] = static_cast<std::uint8_t>(context.random.integer(0, 256));
        })
        .batch(7)
        .source();
  };
  const std::vector<std::string> expected = fill_all(batches({}, {}));
  ASSERT_EQ(expected.size(), 6U);
  EXPECT_EQ(fill_all(batches(2, {})), expected);
  EXPECT_EQ(fill_all(batches({}, 2)), expected);
  const SourceHandle both = batches(2, AUTOTUNE);
  EXPECT_EQ(fill_all(both), expected);
  EXPECT_EQ(of(both, "read").elements, 40);
  EXPECT_GT(of(both, "read").bytes, 40U * 50);
  EXPECT_EQ(of(both, "decode").bytes, 40U * (48 + 4));
  EXPECT_THROW(batches(0, {}), ValueError);
  EXPECT_THROW(batches({}, 2000), ValueError);
}

TEST(DatasetImages, files_that_are_damaged_are_replaced) {
  const test::TemporaryFolder folder;
  write_images(folder.path(), 30);
  std::ofstream(folder.path() + "/class0/104.png") << "no image";
  std::filesystem::resize_file(folder.path() + "/class1/107.png", 40);
  std::filesystem::create_symlink("/nowhere", folder.path() + "/class1/200.png");
  const auto run = [&](std::optional<int> read, std::optional<int> decode) {
    return fill_all(image_folder(folder.path(), {.size = {4, 4, 3},
                                                 .on_error = OnError::skip,
                                                 .read_workers = read,
                                                 .decode_workers = decode})
                        .dataset.batch(31)
                        .source());
  };
  const std::vector<std::string> expected = run({}, {});
  ASSERT_EQ(expected.size(), 1U);
  EXPECT_EQ(run({}, 2), expected);
  EXPECT_EQ(run(2, {}), expected);
  EXPECT_EQ(run(1, 3), expected);
  const auto strict = image_folder(folder.path(), {.on_error = OnError::skip, .max_failures = 2});
  std::int64_t seen = 0;
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { strict.dataset.for_each([&](auto, auto) { ++seen; }); }),
               "at most 2 failures"));
  EXPECT_TRUE(contains(message_of<DataError>([&] {
                         image_folder(folder.path()).dataset.for_each([](auto, auto) {});
                       }),
                       "Dataset, decode, element"));
  EXPECT_THROW(image_folder(folder.path(), {.max_failures = -1}), ValueError);
}

}  // namespace
}  // namespace stoker
