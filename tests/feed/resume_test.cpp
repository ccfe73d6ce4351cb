// A feed that begins where an earlier one stopped gives the batches that it would have given.
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "data/class_weights.h"
#include "device/device.h"
#include "feed/feed.h"
#include "feed/ring/resume.h"
#include "feed/upload/pipeline.h"
#include "stoker/array_source.h"
#include "stoker/coroutine.h"
#include "stoker/device_source.h"
#include "stoker/error.h"
#include "stoker/sequence.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/resume.h"

namespace stoker::feed {
namespace {

using test::contains;
using test::expect_resumes_everywhere;
using test::message_of;
using test::run_feed;

// Writes everything that a batch is a function of.
void write_context(BatchContext& batch, std::span<float> x) {
  x[0] = static_cast<float>(batch.epoch);
  x[1] = static_cast<float>(batch.index);
  x[2] = static_cast<float>(batch.sequence);
  x[3] = batch.random.uniform();
}

SourceHandle endless_numbers() {
  return generator<float>({.x = {4}},
                          [](BatchContext& batch, std::span<float> x) { write_context(batch, x); });
}

// Ends each epoch after seven batches, of which the last one is short.
SourceHandle ending_numbers() {
  return generator<float>({.x = {4}}, [](BatchContext& batch, std::span<float> x) {
    write_context(batch, x);
    return batch.index >= 7 ? 0 : batch.index == 6 ? 2 : 4;
  });
}

// ---- By number ----

TEST(Resume, a_pure_function_that_never_ends) {
  expect_resumes_everywhere(endless_numbers, {.epochs = 3, .steps_per_epoch = 5}, "endless");
  const SourceHandle shared = endless_numbers();
  expect_resumes_everywhere([&] { return shared; }, {.epochs = 3, .steps_per_epoch = 5}, "shared");
}

TEST(Resume, a_pure_function_that_ends_its_epochs) {
  expect_resumes_everywhere(ending_numbers, {.epochs = 3, .workers = 3}, "ends");
}

TEST(Resume, a_run_that_began_with_a_later_epoch) {
  expect_resumes_everywhere(endless_numbers, {.epochs = 3, .first_epoch = 4, .steps_per_epoch = 5},
                            "later epoch");
}

class Numbers : public Sequence<float> {
 public:
  Numbers() : Sequence({.x = {4}}) {}
  std::int64_t size() const override { return 7; }
  std::int64_t fill(BatchContext& batch, std::span<float> x) override {
    write_context(batch, x);
    return batch.index == 6 ? 2 : 4;
  }
};

TEST(Resume, a_sequence_in_the_order_of_fits_shuffle) {
  for (const std::int64_t steps : {0, 2, 3, 7, 9}) {
    FeedOptions options{.epochs = 6, .seed = 5, .shuffle = true};
    if (steps > 0) options.steps_per_epoch = steps;
    expect_resumes_everywhere([] { return SourceHandle(Numbers()); }, options,
                              std::to_string(steps) + " steps");
  }
}

SourceHandle arrays() {
  return array_source(Tensor::uniform({26, 1}), Tensor::full({26}, 1.0f),
                      {.batch_size = 4, .shuffle = true, .seed = 3});
}

TEST(Resume, arrays_where_steps_cut_passes_unevenly) {
  for (const std::int64_t steps : {0, 1, 2, 3, 5, 7}) {
    FeedOptions options{.epochs = 6};
    if (steps > 0) options.steps_per_epoch = steps;
    expect_resumes_everywhere(arrays, options, std::to_string(steps) + " steps");
  }
}

TEST(Resume, counts_batches_that_are_skipped_for_a_nan) {
  const auto make = [] {
    return SourceHandle(generator<float>({.x = {4}}, [](BatchContext& batch, std::span<float> x) {
      write_context(batch, x);
      if (batch.index % 3 == 1) x[0] = std::numeric_limits<float>::quiet_NaN();
    }));
  };
  expect_resumes_everywhere(
      make,
      {.epochs = 3, .steps_per_epoch = 6, .nan_policy = NanPolicy::skip, .warn = [](auto&) {}},
      "skips");
}

// ---- By state ----

// Reads numbers from a log that goes on from epoch to epoch, and draws random numbers of its own.
// An epoch ends after six batches, or where the log has a mark.
class Log : public BatchGenerator<double> {
 public:
  explicit Log(bool ends) : BatchGenerator({.x = {4}}), ends_(ends) {}

