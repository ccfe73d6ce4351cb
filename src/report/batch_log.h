// The way of single batches from the generator to their steps, for a picture of them: of a training
// of any length it keeps the first ones, the last ones and the slowest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/timeline.h"

namespace stoker::report {

// The stamps of a batch; `sequence` is its number in the fit.
struct BatchStamps {
  // A batch has at most these: its worker's wait, generation and conversion, the loop's wait, its
  // upload, the wait for that, its launch and its step.
  static constexpr std::size_t kMost = 8;

  std::uint64_t sequence = 0;
  std::size_t count = 0;
  std::array<Stamp, kMost> stamps{};
  std::int64_t begin_ns = 0;  // The beginning of its generation; 0 where that is not known.
  std::int64_t end_ns = 0;    // The end of its step; 0 until then.

  bool is_whole() const { return begin_ns != 0 && end_ns != 0; }
  std::int64_t length_ns() const { return end_ns - begin_ns; }
  std::span<const Stamp> all() const { return {stamps.data(), count}; }
};

// It is given all stamps of a fit and allocates when it is made. A stamp costs a few nanoseconds.
class BatchLog {
 public:
  static constexpr std::uint64_t kFirst = 200;
  static constexpr std::uint64_t kLast = 200;
  static constexpr std::size_t kSlowest = 20;

  BatchLog();

  // Takes more stamps, as Timeline::read_since() gives them: track by track.
  void add(std::span<const Stamp> stamps);

  std::uint64_t batches() const { return batches_; }  // Those whose step has ended.
  // These are in the order of the batches. None of the last is among the first.
  const std::vector<BatchStamps>& first() const { return first_; }
  std::vector<BatchStamps> last() const;
  // The slowest from generator to step come first.
  std::vector<BatchStamps> slowest() const;

 private:
  void add_one(const Stamp& stamp);
  void finish(const BatchStamps& batch);

  // The latest batches, by their number modulo the size. Between the generation of a batch and its
  // step lie as many others as a ring holds.
  std::vector<BatchStamps> window_;
  std::vector<BatchStamps> first_;
  std::vector<BatchStamps> slowest_;
  std::uint64_t batches_ = 0;
  std::uint64_t begin_ = 0;  // The first batch of the fit.
  std::uint64_t end_ = 0;    // One beyond the latest whose step has ended.
  bool has_begun_ = false;
};

}  // namespace stoker::report
