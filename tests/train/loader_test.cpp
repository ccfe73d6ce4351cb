// stream(): the feed for loops of one's own.
#include "stoker/loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "device/device.h"
#include "stoker/array_source.h"
#include "stoker/coroutine.h"
#include "stoker/device_source.h"
#include "stoker/error.h"
#include "stoker/model.h"
#include "stoker/sequence.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

// Writes everything that a batch is a function of.
void write_context(BatchContext& batch, std::span<float> x) {
  x[0] = static_cast<float>(batch.epoch);
  x[1] = static_cast<float>(batch.index);
  x[2] = static_cast<float>(batch.sequence);
  x[3] = batch.random.uniform();
}

class Numbers : public Sequence<float> {
 public:
  explicit Numbers(std::int64_t size = 7) : Sequence({.x = {4}}), size_(size) {}
  std::int64_t size() const override { return size_; }
  std::int64_t fill(BatchContext& batch, std::span<float> x) override {
    write_context(batch, x);
    return batch.index == size_ - 1 ? 2 : 4;
  }

 private:
  std::int64_t size_;
};

SourceHandle endless_numbers() {
  return generator<float>({.x = {4}},
                          [](BatchContext& batch, std::span<float> x) { write_context(batch, x); });
}

std::size_t threads_now() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    (void)entry;
    ++count;
  }
  return count;
}

std::vector<std::vector<float>> all_of(Loader& loader) {
  std::vector<std::vector<float>> rows;
  while (const BatchView* batch = loader.next()) {
    const auto x = batch->x<float>();
    rows.emplace_back(x.begin(), x.end());
  }
  return rows;
}

TEST(Loader, gives_every_batch_in_order_with_its_place) {
  std::int64_t expected = 0;
  for (const BatchView& batch : stream(Numbers(), {.epochs = 2, .workers = 3})) {
    EXPECT_EQ(batch.sequence(), expected);
    EXPECT_EQ(batch.epoch(), expected / 7);
    EXPECT_EQ(batch.index(), expected % 7);
    EXPECT_EQ(batch.rows(), batch.index() == 6 ? 2 : 4);
    EXPECT_EQ(batch.x<float>().size(), batch.index() == 6 ? 2u : 4u);
    EXPECT_EQ(batch.x<float>()[1], static_cast<float>(batch.index()));
    ++expected;
  }
  EXPECT_EQ(expected, 14);
}

TEST(Loader, gives_the_same_batches_for_any_number_of_workers) {
  Loader one = stream(Numbers(31), {.epochs = 2, .shuffle = true, .seed = 5});
  const auto expected = all_of(one);
  for (const int workers : {2, 5, AUTOTUNE}) {
    Loader other =
        stream(Numbers(31), {.epochs = 2, .shuffle = true, .seed = 5, .workers = workers});
    EXPECT_EQ(all_of(other), expected);
  }
}

TEST(Loader, an_epoch_at_a_time) {
  Loader loader = stream(Numbers(), {.epochs = 3, .workers = 2});
  std::vector<int> sizes;
  while (!loader.is_done()) {
    int count = 0;
    for (const BatchView& batch : loader.epoch()) {
      EXPECT_EQ(batch.epoch(), static_cast<std::int64_t>(sizes.size()));
      ++count;
    }
    sizes.push_back(count);
  }
  EXPECT_EQ(sizes, (std::vector<int>{7, 7, 7}));
  EXPECT_EQ(loader.next(), nullptr);
}

TEST(Loader, a_second_loop_goes_on_or_begins_again) {
  Loader loader = stream(Numbers(), {.workers = 2});
  int count = 0;
  for (const BatchView& batch : loader) {
    EXPECT_EQ(batch.index(), count);
    if (++count == 3) break;
  }
  for (const BatchView& batch : loader) EXPECT_EQ(batch.index(), count++);
  EXPECT_EQ(count, 7);
  for (const BatchView& batch : loader) {  // The epochs are over: others follow.
    EXPECT_EQ(batch.epoch(), 1);
    ++count;
  }
  EXPECT_EQ(count, 14);
}