  std::int64_t fill(BatchContext& batch, std::span<double> x) override {
    asked.fetch_add(1);
    if (ends_ && in_epoch_ == 6) return 0;
    ++in_epoch_;
    for (double& value : x) value = static_cast<double>(offset_++);
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    x[1] = static_cast<double>(random_ >> 44);
    x[2] = static_cast<double>(epochs_);
    x[3] = static_cast<double>(batch.sequence);
    return in_epoch_ == 6 ? 3 : 4;
  }
  bool endless() const override { return !ends_; }
  void begin_epoch(std::int64_t) override {
    in_epoch_ = 0;
    epochs_ = 10 * epochs_ + 1;
  }
  void end_epoch(std::int64_t) override { epochs_ = (3 * epochs_ + 2) % 1009; }
  bool saves_state() const override { return true; }
  void save_state(std::vector<std::byte>& state) override {
    put_state(state, offset_);
    put_state(state, random_);
    put_state(state, in_epoch_);
    put_state(state, epochs_);
  }
  void load_state(std::span<const std::byte> state) override {
    offset_ = take_state<std::int64_t>(state);
    random_ = take_state<std::uint64_t>(state);
    in_epoch_ = take_state<int>(state);
    epochs_ = take_state<std::int64_t>(state);
  }

  std::atomic<int> asked{0};

 private:
  bool ends_;
  std::int64_t offset_ = 0;
  std::uint64_t random_ = 1;
  int in_epoch_ = 0;
  std::int64_t epochs_ = 0;
};

SourceHandle log_of(bool ends) { return cast<float>(std::make_shared<Log>(ends)); }

TEST(Resume, a_source_that_saves_its_state_and_never_ends) {
  expect_resumes_everywhere([] { return log_of(false); }, {.epochs = 3, .steps_per_epoch = 5},
                            "endless log");
}

TEST(Resume, a_source_that_saves_its_state_and_ends_its_epochs) {
  expect_resumes_everywhere([] { return log_of(true); }, {.epochs = 3}, "log");
}

TEST(Resume, of_the_same_object_takes_it_back_to_the_state) {
  const SourceHandle log = log_of(true);
  const auto all = run_feed(log_of(true), {.epochs = 3});
  for (std::size_t from = 1; from < all.positions.size(); ++from) {
    const Position position = all.positions[from].get();
    FeedOptions options{.epochs = 3 - position.epoch};
    options.resume_at(position);
    const auto rest = run_feed(log, options);
    EXPECT_TRUE(std::ranges::equal(rest.returned, std::span(all.returned).subspan(from)))
        << "from place " << from;
  }
}

TEST(Resume, through_class_weights_and_cast) {
  class Labels : public BatchGenerator<double, std::int32_t> {
   public:
    Labels() : BatchGenerator({.x = {4, 1}, .y = {4}}) {}
    std::int64_t fill(BatchContext&, std::span<double> x, std::span<std::int32_t> y) override {
      for (double& value : x) value = static_cast<double>(next_);
      for (std::int32_t& label : y) label = next_++ % 3;
      return 4;
    }
    bool endless() const override { return true; }
    bool saves_state() const override { return true; }
    void save_state(std::vector<std::byte>& state) override { put_state(state, next_); }
    void load_state(std::span<const std::byte> state) override {
      next_ = take_state<std::int32_t>(state);
    }

   private:
    std::int32_t next_ = 0;
  };
  const auto make = [] {
    const SourceHandle labels = cast<float>(std::make_shared<Labels>());
    return SourceHandle(with_class_weights(labels.source(), {{0, 0.5}, {2, 3.0}}));
  };
  expect_resumes_everywhere(make, {.epochs = 3, .steps_per_epoch = 4}, "class weights");
}

// Its order depends on all epochs before, so that the batch's number isn't enough.
class Reordering : public Numbers {
 public:
  std::int64_t fill(BatchContext& batch, std::span<float> x) override {
    write_context(batch, x);
    x[1] = static_cast<float>(order_ * batch.index % 7);
    return 4;
  }
  void on_epoch_begin() override { order_ = (order_ + 1) % 1000; }
  void on_epoch_end() override { order_ = (3 * order_) % 1000; }
  bool saves_state() const override { return true; }
  void save_state(std::vector<std::byte>& state) override { put_state(state, order_); }
  void load_state(std::span<const std::byte> state) override {
    order_ = take_state<std::int64_t>(state);
  }

