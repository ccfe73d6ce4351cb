#include "report/batch_log.h"

#include <algorithm>

namespace stoker::report {
namespace {

constexpr std::size_t kWindow = 4096;
// The tracks are followed in parallel, so many batches at a time, because one may have many more
// stamps to give than the window holds.
constexpr std::uint64_t kAtATime = 512;

constexpr auto longer = [](const BatchStamps& a, const BatchStamps& b) {
  return a.length_ns() > b.length_ns();
};

}  // namespace

BatchLog::BatchLog() : window_(kWindow) {
  for (BatchStamps& batch : window_) batch.sequence = ~std::uint64_t{0};
  first_.reserve(kFirst);
  slowest_.reserve(kSlowest + 1);
}

void BatchLog::add(std::span<const Stamp> stamps) {
  if (stamps.empty()) return;
  if (!has_begun_) {
    begin_ = std::ranges::min(stamps, {}, &Stamp::sequence).sequence;
    end_ = begin_;
    has_begun_ = true;
  }
  std::vector<std::span<const Stamp>> tracks;
  for (std::size_t begin = 0; begin < stamps.size();) {
    std::size_t end = begin + 1;
    while (end < stamps.size() && stamps[end].worker == stamps[begin].worker) ++end;
    tracks.push_back(stamps.subspan(begin, end - begin));
    begin = end;
  }
  // Workers before the loop and the device, so that a batch is whole when its step has ended.
  std::ranges::sort(tracks, {}, [](const auto& track) { return track.front().worker; });
  while (!tracks.empty()) {
    std::uint64_t lowest = ~std::uint64_t{0};
    for (const auto& track : tracks) lowest = std::min(lowest, track.front().sequence);
    for (auto& track : tracks) {
      while (!track.empty() && track.front().sequence < lowest + kAtATime) {
        add_one(track.front());
        track = track.subspan(1);
      }
    }
    std::erase_if(tracks, [](const auto& track) { return track.empty(); });
  }
}

void BatchLog::add_one(const Stamp& stamp) {
  BatchStamps& batch = window_[stamp.sequence % kWindow];
  if (batch.sequence != stamp.sequence) {
    batch.sequence = stamp.sequence;
    batch.count = 0;
    batch.begin_ns = batch.end_ns = 0;
  }
  if (batch.count < BatchStamps::kMost) batch.stamps[batch.count++] = stamp;
  if (stamp.stage == Stage::generate) batch.begin_ns = stamp.begin_ns;
  if (stamp.stage == Stage::compute) {
    batch.end_ns = stamp.end_ns;
    finish(batch);
  }
}

void BatchLog::finish(const BatchStamps& batch) {
  ++batches_;
  end_ = std::max(end_, batch.sequence + 1);
  if (batch.sequence >= begin_ && batch.sequence < begin_ + kFirst) first_.push_back(batch);
  if (!batch.is_whole()) return;
  if (slowest_.size() == kSlowest && !longer(batch, slowest_.front())) return;
  // A heap whose front is the fastest of the slow.
  slowest_.push_back(batch);
  std::ranges::push_heap(slowest_, longer);
  if (slowest_.size() <= kSlowest) return;
  std::ranges::pop_heap(slowest_, longer);
  slowest_.pop_back();
}

std::vector<BatchStamps> BatchLog::last() const {
  std::vector<BatchStamps> result;
  const std::uint64_t after_first = begin_ + kFirst;
  const std::uint64_t from = std::max(after_first, end_ < kLast ? 0 : end_ - kLast);
  for (std::uint64_t i = from; i < end_; ++i) {
    const BatchStamps& batch = window_[i % kWindow];
    if (batch.sequence == i && batch.end_ns != 0) result.push_back(batch);
  }
  return result;
}

std::vector<BatchStamps> BatchLog::slowest() const {
  std::vector<BatchStamps> result = slowest_;
  std::ranges::sort(result, longer);
  return result;
}

}  // namespace stoker::report