TEST(Loader, an_endless_source_needs_no_number_of_steps) {
  std::int64_t count = 0;
  for (const BatchView& batch : stream(endless_numbers(), {.workers = 2})) {
    EXPECT_EQ(batch.sequence(), count);
    if (++count == 100) break;
  }
  EXPECT_EQ(count, 100);
}

TEST(Loader, a_dataset_comes_apart_into_its_components) {
  const auto batches =
      range(10)
          .map<float, std::int32_t>(
              {Shape{2}, Shape{}},
              [](std::span<const std::int32_t> n, std::span<float> x, std::span<std::int32_t> y) {
                x[0] = x[1] = static_cast<float>(n[0]);
                y[0] = n[0];
              })
          .batch(4);
  std::int32_t expected = 0;
  for (const auto& [x, y] : stream(batches, {.workers = 2})) {
    EXPECT_EQ(x.size(), 2 * y.size());
    for (const std::int32_t label : y) EXPECT_EQ(label, expected++);
  }
  EXPECT_EQ(expected, 10);
  std::int64_t rows = 0;
  for (const BatchView& batch : stream(batches)) rows += batch.rows();
  EXPECT_EQ(rows, 10);
}

TEST(Loader, a_view_beyond_its_turn_says_so) {
  Loader loader = stream(Numbers());
  const BatchView kept = *loader.next();
  EXPECT_EQ(kept.rows(), 4);
  loader.next();
  const std::string message = message_of<ValueError>([&] { (void)kept.x<float>(); });
  EXPECT_TRUE(contains(message, "kept beyond its own")) << message;
  EXPECT_THROW((void)kept.rows(), ValueError);
  EXPECT_THROW((void)kept.spec(), ValueError);
}

TEST(Loader, a_view_beyond_its_loader_says_so) {
  BatchView kept;
  {
    Loader loader = stream(Numbers());
    kept = *loader.next();
  }
  EXPECT_THROW((void)kept.rows(), ValueError);
  EXPECT_THROW((void)BatchView().rows(), ValueError);
}

TEST(Loader, asks_for_fields_of_their_types) {
  Loader loader = stream(Numbers());
  const BatchView& batch = *loader.next();
  const std::string message = message_of<DTypeError>([&] { (void)batch.x<std::int32_t>(); });
  EXPECT_TRUE(contains(message, "field x holds float32, which was asked for as int32")) << message;
  EXPECT_THROW((void)batch.x<float>(1), ValueError);
  EXPECT_THROW((void)batch.y<float>(), ValueError);
}

TEST(Loader, left_early_two_thousand_times_leaves_no_thread) {
  const std::size_t before = threads_now();
  for (int i = 0; i < 2000; ++i) {
    for (const BatchView& batch : stream(Numbers(100), {.workers = 1 + i % 4})) {
      if (batch.index() == i % 5) break;
    }
  }
  EXPECT_EQ(threads_now(), before);
}

TEST(Loader, two_loops_over_a_source_that_is_not_pure) {
  int calls = 0;
  const SourceHandle source = generator<float>(
      {.x = {4}},
      [&calls](BatchContext&, std::span<float> x) { x[0] = static_cast<float>(++calls); });
  Loader first = stream(source);
  first.next();
  Loader second = stream(source);
  const std::string message = message_of<ValueError>([&] { second.next(); });
  EXPECT_TRUE(contains(message, "stream: the generator serves another")) << message;
  EXPECT_NE(first.next(), nullptr);
  const SourceHandle pure = endless_numbers();
  Loader third = stream(pure);
  Loader fourth = stream(pure);
  EXPECT_NE(third.next(), nullptr);
  EXPECT_NE(fourth.next(), nullptr);
}

TEST(Loader, an_error_names_the_batch_and_the_state_remains) {
  const auto source = generator<float>({.x = {4}}, pure([](BatchContext& batch, std::span<float>) {
                                         if (batch.index == 3) throw std::runtime_error("rotten");
                                       }));
  Loader loader = stream(source, {.workers = 2});
  for (int i = 0; i < 3; ++i) ASSERT_NE(loader.next(), nullptr);
  const auto state = loader.state();
  const std::string message = message_of<DataError>([&] { loader.next(); });
  EXPECT_TRUE(contains(message, "batch 4 (epoch 1, batch 4 of it): rotten")) << message;
  EXPECT_THROW(loader.next(), DataError);
  EXPECT_EQ(loader.state(), state);
}