 private:
  std::int64_t order_ = 1;
};

TEST(Resume, a_sequence_that_saves_what_its_epochs_changed) {
  for (const std::int64_t steps : {0, 3}) {
    FeedOptions options{.epochs = 5, .workers = 3, .shuffle = true};
    if (steps > 0) options.steps_per_epoch = steps;
    expect_resumes_everywhere([] { return SourceHandle(std::make_shared<Reordering>()); }, options,
                              std::to_string(steps) + " steps");
  }
}

TEST(Resume, the_state_is_that_of_the_last_batch_though_the_ring_is_full) {
  const auto log = std::make_shared<Log>(false);
  const auto device = device::make_cpu_device();
  const SourceHandle source = cast<float>(log);
  std::optional<test::KeptPosition> kept;
  {
    Feed feed(source.source(), {.epochs = 3, .steps_per_epoch = 8, .max_queue_size = 5}, *device);
    for (int i = 0; i < 3; ++i) feed.release(*feed.next());
    while (log->asked.load() < 3 + 6) std::this_thread::yield();
    kept.emplace(feed.position());
  }
  EXPECT_EQ(kept->position.step, 3);
  EXPECT_EQ(kept->position.batches, 3);
  const auto all = run_feed(log_of(false), {.epochs = 3, .steps_per_epoch = 8});
  FeedOptions options{.epochs = 3, .steps_per_epoch = 8};
  options.resume_at(kept->get());
  const auto rest = run_feed(source, options);
  EXPECT_TRUE(std::ranges::equal(rest.returned, std::span(all.returned).subspan(3)));
}

// The slots of the host go back to the workers while the device is still at their batches.
TEST(Resume, the_state_is_that_of_the_last_batch_on_a_device_that_uploads) {
  class Counting : public BatchGenerator<float> {
   public:
    Counting() : BatchGenerator({.x = {4}}) {}
    std::int64_t fill(BatchContext&, std::span<float>) override { return ++filled_ % 8 ? 4 : 0; }
    bool saves_state() const override { return true; }
    void save_state(std::vector<std::byte>& state) override { put_state(state, filled_); }
    void load_state(std::span<const std::byte> state) override {
      filled_ = take_state<std::int64_t>(state);
    }

   private:
    std::int64_t filled_ = 0;
  };
  const auto device = device::make_simulated_device({});
  const auto compute = device->make_stream();
  FeedOptions options{.epochs = 3, .max_queue_size = 4};
  std::int64_t filled = 0;
  for (int run = 0; run < 2; ++run) {
    Pipeline pipeline(std::make_shared<Counting>(), options, *device, *compute);
    while (const std::optional<Batch> batch = pipeline.next()) {
      pipeline.consumed(*batch);
      const Position position = pipeline.position();
      std::span<const std::byte> state = position.source_state;
      EXPECT_EQ(take_state<std::int64_t>(state), ++filled);
      EXPECT_EQ(position.batches, filled);
      // The second one goes on in the middle of the epoch, and ends with it.
      if (run == 0 && filled == 3) {
        options.resume_at(position);
        break;
      }
    }
    EXPECT_EQ(filled, run == 0 ? 3 : 7);
  }
}

TEST(Resume, no_state_is_saved_where_nobody_asks_for_it) {
  const auto run =
      run_feed(log_of(false), {.epochs = 1, .saves_state = false, .steps_per_epoch = 3});
  for (const auto& kept : run.positions) EXPECT_TRUE(kept.state.empty());
}

// ---- Epochs of the source ----

TEST(Resume, begins_the_epoch_that_the_first_batch_belongs_to) {
  class Noted : public BatchGenerator<float> {
   public:
    Noted() : BatchGenerator({.x = {4}}) {}
    std::int64_t fill(BatchContext& batch, std::span<float>) override {
      calls += "f" + std::to_string(batch.index);
      return 4;
    }
    std::optional<std::int64_t> batches_per_epoch() const override { return 3; }
    void begin_run(const RunStart& start) override {
      calls += "run(" + std::to_string(start.epoch) + "," + std::to_string(start.index) + "," +
               std::to_string(start.sequence) + ")";
    }
    void begin_epoch(std::int64_t epoch) override { calls += "b" + std::to_string(epoch); }
    void end_epoch(std::int64_t epoch) override { calls += "e" + std::to_string(epoch); }
    bool resumes_by_number() const override { return true; }
    std::string calls;
  };
  const auto calls = [](const FeedOptions& options) {
    const auto source = std::make_shared<Noted>();
    run_feed(SourceHandle(source), options);
    return source->calls;
  };
  EXPECT_EQ(calls({.epochs = 1, .first_epoch = 1, .first_step = 1, .first_batch = 4}),
            "run(1,1,4)b1f1f2e1");
  EXPECT_EQ(calls({.epochs = 2, .first_epoch = 1, .first_step = 3, .first_batch = 6}),
            "run(2,0,6)b2f0f1f2e2");
  EXPECT_EQ(calls({.epochs = 1, .first_epoch = 1, .first_step = 3, .first_batch = 6}), "");
  // Two epochs make a pass: the second one goes on within it.
  EXPECT_EQ(calls({.epochs = 2, .first_epoch = 1, .first_batch = 2, .steps_per_epoch = 2}),
            "run(0,2,2)b0f2e0b1f0f1e1");
}

// ---- What is refused ----

FeedOptions in_the_middle() {
  return {.epochs = 2, .first_epoch = 1, .first_step = 2, .first_batch = 5, .steps_per_epoch = 3};
}

void expect_refused(const SourceHandle& source, const std::string& why) {
  EXPECT_EQ(resume_of(*source.source()).kind, ResumeKind::none);
  const std::string message = message_of<ValueError>([&] { run_feed(source, in_the_middle()); });
  EXPECT_TRUE(contains(message, "can't go on where an earlier fit stopped: " + why)) << message;
}

TEST(Resume, a_function_with_captures_is_refused) {
  int calls = 0;
  expect_refused(generator<float>({.x = {4}},
                                  [&calls](BatchContext&, std::span<float> x) {
                                    x[0] = static_cast<float>(calls++);
                                  }),
                 "its function holds something that may change from batch to batch. Say pure(f)");
}

TEST(Resume, a_coroutine_is_refused) {
  expect_refused(coroutine<float>({.x = {4}},
                                  [](BatchWriter<float>& batch) -> BatchCoroutine {
                                    for (;;) {
                                      std::get<0>(batch.fields())[0] = 1;
                                      co_yield whole_batch;
                                    }
                                  }),
                 "a coroutine goes from one batch to the next");
}

TEST(Resume, a_class_that_says_nothing_is_refused) {
  class Plain : public BatchGenerator<float> {
   public:
    Plain() : BatchGenerator({.x = {4}}) {}
    std::int64_t fill(BatchContext&, std::span<float>) override { return 4; }
    bool endless() const override { return true; }
  };
  expect_refused(std::make_shared<Plain>(), "its class doesn't say that a batch depends on");
}

TEST(Resume, a_device_generator_is_resumed_where_it_is_pure) {
  int calls = 0;
  const auto fill = [](BatchContext&, DeviceQueue, std::span<float>) {};
  const auto counts = [&calls](BatchContext&, DeviceQueue, std::span<float>) { ++calls; };
  const auto kind = [](const SourceHandle& source) { return resume_of(*source.source()).kind; };
  EXPECT_EQ(kind(device_generator<float>({.x = {4}}, fill)), ResumeKind::by_number);
  EXPECT_EQ(kind(device_generator<float>({.x = {4}}, pure(counts))), ResumeKind::by_number);
  expect_refused(device_generator<float>({.x = {4}}, counts), "its function holds something");
}

TEST(Resume, says_how_each_kind_of_source_is_resumed) {
  const auto kind = [](const SourceHandle& source) { return resume_of(*source.source()).kind; };
  EXPECT_EQ(kind(endless_numbers()), ResumeKind::by_number);
  EXPECT_EQ(kind(arrays()), ResumeKind::by_number);
  EXPECT_EQ(kind(Numbers()), ResumeKind::by_number);
  EXPECT_EQ(kind(log_of(true)), ResumeKind::by_state);
  EXPECT_EQ(kind(cache_on_device(Tensor({8, 1}), Tensor({8, 1}))), ResumeKind::by_number);
}

TEST(Resume, a_place_that_does_not_exist_is_refused) {
  const auto message = [](const SourceHandle& source, const FeedOptions& options) {
    return message_of<ValueError>([&] { run_feed(source, options); });
  };
  EXPECT_TRUE(contains(message(arrays(), {.first_step = 8, .first_batch = 8}),
                       "within an epoch of 7 batches, received step 8"));
  EXPECT_TRUE(contains(message(arrays(), {.first_step = 2}), "received step 2 after 0 batches"));
  EXPECT_TRUE(contains(message(arrays(), {.first_step = -1}), "received step -1"));
  EXPECT_TRUE(contains(message(log_of(true), {.first_step = 2, .first_batch = 2}),
                       "expected the state that the generator saved"));
  EXPECT_TRUE(contains(
      message(arrays(), {.first_step = 2, .first_batch = 2, .source_state = {std::byte{1}}}),
      "expected a generator that saves its state"));
}

TEST(Resume, a_state_that_is_too_large_names_its_size) {
  const std::string message = message_of<DataError>(
      [] { run_feed(log_of(false), {.epochs = 1, .max_state_bytes = 20, .steps_per_epoch = 3}); });
  EXPECT_TRUE(contains(message,
                       "batch 1 (epoch 1, batch 1 of it): expected a state of at most 20 "
                       "bytes"))
      << message;
  EXPECT_TRUE(contains(message, "received one of 28 from save_state")) << message;
}

TEST(Resume, what_load_state_throws_is_a_data_error_of_the_first_batch) {
  FeedOptions options = in_the_middle();
  options.source_state = {std::byte{1}, std::byte{2}};
  const std::string message = message_of<DataError>([&] { run_feed(log_of(false), options); });
  EXPECT_TRUE(contains(message, "batch 6 (epoch 2, batch 3 of it): ")) << message;
  EXPECT_TRUE(contains(message, "expected a state with 8 more bytes")) << message;
}

}  // namespace
}  // namespace stoker::feed
