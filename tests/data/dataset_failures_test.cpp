// Elements that fail and are passed over.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "feed/ring/resume.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/resume.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Ints = std::vector<std::int32_t>;
using IntSet = Dataset<std::int32_t>;

Ints values_of(const IntSet& dataset, std::int64_t epoch = 0) {
  Ints all;
  dataset.for_each(
      [&](std::span<const std::int32_t> x) { all.insert(all.end(), x.begin(), x.end()); }, epoch);
  return all;
}
IntSet serial(std::int32_t count) {
  return IntSet::from_generator({Shape{}}, [count](std::int64_t) {
    return [count, next = 0](std::span<std::int32_t> out) mutable {
      out[0] = next;
      return next++ < count;
    };
  });
}

bool is_bad(std::int32_t x) { return x % 10 == 3; }
// Damages the element before it throws.
void fail_sometimes(std::span<std::int32_t> x) {
  const std::int32_t value = x[0];
  x[0] = -1;
  if (is_bad(value)) throw std::runtime_error("damaged " + std::to_string(value));
  x[0] = value;
}
void copy_or_fail(MapContext& context, std::span<const std::int32_t> x,
                  std::span<std::int32_t> out) {
  out[0] = -1;
  if (is_bad(x[0])) throw std::runtime_error("damaged " + std::to_string(x[0]));
  out[0] = x[0] + 1000 * static_cast<std::int32_t>(context.random.integer(0, 1000));
}
MapOptions skip(std::optional<int> workers = {}, std::int64_t most = kMaxFailures) {
  return {.workers = workers, .on_error = OnError::skip, .max_failures = most};
}
constexpr std::optional<int> kNumbers[] = {std::nullopt, 1, 3, AUTOTUNE};

// Fills all batches of an epoch of a source, on this thread.
struct Filled {
  Ints values{};
  std::vector<std::int64_t> failures{};  // of each batch
};
Filled fill_all(const SourceHandle& handle, std::int64_t epoch = 0) {
  Source& source = *handle.source();
  std::vector<std::int32_t> memory(
      static_cast<std::size_t>(source.spec().inputs[0].shape.elements()));
  std::byte* fields[] = {reinterpret_cast<std::byte*>(memory.data())};
  Filled filled;
  detail::Failures failures;
  BatchContext batch{.epoch = epoch, .failures = &failures};
  for (;; ++batch.index, ++batch.sequence) {
    const std::int64_t rows = source.fill(batch, Slot(source.spec(), fields));
    filled.failures.push_back(failures.count());
    failures.clear();
    if (rows == 0) return filled;
    filled.values.insert(filled.values.end(), memory.begin(), memory.begin() + rows);
  }
}

// ---- Elements that are asked for by number ----
TEST(DatasetFailures, by_number_a_substitute_stands_in_and_all_others_stay) {
  const auto mapped = range(100).map(fail_sometimes, skip());
  EXPECT_EQ(mapped.cardinality(), 100);
  EXPECT_TRUE(mapped.is_random_access());
  const Ints all = values_of(mapped);
  ASSERT_EQ(all.size(), 100U);
  for (std::int32_t i = 0; i < 100; ++i) {
    const std::int32_t value = all[static_cast<std::size_t>(i)];
    if (is_bad(i)) {
      EXPECT_FALSE(is_bad(value));
      EXPECT_NE(value, -1);
    } else {
      EXPECT_EQ(value, i);
    }
  }
  EXPECT_EQ(values_of(mapped), all);
  EXPECT_NE(values_of(mapped, 1), all) << "a substitute depends on the epoch";
}

TEST(DatasetFailures, a_substitute_is_wholly_the_element_of_its_number) {
  const auto earlier = range(100).shuffle(100, 5).map([](MapContext& c, std::span<std::int32_t> x) {
    x[0] += 10 * static_cast<std::int32_t>(c.random.integer(0, 50));
  });
  const Ints all = values_of(earlier.map<std::int32_t>({Shape{}}, copy_or_fail, skip()));
  // What the elements would be if none failed at its own place.
  std::set<std::int32_t> good;
  for (const std::int32_t value : all) good.insert(value);
  EXPECT_LT(good.size(), 100U);
  EXPECT_GT(good.size(), 80U);
  const Ints inputs = values_of(earlier);
  for (std::size_t i = 0; i < 100; ++i) {
    if (!is_bad(inputs[i])) {
      EXPECT_EQ(all[i] % 1000, inputs[i]);
      continue;
    }
    const auto original = std::ranges::find(all, all[i]);
    const auto last = std::find(all.rbegin(), all.rend(), all[i]);
    EXPECT_NE(original - all.begin(), all.rend() - last - 1) << "also at its own place";
  }
}