TEST(Loader, times_out_and_refuses_nans_as_a_fit_does) {
  // The call that is left behind may look at it after the test.
  const auto go_on = std::make_shared<std::atomic<bool>>(false);
  {
    Loader slow = stream(generator<float>({.x = {4}},
                                          [go_on](BatchContext&, std::span<float>) {
                                            while (!*go_on) std::this_thread::yield();
                                          }),
                         {.generator_timeout = 0.05});
    EXPECT_TRUE(contains(message_of<DataError>([&] { slow.next(); }), "timed out"));
    *go_on = true;
  }
  Loader nan = stream(
      generator<float>({.x = {4}}, pure([](BatchContext& batch, std::span<float> x) {
                         x[1] = batch.index == 1 ? std::numeric_limits<float>::quiet_NaN() : 0.0f;
                       })));
  EXPECT_NE(nan.next(), nullptr);
  EXPECT_TRUE(contains(message_of<DataError>([&] { nan.next(); }), "field x is NaN at row 1"));
}

TEST(Loader, refuses_options_out_of_range) {
  EXPECT_THROW(stream(Numbers(), {.epochs = 0}), ValueError);
  EXPECT_THROW(stream(Numbers(), {.workers = 0}), ValueError);
  EXPECT_THROW(stream(Numbers(), {.max_queue_size = 0}), ValueError);
  EXPECT_THROW(stream(Numbers(), {.steps_per_epoch = 0}), ValueError);
  EXPECT_THROW(stream(Numbers(), {.max_failures = -1}), ValueError);
  EXPECT_THROW(stream(SourceHandle(std::shared_ptr<Source>())), ValueError);
}

// ---- State ----

// Compares a loop that is cut at every batch, and goes on with another number of workers, with one
// that is not.
void expect_goes_on_everywhere(const std::function<SourceHandle()>& make,
                               const StreamOptions& options, const char* what) {
  Loader whole(make(), options);
  const auto expected = all_of(whole);
  for (std::size_t cut = 0; cut <= expected.size(); ++cut) {
    std::vector<std::byte> state;
    {
      Loader first(make(), options);
      for (std::size_t i = 0; i < cut; ++i) ASSERT_NE(first.next(), nullptr) << what;
      state = first.state();
    }
    StreamOptions others = options;
    others.workers = static_cast<int>(1 + cut % 4);
    others.max_queue_size = static_cast<int>(1 + cut % 5);
    Loader second(make(), others);
    second.restore(state);
    const auto rest = all_of(second);
    ASSERT_EQ(rest.size(), expected.size() - cut) << what << ", " << cut;
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), expected.begin() + static_cast<long>(cut)))
        << what << ", " << cut;
  }
}

class Counter : public BatchGenerator<float> {
 public:
  Counter() : BatchGenerator({.x = {4}}) {}
  std::int64_t fill(BatchContext& batch, std::span<float> x) override {
    write_context(batch, x);
    x[0] = static_cast<float>(++count_);
    return batch.index == 5 ? 0 : 4;
  }
  bool saves_state() const override { return true; }
  void save_state(std::vector<std::byte>& state) override { put_state(state, count_); }
  void load_state(std::span<const std::byte> state) override {
    count_ = take_state<std::int64_t>(state);
  }

 private:
  std::int64_t count_ = 0;
};

