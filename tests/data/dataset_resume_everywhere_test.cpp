// Data sets of every kind go on at every batch, in a program that knows nothing of the earlier one.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "feed/ring/resume.h"
#include "support/resume.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::expect_resumes_everywhere;

using Ints = Dataset<std::int32_t>;
struct Kind {
  std::string name;
  Ints (*make)();
};

void add_noise(MapContext& context, std::span<std::int32_t> x) {
  for (auto& value : x) {
    value = 100 * value + static_cast<std::int32_t>(context.random.integer(0, 100));
  }
}
bool is_wanted(std::span<const std::int32_t> x) { return x[0] % 3 != 1; }

Ints numbers() { return range(22); }
Ints noisy() { return numbers().map(add_noise); }
// Gives as many elements as the epoch says, and some.
Ints from_function() {
  return Ints::from_generator({Shape{}}, [](std::int64_t epoch) {
    return [epoch, next = std::int32_t{0}](std::span<std::int32_t> x) mutable {
      x[0] = static_cast<std::int32_t>(1000 * epoch) + next;
      return next++ < 9 + static_cast<std::int32_t>(epoch);
    };
  });
}
Ints part(std::span<const std::int32_t> x) {
  return range(100 * x[0], 100 * x[0] + 5).shuffle(2, 3).map(add_noise);
}

// Their length is known.
std::vector<Kind> of_known_length() {
  return {
      {"by number", [] { return noisy().shuffle(22, 1).batch(4); }},
      {"prefetch", [] { return noisy().prefetch(2).batch(4); }},
      {"shuffle of numbers", [] { return noisy().shuffle(5, 1).batch(4); }},
      {"shuffle of one after another", [] { return noisy().prefetch(1).shuffle(5, 1).batch(4); }},
      {"shuffle of batches", [] { return noisy().batch(4).shuffle(2, 1).prefetch(2); }},
      {"not reshuffled",
       [] { return noisy().shuffle(5, 1, {.reshuffle_each_iteration = false}).batch(4); }},
      {"map behind a shuffle", [] { return numbers().shuffle(5, 1).map(add_noise).batch(4); }},
      {"map to other elements",
       [] {
         return numbers()
             .shuffle(5, 1)
             .map<std::int32_t>({Shape{2}},
                                [](MapContext& context, std::span<const std::int32_t> x,
                                   std::span<std::int32_t> y) {
                                  y[0] = x[0];
                                  y[1] = static_cast<std::int32_t>(context.random.integer(0, 99));
                                })
             .batch(4);
       }},
      {"map with workers",
       [] { return numbers().shuffle(5, 1).map(add_noise, {.workers = 3}).batch(4); }},
      {"repeat", [] { return numbers().take(11).map(add_noise).shuffle(5, 1).repeat(2).batch(4); }},
      {"take and skip", [] { return noisy().shuffle(5, 1).skip(3).take(17).batch(3); }},
      {"shard", [] { return range(66).map(add_noise).shuffle(5, 1).shard(3, 1).batch(4); }},
      {"concatenate", [] { return noisy().shuffle(4, 1).concatenate(noisy()).batch(7); }},
      {"concatenate one after another",
       [] { return noisy().concatenate(numbers().shuffle(4, 1).map(add_noise)).batch(7); }},
      {"window", [] { return noisy().window(3, {.shift = 2}).padded_batch(2, {Shape{3}}); }},
      {"windows apart", [] { return noisy().window(2, {.shift = 5}).padded_batch(2, {Shape{2}}); }},
      {"zip",
       [] {
         return zip(noisy().shuffle(4, 1), numbers().prefetch(1).map(add_noise))
             .map<std::int32_t>({Shape{2}},
                                [](std::span<const std::int32_t> a, std::span<const std::int32_t> b,
                                   std::span<std::int32_t> both) {
                                  both[0] = a[0];
                                  both[1] = b[0];
                                })
             .batch(4);
       }},
      {"enumerate",
       [] {
         return noisy()
             .shuffle(4, 1)
             .enumerate()
             .map<std::int32_t>({Shape{2}},
                                [](std::span<const std::int32_t> n, std::span<const std::int32_t> x,
                                   std::span<std::int32_t> both) {
                                  both[0] = n[0];
                                  both[1] = x[0];
                                })
             .batch(4);
       }},
      {"cache", [] { return noisy().cache().shuffle(5, 2).batch(4); }},
      {"cache of a whole number of batches",
       [] { return range(24).map(add_noise).cache().batch(4); }},
      {"cache and prefetch", [] { return range(24).map(add_noise).cache().prefetch(2).batch(4); }},
      {"cache that is never filled", [] { return noisy().cache().take(13).batch(3); }},
      {"cache of one round", [] { return noisy().cache().repeat(2).batch(8); }},
      {"cache behind another", [] { return noisy().cache().map(add_noise).cache().batch(4); }},
  };
}

