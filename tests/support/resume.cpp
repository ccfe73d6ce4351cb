#include "support/resume.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "device/device.h"

namespace stoker::test {
namespace {

std::string bytes_of(const BatchSpec& spec, const feed::Feed& feed, const feed::Batch& batch) {
  std::string bytes;
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const Field& field = spec.field(i);
    const auto whole = static_cast<std::size_t>(field.shape.elements()) * size_of(field.dtype);
    const auto row = whole / static_cast<std::size_t>(spec.batch_size());
    const auto* from = reinterpret_cast<const char*>(batch.block + feed.layout().offsets[i]);
    bytes.append(from, row * static_cast<std::size_t>(batch.rows));
  }
  return bytes;
}

// Options that begin at a position, to the end of the same training.
feed::FeedOptions resumed(feed::FeedOptions options, const feed::Position& position) {
  options.epochs = options.first_epoch + options.epochs - position.epoch;
  options.resume_at(position);
  if (!options.warn) options.warn = [](const std::string&) {};  // more workers than a source takes
  return options;
}

void expect_rest(const Run& run, const Run& whole, std::size_t from, const std::string& what) {
  const auto rest =
      std::vector(whole.returned.begin() + static_cast<std::ptrdiff_t>(from), whole.returned.end());
  const auto differs = std::ranges::mismatch(run.returned, rest);
  const auto at = differs.in1 - run.returned.begin();
  EXPECT_TRUE(run.returned == rest)
      << what << ": from place " << from << " on (epoch " << whole.positions[from].position.epoch
      << ", step " << whole.positions[from].position.step << "), received " << run.returned.size()
      << " batches and ends of epochs, expected " << rest.size() << "; number " << at << " differs";
}

}  // namespace

Run run_feed(const SourceHandle& source, const feed::FeedOptions& options, std::size_t most) {
  const auto device = device::make_cpu_device();
  feed::Feed feed(source.source(), options, *device);
  const BatchSpec& spec = source.source()->spec();
  Run run;
  run.positions.emplace_back(feed.position());
  for (std::int64_t epoch = 0; epoch < options.epochs && !feed.ran_out();) {
    if (run.returned.size() == most) break;
    const std::optional<feed::Batch> batch = feed.next();
    if (batch) {
      run.returned.push_back({true, batch->rows, batch->sequence, bytes_of(spec, feed, *batch)});
      feed.release(*batch);
    } else {
      run.returned.push_back({});
      ++epoch;
    }
    run.positions.emplace_back(feed.position());
  }
  run.ran_out = feed.ran_out();
  return run;
}

void expect_resumes_everywhere(const MakeSource& make, const feed::FeedOptions& options,
                               const std::string& what) {
  const Run whole = run_feed(make(), options);
  ASSERT_FALSE(whole.returned.empty()) << what;
  const std::size_t places = whole.positions.size() - (whole.ran_out ? 1 : 0);
  for (std::size_t from = 0; from < places; ++from) {
    feed::FeedOptions rest = resumed(options, whole.positions[from].get());
    rest.workers = static_cast<int>(1 + (from + 1) % 3);
    rest.max_queue_size = static_cast<int>(1 + from % 4);
    const Run run = run_feed(make(), rest);
    expect_rest(run, whole, from, what);
    const std::size_t middle = (whole.returned.size() - from) / 2;
    const Run begun = run_feed(make(), rest, middle);
    const Run ended = run_feed(make(), resumed(rest, begun.positions.back().get()));
    expect_rest(ended, whole, from + middle, what + ", resumed twice");
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace stoker::test
