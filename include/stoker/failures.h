// What happens to elements and batches that can't be made: a file that is damaged, a function that
// throws.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace stoker {

enum class OnError : std::uint8_t {
  stop,  // throw; the training ends with an error that names the element
  // Do without the element, warn once, and count it (FeedReport::failures). An element that is
  // asked for by number is replaced by another one; of a stream the next one moves up.
  skip,
};

// The number of failures after which OnError::skip gives up, unless it is told another one. The
// error then has the first failure nested in it.
inline constexpr std::int64_t kMaxFailures = 1000;

namespace detail {

// The failures that were passed over, by the stage that they happened in. What a source adds while
// it makes a batch travels with that batch, so that they are counted in the order of the batches,
// whichever thread made them. It allocates only when something failed.
class Failures {
 public:
  struct OfStage {
    std::uint32_t stage = 0;  // what the source numbers its stages by
    std::int64_t count = 0;
    std::int64_t most = kMaxFailures;
    std::exception_ptr first{};  // the first of them
  };

  // Counts a failure. The caller handles its exception.
  void add(std::uint32_t stage, std::int64_t most);
  // Adds those of a later batch.
  void add(const Failures& later);
  void clear() { stages_.clear(); }
  bool empty() const { return stages_.empty(); }
  std::int64_t count() const;
  const std::vector<OfStage>& stages() const { return stages_; }
  // Returns what the first of all says; empty if there is none.
  std::string first_text() const;
  // Returns the stage that has had more failures than it may have; null if there is none.
  const OfStage* exceeded() const;
  // Throws a DataError, in which the first failure is nested, if there is such a stage.
  void check() const;

 private:
  OfStage& of(std::uint32_t stage, std::int64_t most);
  std::vector<OfStage> stages_;
};

}  // namespace detail
}  // namespace stoker