// Only a pass tells their length.
std::vector<Kind> of_unknown_length() {
  return {
      {"filter", [] { return noisy().filter(is_wanted).batch(4); }},
      {"filter, shuffle", [] { return numbers().filter(is_wanted).shuffle(5, 1).batch(4); }},
      {"filter, map", [] { return numbers().filter(is_wanted).map(add_noise).batch(4); }},
      {"filter, repeat", [] { return noisy().filter(is_wanted).repeat(2).batch(4); }},
      {"from_generator", [] { return from_function().map(add_noise).batch(3); }},
      {"from_generator, shuffle", [] { return from_function().shuffle(4, 1).batch(3); }},
      {"from_generator, concatenate",
       [] { return from_function().concatenate(from_function().map(add_noise)).batch(3); }},
      {"interleave",
       [] { return range(5).interleave(part, {.cycle_length = 2, .block_length = 2}).batch(4); }},
      {"interleave, shuffle, prefetch",
       [] { return range(5).interleave(part).shuffle(3, 1).batch(4).prefetch(2); }},
      {"interleave of caches",
       [] {
         const Ints kept = range(5).map(add_noise).cache();
         return range(3).interleave([kept](auto) { return kept; }).batch(4);
       }},
      {"unbatch", [] { return noisy().batch(5).unbatch().batch(4); }},
      {"filter, cache", [] { return noisy().filter(is_wanted).cache().batch(4); }},
      {"from_generator, cache", [] { return from_function().cache().map(add_noise).batch(3); }},
  };
}

TEST(DatasetResume, everywhere_in_passes_of_known_length) {
  for (const Kind& kind : of_known_length()) {
    expect_resumes_everywhere([&] { return SourceHandle(kind.make()); }, {.epochs = 3}, kind.name);
  }
}

TEST(DatasetResume, everywhere_where_steps_cut_passes_unevenly) {
  for (const Kind& kind : of_known_length()) {
    for (const std::int64_t steps : {2, 4}) {
      expect_resumes_everywhere([&] { return SourceHandle(kind.make()); },
                                {.epochs = 5, .steps_per_epoch = steps},
                                kind.name + ", " + std::to_string(steps) + " steps");
    }
  }
}

TEST(DatasetResume, everywhere_in_passes_of_unknown_length) {
  for (const Kind& kind : of_unknown_length()) {
    expect_resumes_everywhere([&] { return SourceHandle(kind.make()); }, {.epochs = 3}, kind.name);
  }
}

// A pass that steps_per_epoch divides goes on over epochs, here to its end.
TEST(DatasetResume, everywhere_in_a_pass_of_unknown_length_that_steps_divide) {
  for (const Kind& kind : of_unknown_length()) {
    for (const std::int64_t first : {0, 2}) {
      expect_resumes_everywhere(
          [&] { return SourceHandle(kind.make()); },
          {.epochs = 3, .first_epoch = first, .steps_per_epoch = 2, .warn = [](auto&) {}},
          kind.name + " from epoch " + std::to_string(first));
    }
  }
}