TEST(LoaderState, goes_on_at_any_batch_with_any_number_of_workers) {
  expect_goes_on_everywhere([] { return SourceHandle(Numbers(9)); },
                            {.epochs = 3, .shuffle = true, .seed = 3, .workers = 2}, "sequence");
  expect_goes_on_everywhere(endless_numbers, {.steps_per_epoch = 5, .epochs = 3}, "function");
  expect_goes_on_everywhere([] { return SourceHandle(Counter()); }, {.epochs = 3}, "own state");
  expect_goes_on_everywhere(
      [] {
        return SourceHandle(range(23)
                                .shuffle(23, 3)
                                .map<float>({Shape{}},
                                            [](MapContext& context, std::span<const std::int32_t> n,
                                               std::span<float> x) {
                                              x[0] = static_cast<float>(n[0]) +
                                                     context.random.uniform();
                                            })
                                .batch(4));
      },
      {.epochs = 3, .workers = 3}, "dataset");
  expect_goes_on_everywhere(
      [] {
        return SourceHandle(
            range(40)
                .filter([](std::span<const std::int32_t> n) { return n[0] % 3 != 0; })
                .shuffle(7, 1)
                .map<float>({Shape{}}, [](std::span<const std::int32_t> n,
                                          std::span<float> x) { x[0] = static_cast<float>(n[0]); })
                .batch(4));
      },
      {.epochs = 2}, "stream of elements");
}

TEST(LoaderState, takes_a_few_bytes) {
  Loader loader = stream(Numbers(), {.workers = 2});
  loader.next();
  EXPECT_LE(loader.state().size(), 80u);
}

TEST(LoaderState, restores_in_the_middle_of_a_loop) {
  Loader loader = stream(Numbers(9), {.epochs = 2, .workers = 2});
  for (int i = 0; i < 3; ++i) loader.next();
  const auto state = loader.state();
  for (int i = 0; i < 8; ++i) loader.next();
  loader.restore(state);
  const BatchView* batch = loader.next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->index(), 3);
  EXPECT_EQ(batch->epoch(), 0);
}

TEST(LoaderState, a_source_that_has_none_says_so) {
  int calls = 0;
  Loader loader =
      stream(generator<float>({.x = {4}}, [&calls](BatchContext&, std::span<float>) { ++calls; }));
  loader.next();
  const std::string message = message_of<ValueError>([&] { (void)loader.state(); });
  EXPECT_TRUE(contains(message, "stream: the source has no state: its function holds something"))
      << message;
}

TEST(LoaderState, refuses_what_is_no_state_of_its_source) {
  Loader loader = stream(Numbers(9), {.workers = 2});
  for (int i = 0; i < 3; ++i) loader.next();
  const auto good = loader.state();
  const auto refusal = [&](std::span<const std::byte> state) {
    return message_of<ValueError>([&] { loader.restore(state); });
  };
  EXPECT_TRUE(contains(refusal({}), "stream: expected the bytes of a state"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto damaged = good;
    damaged[i] ^= std::byte{0x10};
    EXPECT_NE(refusal(damaged), "") << i;
    EXPECT_NE(refusal(std::span(good).first(i)), "") << i;
  }
  auto version = good;
  version[4] = std::byte{9};
  EXPECT_TRUE(contains(refusal(version), "of version 9, and this Stoker reads version 1"));
  const auto state_of = [](SourceHandle source) {
    Loader other = stream(std::move(source), {.steps_per_epoch = 3});
    other.next();
    return other.state();
  };
  EXPECT_TRUE(contains(refusal(state_of(Numbers(8))), "with another number of batches"));
  EXPECT_TRUE(contains(refusal(state_of(endless_numbers())), "of a source of another kind"));
  // The loop goes on as if nothing had happened.
  const BatchView* next = loader.next();
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->index(), 3);
}

// ---- Failures ----

class Rotten : public Sequence<float> {
 public:
  explicit Rotten(std::set<std::int64_t> bad) : Sequence({.x = {1}}), bad_(std::move(bad)) {}
  std::int64_t size() const override { return 20; }
  std::int64_t fill(BatchContext& batch, std::span<float> x) override {
    if (bad_.contains(batch.index)) {
      throw std::runtime_error("file " + std::to_string(batch.index) + " is rotten");
    }
    x[0] = static_cast<float>(batch.index);
    return 1;
  }

 private:
  std::set<std::int64_t> bad_;
};