TEST(DatasetFailures, any_number_of_workers_makes_the_same_elements_and_counts) {
  for (const auto& source : {range(500), serial(500)}) {
    std::optional<Filled> in_place, other;
    for (const std::optional<int> workers : kNumbers) {
      const Filled a = fill_all(source.map(fail_sometimes, skip(workers)).batch(8));
      const Filled b = fill_all(
          source.map<std::int32_t>({Shape{}}, copy_or_fail, skip(workers)).prefetch(5).batch(8));
      if (!in_place) in_place = a;
      if (!other) other = b;
      EXPECT_EQ(a.values, in_place->values);
      EXPECT_EQ(a.failures, in_place->failures);
      EXPECT_EQ(b.values, other->values);
      EXPECT_EQ(b.failures, other->failures);
    }
  }
}

TEST(DatasetFailures, batches_hold_what_a_loop_finds) {
  for (const auto& source :
       {range(200), serial(200), range(200).filter([](auto) { return true; })}) {
    const auto mapped =
        source.map(fail_sometimes, skip()).map([](std::span<std::int32_t> x) { ++x[0]; });
    EXPECT_EQ(fill_all(mapped.batch(7)).values, values_of(mapped));
  }
}

TEST(DatasetFailures, substitutes_that_all_fail_end_the_pass_with_the_first_error_nested) {
  std::atomic<int> calls{0};
  const auto hopeless = range(50).map(
      [&](std::span<std::int32_t>) {
        ++calls;
        throw std::runtime_error("the first of all");
      },
      skip());
  const std::string message = message_of<DataError>([&] { values_of(hopeless); });
  EXPECT_TRUE(contains(message, "element 0: expected one of 8 substitutes to be good")) << message;
  EXPECT_TRUE(contains(message, "the first of all"));
  EXPECT_EQ(calls, 9);
  const auto alone = range(1).map([](std::span<std::int32_t>) { throw 5; }, skip());
  EXPECT_TRUE(contains(message_of<DataError>([&] { values_of(alone); }), "one of 0 substitutes"));
}

TEST(DatasetFailures, an_error_of_a_stage_before_is_no_failure_of_this_one) {
  for (const auto& source : {range(20), serial(20)}) {
    for (const std::optional<int> workers : kNumbers) {
      const auto mapped =
          source.map(fail_sometimes).map([](std::span<std::int32_t>) {}, skip(workers));
      EXPECT_TRUE(contains(message_of<DataError>([&] { values_of(mapped); }), "damaged 3"));
    }
  }
}

// ---- Streams ----
TEST(DatasetFailures, in_a_stream_the_next_one_moves_up) {
  Ints expected;
  for (std::int32_t i = 0; i < 100; ++i) {
    if (!is_bad(i)) expected.push_back(i);
  }
  for (const std::optional<int> workers : kNumbers) {
    const auto mapped = serial(100).map(fail_sometimes, skip(workers));
    EXPECT_EQ(values_of(mapped), expected);
    EXPECT_EQ(mapped.cardinality(), IntSet::kUnknown);
    const Filled filled = fill_all(mapped.batch(9));
    EXPECT_EQ(filled.values, expected);
    // Each failure is one of the batch with the element behind it; that of 93 is one of the last.
    EXPECT_EQ(filled.failures, (std::vector<std::int64_t>{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}));
  }
}

