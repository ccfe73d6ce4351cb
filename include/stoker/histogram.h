// The distribution of durations: counts on a logarithmic scale, and their exact sum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stoker {

// A histogram is a value and not synchronised. Buckets are a quarter of an octave wide, from 64 ns
// to 5 minutes; durations outside count in the first or the last. Only buckets with a count are
// kept, so that a histogram for each epoch of a long training takes little memory. The first value
// that is added reserves room for all buckets, unless reserve() did, so that further ones allocate
// nothing. A copy has no such room.
class DurationHistogram {
 public:
  static constexpr std::size_t kBuckets = 128;

  static std::size_t bucket_of(std::int64_t ns);
  // The bounds of a bucket, in nanoseconds.
  static double lower_bound(std::size_t bucket);

  // Reserves room for all buckets, so that no value that is added allocates.
  void reserve() { entries_.reserve(kBuckets); }
  void add(std::int64_t ns, std::uint64_t count = 1);
  // Adds `count` durations to a bucket, for those that were counted elsewhere. Their sum must be
  // added too, by add_total().
  void add_bucket(std::size_t bucket, std::uint64_t count);
  void add_total(std::int64_t ns) { total_ns_ += ns; }
  // Returns the bytes that the histogram has allocated.
  std::size_t bytes() const { return entries_.capacity() * sizeof(std::uint64_t); }
  // Empties the histogram, which keeps its memory.
  void clear();

  std::uint64_t count() const { return count_; }
  std::uint64_t count(std::size_t bucket) const;
  double total() const { return 1e-9 * static_cast<double>(total_ns_); }  // seconds
  double mean() const { return count_ == 0 ? 0.0 : total() / static_cast<double>(count_); }
  // Returns the quantile in seconds, to a tenth of its value; 0 if nothing was counted. q is in [0,
  // 1].
  double quantile(double q) const;

  DurationHistogram& operator+=(const DurationHistogram& other);
  // Returns what was added since `earlier`, an older state of this histogram.
  DurationHistogram operator-(const DurationHistogram& earlier) const;

 private:
  // A bucket's number in the lowest seven bits, and its count above them.
  static constexpr int kBucketBits = 7;
  static std::size_t bucket_in(std::uint64_t entry) { return entry & (kBuckets - 1); }
  static std::uint64_t count_in(std::uint64_t entry) { return entry >> kBucketBits; }

  std::vector<std::uint64_t> entries_;  // by bucket, none of them 0
  std::uint64_t count_ = 0;
  std::int64_t total_ns_ = 0;
};

}  // namespace stoker
