#include "stoker/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace stoker {
namespace {

constexpr int kFirstOctave = 6;  // 64 ns
constexpr int kPerOctave = 4;

}  // namespace

// The two bits behind the leading one divide an octave in four linear parts. This avoids a
// logarithm, because the function runs for each batch.
std::size_t DurationHistogram::bucket_of(std::int64_t ns) {
  if (ns < std::int64_t{1} << kFirstOctave) return 0;
  const auto value = static_cast<std::uint64_t>(ns);
  const int octave = std::bit_width(value) - 1;
  const auto part = static_cast<int>(value >> (octave - 2) & 3U);
  const int bucket = (octave - kFirstOctave) * kPerOctave + part;
  return std::min(static_cast<std::size_t>(bucket), kBuckets - 1);
}

double DurationHistogram::lower_bound(std::size_t bucket) {
  if (bucket == 0) return 0.0;
  const auto octave = static_cast<int>(bucket / kPerOctave);
  const auto part = static_cast<double>(bucket % kPerOctave);
  return std::ldexp(1.0 + part / kPerOctave, kFirstOctave + octave);
}

void DurationHistogram::add(std::int64_t ns, std::uint64_t count) {
  if (entries_.capacity() == 0) reserve();
  add_bucket(bucket_of(ns), count);
  add_total(ns * static_cast<std::int64_t>(count));
}

void DurationHistogram::add_bucket(std::size_t bucket, std::uint64_t count) {
  if (count == 0) return;
  count_ += count;
  const auto place = std::ranges::lower_bound(entries_, bucket, {}, bucket_in);
  if (place != entries_.end() && bucket_in(*place) == bucket) {
    *place += count << kBucketBits;
  } else {
    entries_.insert(place, count << kBucketBits | bucket);
  }
}

void DurationHistogram::clear() {
  entries_.clear();
  count_ = 0;
  total_ns_ = 0;
}

std::uint64_t DurationHistogram::count(std::size_t bucket) const {
  const auto place = std::ranges::lower_bound(entries_, bucket, {}, bucket_in);
  return place != entries_.end() && bucket_in(*place) == bucket ? count_in(*place) : 0;
}

double DurationHistogram::quantile(double q) const {
  if (count_ == 0) return 0.0;
  const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
  double below = 0.0;
  for (const std::uint64_t entry : entries_) {
    const auto here = static_cast<double>(count_in(entry));
    if (below + here >= wanted) {
      const std::size_t bucket = bucket_in(entry);
      const double share = (wanted - below) / here;
      const double low = lower_bound(bucket);
      const double high = bucket + 1 < kBuckets ? lower_bound(bucket + 1) : 2.0 * low;
      return 1e-9 * (low + share * (high - low));
    }
    below += here;
  }
  return 1e-9 * lower_bound(kBuckets - 1);
}

DurationHistogram& DurationHistogram::operator+=(const DurationHistogram& other) {
  for (const std::uint64_t entry : other.entries_) add_bucket(bucket_in(entry), count_in(entry));
  total_ns_ += other.total_ns_;
  return *this;
}

DurationHistogram DurationHistogram::operator-(const DurationHistogram& earlier) const {
  DurationHistogram result;
  for (const std::uint64_t entry : entries_) {
    const std::size_t bucket = bucket_in(entry);
    result.add_bucket(bucket, count_in(entry) - earlier.count(bucket));
  }
  result.total_ns_ = total_ns_ - earlier.total_ns_;
  return result;
}

}  // namespace stoker