TEST(DatasetFailures, generators_filters_and_interleaves_pass_over_too) {
  const auto generated =
      IntSet::from_generator({Shape{}},
                             [](std::int64_t) {
                               return [next = 0](std::span<std::int32_t> out) mutable {
                                 out[0] = next++;
                                 if (is_bad(out[0])) throw std::runtime_error("damaged");
                                 return out[0] < 25;
                               };
                             },
                             {.on_error = OnError::skip});
  Ints expected;
  for (std::int32_t i = 0; i < 25; ++i) {
    if (!is_bad(i)) expected.push_back(i);
  }
  EXPECT_EQ(values_of(generated), expected);
  const auto filtered = range(25).filter(
      [](std::span<const std::int32_t> x) {
        if (is_bad(x[0])) throw std::runtime_error("damaged");
        return true;
      },
      {.on_error = OnError::skip});
  EXPECT_EQ(values_of(filtered), expected);
  const auto opened = range(3, 7).interleave(
      [](std::span<const std::int32_t> x) {
        if (is_bad(x[0])) throw std::runtime_error("no such shard");
        return range(10 * x[0], 10 * x[0] + 2);
      },
      {.cycle_length = 2, .on_error = OnError::skip});
  EXPECT_EQ(values_of(opened), (Ints{40, 50, 41, 51, 60, 61}));
  EXPECT_EQ(fill_all(opened.batch(2)).failures, (std::vector<std::int64_t>{1, 0, 0, 0}));
}

// ---- Too many ----
TEST(DatasetFailures, more_than_max_failures_end_the_pass_with_the_first_one_nested) {
  for (const auto& source : {range(200), serial(200)}) {
    for (const std::optional<int> workers : kNumbers) {
      EXPECT_NO_THROW(values_of(serial(200).map(fail_sometimes, skip(workers, 20))));
      const auto mapped = source.map(fail_sometimes, skip(workers, 4));
      Ints before;
      const std::string message =
          message_of<DataError>([&] { mapped.for_each([&](auto x) { before.push_back(x[0]); }); });
      EXPECT_TRUE(contains(message, "at most 4 failures (max_failures)")) << message;
      EXPECT_TRUE(contains(message, "element 3: damaged 3")) << message;
      EXPECT_GE(before.size(), 20U);
      EXPECT_LE(before.size(), 60U);
    }
  }
  EXPECT_TRUE(contains(
      message_of<DataError>([] { values_of(serial(20).map(fail_sometimes, skip({}, 0))); }),
      "at most 0 failures"));
}

TEST(DatasetFailures, a_stage_that_fails_for_each_element_ends_within_one_batch) {
  const auto hopeless = [](std::span<std::int32_t>) { throw std::runtime_error("the first"); };
  for (const std::optional<int> workers : kNumbers) {
    const auto endless = serial(10).repeat().map(hopeless, skip(workers));
    for (const auto& batches : {endless.batch(4), endless.prefetch().batch(4),
                                endless.map(fail_sometimes, skip(workers)).batch(4)}) {
      const std::string message = message_of<DataError>([&] { fill_all(batches); });
      EXPECT_TRUE(contains(message, "at most 1000 failures")) << message;
      EXPECT_TRUE(contains(message, "the first"));
      EXPECT_THROW(values_of(batches), DataError);
    }
  }
  EXPECT_THROW(
      values_of(range(100000).filter([](auto) -> bool { throw 5; }, {.on_error = OnError::skip})),
      DataError);
  EXPECT_THROW(
      values_of(IntSet::from_generator(
          {Shape{}}, [](std::int64_t) { return [](std::span<std::int32_t>) -> bool { throw 5; }; },
          {.on_error = OnError::skip})),
      DataError);
}

TEST(DatasetFailures, a_negative_number_is_refused) {
  const auto keep = [](auto) { return true; };
  EXPECT_THROW(range(3).map(fail_sometimes, skip({}, -1)), ValueError);
  EXPECT_THROW(range(3).filter(keep, {.max_failures = -1}), ValueError);
  EXPECT_THROW(range(3).interleave([](auto) { return range(2); }, {.max_failures = -1}),
               ValueError);
}

// ---- What is never passed over ----
TEST(DatasetFailures, interruptions_and_want_of_memory_stop) {
  for (const auto& source : {range(20), serial(20)}) {
    for (const std::optional<int> workers : kNumbers) {
      int calls = 0;
      const auto full = source.map(
          [](std::span<std::int32_t> x) {
            if (x[0] == 3) throw std::bad_alloc();
          },
          skip(workers));
      EXPECT_THROW(values_of(full), Error);
      const auto stopped = source.map(
          [](std::span<std::int32_t> x) {
            if (x[0] == 3) throw Interrupted("stop");
          },
          skip(workers));
      EXPECT_THROW(stopped.for_each([&](auto) { ++calls; }), Error);
      EXPECT_EQ(calls, 3);
    }
  }
}