TEST(LoaderFailures, another_batch_takes_the_place_of_a_bad_one_for_any_number_of_workers) {
  const auto run = [](int workers) {
    Loader loader = stream(Rotten({3, 7, 8}),
                           {.epochs = 3, .seed = 2, .workers = workers, .on_error = OnError::skip});
    const auto batches = all_of(loader);
    EXPECT_GE(loader.report().failures, 9);
    EXPECT_TRUE(contains(loader.report().first_failure, "file 3 is rotten"));
    return batches;
  };
  const auto one = run(1);
  ASSERT_EQ(one.size(), 60u);
  for (std::size_t i = 0; i < one.size(); ++i) {
    const auto index = static_cast<float>(i % 20);
    if (index == 3.0f || index == 7.0f || index == 8.0f) {
      EXPECT_NE(one[i][0], index);
    } else {
      EXPECT_EQ(one[i][0], index);
    }
  }
  EXPECT_EQ(run(2), one);
  EXPECT_EQ(run(5), one);
}

TEST(LoaderFailures, the_cap_ends_the_loop_at_the_same_batch_with_the_first_error_nested) {
  std::string expected;
  for (const int workers : {1, 2, 4}) {
    std::set<std::int64_t> bad;
    for (std::int64_t i = 2; i < 20; i += 2) bad.insert(i);
    Loader loader =
        stream(Rotten(bad), {.workers = workers, .on_error = OnError::skip, .max_failures = 6});
    try {
      all_of(loader);
      FAIL() << "expected a DataError";
    } catch (const DataError& error) {
      if (expected.empty()) expected = error.what();
      EXPECT_EQ(error.what(), expected);
      EXPECT_TRUE(contains(error.what(), "at most 6 failures (max_failures)")) << error.what();
      EXPECT_TRUE(contains(error.what(), "file 2 is rotten")) << error.what();
      EXPECT_THROW(std::rethrow_if_nested(error), std::exception);
    }
  }
}

TEST(LoaderFailures, eight_others_are_tried_in_the_place_of_a_bad_batch) {
  std::set<std::int64_t> bad;
  for (std::int64_t i = 0; i < 20; ++i) bad.insert(i);
  Loader loader = stream(Rotten(bad), {.workers = 2, .on_error = OnError::skip});
  const std::string message = message_of<DataError>([&] { loader.next(); });
  EXPECT_TRUE(contains(message, "file 0 is rotten; 8 other batches")) << message;
}

TEST(LoaderFailures, in_a_stream_the_next_batch_moves_up) {
  const auto source =
      generator<float>({.x = {1}}, [n = 0](BatchContext&, std::span<float> x) mutable {
        if (++n % 4 == 0) throw std::runtime_error("rotten");
        x[0] = static_cast<float>(n);
        return n > 12 ? 0 : 1;
      });
  Loader loader = stream(source, {.on_error = OnError::skip});
  std::vector<float> found;
  while (const BatchView* batch = loader.next()) found.push_back(batch->x<float>()[0]);
  EXPECT_EQ(found, (std::vector<float>{1, 2, 3, 5, 6, 7, 9, 10, 11}));
  EXPECT_EQ(loader.report().failures, 3);
}

TEST(LoaderFailures, a_source_that_always_throws_ends) {
  Loader loader = stream(generator<float>({.x = {1}},
                                          [n = 0](BatchContext&, std::span<float>) mutable {
                                            ++n;
                                            throw std::runtime_error("rotten");
                                          }),
                         {.on_error = OnError::skip, .max_failures = 50});
  EXPECT_TRUE(contains(message_of<DataError>([&] { loader.next(); }), "received 51"));
}

// ---- What it measures ----

TEST(Loader, tells_what_the_loop_waited_for) {
  Loader loader = stream(Numbers(50), {.epochs = 2});
  EXPECT_TRUE(contains(loader.verdict(), "nothing to judge"));
  for (const BatchView& batch : loader) (void)batch;
  EXPECT_EQ(loader.report().batches, 100);
  EXPECT_EQ(loader.report().samples, 2 * (49 * 4 + 2));
  EXPECT_TRUE(contains(loader.verdict(), "A batch takes"));
  EXPECT_EQ(loader.take_report().batches, 100);
  EXPECT_EQ(loader.report().batches, 0);
}