TEST(DatasetResume, everywhere_in_one_that_never_ends) {
  std::vector<Kind> kinds = {
      {"by number", [] { return noisy().shuffle(22, 1).repeat().batch(4); }},
      {"range", [] { return noisy().repeat().map(add_noise).batch(4); }},
      {"shuffle", [] { return noisy().shuffle(5, 1).repeat().batch(4); }},
      {"shuffle behind", [] { return noisy().repeat().shuffle(5, 1).batch(4); }},
      {"filter", [] { return noisy().filter(is_wanted).repeat().batch(4); }},
      {"from_generator", [] { return from_function().repeat().batch(4); }},
      {"cache", [] { return noisy().cache().repeat().batch(4); }},
      {"cache, shuffle", [] { return noisy().cache().shuffle(5, 1).repeat().batch(4); }},
  };
  for (const Kind& kind : kinds) {
    expect_resumes_everywhere([&] { return SourceHandle(kind.make()); },
                              {.epochs = 3, .steps_per_epoch = 7}, kind.name);
  }
}

TEST(DatasetResume, everywhere_in_the_same_program) {
  std::vector<Kind> kinds = of_known_length();
  for (const Kind& kind : of_unknown_length()) {
    // The first pass, which fills it, is another one than a pass that finds it filled.
    if (kind.name != "interleave of caches") kinds.push_back(kind);
  }
  for (const Kind& kind : kinds) {
    const SourceHandle source = kind.make();
    expect_resumes_everywhere([&] { return source; }, {.epochs = 3}, kind.name);
  }
}

TEST(DatasetResume, everywhere_with_a_cache_in_a_file) {
  int programs = 0;
  const test::TemporaryFolder folder;
  const auto make = [&] {
    const std::string path = folder.path() + "/cache" + std::to_string(programs++);
    return SourceHandle(noisy().cache(path).shuffle(5, 1).batch(4));
  };
  expect_resumes_everywhere(make, {.epochs = 3}, "a file each");
  const std::string path = folder.path() + "/cache";
  const auto same = [&] { return SourceHandle(noisy().cache(path).batch(4)); };
  expect_resumes_everywhere(same, {.epochs = 3}, "one file");
}

// ---- What it costs ----

// Counts the calls of a map in the batches of the rest.
template <class Pipeline>
int calls_of_map(const Pipeline& pipeline, std::int64_t first_step) {
  std::atomic<int> calls{0};
  const Ints batches =
      pipeline(range(1000).map([&calls](std::span<std::int32_t>) { calls.fetch_add(1); }));
  test::run_feed(batches, {.epochs = 1, .first_step = first_step, .first_batch = first_step});
  return calls.load();
}

TEST(DatasetResume, elements_that_can_be_numbered_are_not_made_to_be_passed_over) {
  EXPECT_EQ(calls_of_map([](Ints all) { return all.batch(10); }, 90), 100);
  EXPECT_EQ(calls_of_map([](Ints all) { return all.shuffle(50, 1).batch(10); }, 90), 100);
  EXPECT_EQ(
      calls_of_map([](Ints all) { return all.take(500).repeat(2).prefetch(1).batch(10); }, 90),
      100);
  EXPECT_EQ(
      calls_of_map([](Ints all) { return all.filter([](auto) { return true; }).batch(10); }, 90),
      1000);
}

TEST(DatasetResume, is_by_number_for_every_data_set) {
  for (const Kind& kind : of_unknown_length()) {
    const SourceHandle source = kind.make();
    EXPECT_EQ(feed::resume_of(*source.source()).kind, feed::ResumeKind::by_number) << kind.name;
  }
}

// ---- Caches ----

TEST(DatasetCache, is_filled_by_a_pass_whose_batches_are_counted) {
  int calls = 0;
  const auto batches =
      range(24).map([&calls](std::span<std::int32_t>) { ++calls; }).cache().batch(4);
  test::run_feed(batches, {.epochs = 3});
  EXPECT_EQ(calls, 24);
}

}  // namespace
}  // namespace stoker