// ---- Going on in the middle ----
TEST(DatasetFailures, resume_everywhere) {
  const auto good = [](auto) { return true; };
  struct Kind {
    std::string name;
    IntSet (*make)();
  };
  static_cast<void>(good);
  const Kind kinds[] = {
      {"by number", [] { return range(40).map(fail_sometimes, skip()).batch(4); }},
      {"stream", [] { return serial(40).map(fail_sometimes, skip()).batch(4); }},
      {"workers", [] { return serial(40).map(fail_sometimes, skip(3)).prefetch(2).batch(4); }},
      {"shuffled", [] { return serial(40).map(fail_sometimes, skip(2)).shuffle(5, 1).batch(4); }},
      {"two",
       [] {
         return serial(40)
             .map(fail_sometimes, skip(2))
             .map<std::int32_t>(
                 {Shape{}},
                 [](MapContext& context, std::span<const std::int32_t> x,
                    std::span<std::int32_t> out) {
                   if (x[0] % 7 == 2) throw 5;
                   out[0] = x[0] + 100 * static_cast<std::int32_t>(context.random.integer(0, 100));
                 },
                 skip())
             .batch(4);
       }},
      {"repeat", [] { return serial(15).map(fail_sometimes, skip()).repeat(3).batch(4); }},
      {"zip",
       [] {
         return zip(serial(40).map(fail_sometimes, skip()), range(40))
             .map<std::int32_t>({Shape{}},
                                [](std::span<const std::int32_t> a, std::span<const std::int32_t> b,
                                   std::span<std::int32_t> out) { out[0] = a[0] + 100 * b[0]; })
             .batch(4);
       }},
      {"windows",
       [] {
         return serial(40)
             .map(fail_sometimes, skip())
             .window(3, {.shift = 2})
             .padded_batch(2, {Shape{3}});
       }},
      {"cache", [] { return serial(30).map(fail_sometimes, skip()).cache().batch(4); }},
      {"filter",
       [] {
         return serial(40)
             .filter(
                 [](std::span<const std::int32_t> x) {
                   if (is_bad(x[0])) throw 5;
                   return true;
                 },
                 {.on_error = OnError::skip})
             .batch(4);
       }},
  };
  for (const Kind& kind : kinds) {
    test::expect_resumes_everywhere([&] { return SourceHandle(kind.make()); }, {.epochs = 3},
                                    kind.name);
    test::expect_resumes_everywhere([&] { return SourceHandle(kind.make()); },
                                    {.epochs = 3, .steps_per_epoch = 2, .warn = [](auto&) {}},
                                    kind.name + ", steps");
  }
}

TEST(DatasetFailures, elements_passed_over_to_go_on_are_not_made_again) {
  std::atomic<int> calls{0};
  const auto make = [&] {
    return SourceHandle(serial(100)
                            .map(
                                [&](std::span<std::int32_t> x) {
                                  ++calls;
                                  fail_sometimes(x);
                                },
                                skip())
                            .batch(9));
  };
  const test::Run whole = test::run_feed(make(), {.epochs = 1});
  EXPECT_EQ(calls, 100);
  const SourceHandle source = make();
  EXPECT_EQ(feed::resume_of(*source.source()).kind, feed::ResumeKind::by_state);
  calls = 0;
  feed::FeedOptions options{.epochs = 1, .first_step = 6, .first_batch = 6};
  const std::vector<std::byte>& state = whole.positions[6].state;
  options.source_state = state;
  const test::Run rest = test::run_feed(source, options);
  ASSERT_GT(rest.returned.size(), 3U);
  EXPECT_EQ(rest.returned[0].bytes, whole.returned[6].bytes);
  EXPECT_EQ(calls, 100 - 60);
}

TEST(DatasetFailures, a_state_that_is_none_is_refused) {
  const SourceHandle source = serial(40).map(fail_sometimes, skip()).batch(4);
  const std::vector<std::byte> garbage(7, std::byte{0xff});
  EXPECT_THROW(source.source()->load_state(garbage), DataError);
}

}  // namespace
}  // namespace stoker