TEST(Loader, writes_a_trace) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/trace.json";
  for (const BatchView& batch : stream(Numbers(), {.workers = 2, .trace = path})) (void)batch;
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_TRUE(contains(text, "generate"));
}

// ---- Devices ----

TEST(Loader, uploads_once_to_a_device_of_its_own) {
  Loader loader = stream(Numbers(20), {.epochs = 2, .workers = 2, .device = Device::simulated()});
  std::int64_t count = 0;
  for (const BatchView& batch : loader) {
    const auto host = batch.x<float>();
    const auto device = batch.device_x<float>();
    EXPECT_NE(host.data(), device.data());
    EXPECT_EQ(host.size(), device.size());
    EXPECT_EQ(host[1], static_cast<float>(count % 20));
    ++count;
  }
  EXPECT_EQ(count, 40);
  EXPECT_EQ(loader.report().upload.count(), 40u);
}

TEST(Loader, what_is_made_on_the_device_is_only_there) {
  Loader loader = stream(device_generator<float>(
      {.x = {4}},
      [](BatchContext& batch, DeviceQueue, std::span<float> x) { write_context(batch, x); }));
  const BatchView& batch = *loader.next();
  EXPECT_EQ(batch.device_x<float>()[1], 0.0f);
  EXPECT_TRUE(contains(message_of<ValueError>([&] { (void)batch.x<float>(); }), "device_x()"));
}

// ---- With a model ----

Sequential small_model(const Device& device) {
  Sequential model({Input({3}), Dense(4, {.activation = "relu"}), Dense(2)},
                   {.seed = 4, .threads = 1, .device = device});
  model.compile(
      {.optimizer = Adam(), .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  return model;
}

SourceHandle labelled() {
  return generator<float, std::int32_t>(
      {.x = {8, 3}, .y = {8}},
      pure([](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x, -1.0f, 1.0f);
        for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[3 * i] > 0.0f ? 1 : 0;
        return batch.index == 10 ? 0 : batch.index == 9 ? 5 : 8;
      }));
}

TEST(Loader, a_model_trains_on_its_batches_as_on_tensors_and_as_fit) {
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    Sequential by_view = small_model(device);
    Sequential by_tensor = small_model(device);
    Sequential by_fit = small_model(device);
    double loss = 0.0;
    for (const BatchView& batch :
         stream(labelled(), {.epochs = 2, .seed = 4, .workers = 2, .device = device})) {
      loss = by_view.train_on_batch(batch).loss();
      const std::int64_t rows = batch.rows();
      const Tensor x = Tensor::from<float>({rows, 3}, batch.x<float>());
      const Tensor y = Tensor::from<std::int32_t>({rows}, batch.y<std::int32_t>());
      EXPECT_EQ(by_tensor.train_on_batch(x, y).loss(), loss);
      EXPECT_EQ(by_view.test_on_batch(batch).loss(), by_tensor.test_on_batch(x, y).loss());
      EXPECT_EQ(by_view.predict_on_batch(batch).shape(), (Shape{rows, 2}));
    }
    by_fit.fit(labelled(), {.epochs = 2, .verbose = 0});
    const auto a = by_view.get_weights();
    const auto b = by_tensor.get_weights();
    const auto c = by_fit.get_weights();
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(std::memcmp(a[i].raw(), b[i].raw(), a[i].bytes()), 0);
      EXPECT_EQ(std::memcmp(a[i].raw(), c[i].raw(), a[i].bytes()), 0);
    }
  }
}

TEST(Loader, a_model_refuses_batches_of_another_device) {
  Sequential model = small_model(Device::cpu());
  Loader loader = stream(labelled(), {.device = Device::simulated()});
  const BatchView& batch = *loader.next();
  EXPECT_TRUE(contains(message_of<ValueError>([&] { model.train_on_batch(batch); }),
                       "expected a batch on the model's device, cpu"));
}

}  // namespace
}  // namespace stoker
