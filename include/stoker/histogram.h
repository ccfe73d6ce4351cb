// The distribution of durations: counts on a logarithmic scale, and their exact sum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stoker {

// A value; not synchronised. Buckets are a quarter of an octave wide, from 64 ns to 5 minutes; what
// lies outside counts in the first or the last. Only buckets that hold something are kept, so that
// one for each epoch of a long training costs little. The first value that is added takes room for
// all of them: further ones then allocate nothing. A copy has no such room.
class DurationHistogram {
 public:
  static constexpr std::size_t kBuckets = 128;

  static std::size_t bucket_of(std::int64_t ns);
  // The bounds of a bucket, in nanoseconds.
  static double lower_bound(std::size_t bucket);

  void add(std::int64_t ns, std::uint64_t count = 1);
  // Adds as many to a bucket, when they were counted elsewhere; `total_ns` is then to be added too.
  void add_bucket(std::size_t bucket, std::uint64_t count);
  void add_total(std::int64_t ns) { total_ns_ += ns; }
  // The bytes that it has allocated.
  std::size_t bytes() const { return entries_.capacity() * sizeof(std::uint64_t); }
  // Empties the histogram, which keeps the room that it has.
  void clear();

  std::uint64_t count() const { return count_; }
  std::uint64_t count(std::size_t bucket) const;
  double total() const { return 1e-9 * static_cast<double>(total_ns_); }  // seconds
  double mean() const { return count_ == 0 ? 0.0 : total() / static_cast<double>(count_); }
  // The quantile in seconds, to a tenth of its value; 0 when nothing was counted. q in [0, 1].
  double quantile(double q) const;

  DurationHistogram& operator+=(const DurationHistogram& other);
  // What came since `earlier`, an older state of this.
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
