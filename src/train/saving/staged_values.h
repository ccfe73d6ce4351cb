// Values on their way from a file into a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace stoker::train {

// Where all values of a file take no more than this, they are read before any of them is written
// into the model, which then stays as it was where a disk fails. More of them would take too much
// memory beside the model: they are read twice, and only a disk that fails in between, after it has
// given every byte once, leaves a part of the new values in the model.
inline constexpr std::uint64_t kMostStagedBytes = std::uint64_t{1} << 28;

// Memory for values, aligned for their elements.
class StagedValues {
 public:
  explicit StagedValues(std::uint64_t bytes)
      : memory_(std::make_unique_for_overwrite<std::uint64_t[]>(
            static_cast<std::size_t>((bytes + 7) / 8))) {}

  // Returns the next so many bytes.
  std::span<std::byte> take(std::uint64_t bytes) {
    const auto begin = std::exchange(used_, used_ + static_cast<std::size_t>((bytes + 7) / 8));
    return std::as_writable_bytes(std::span(memory_.get() + begin, used_ - begin))
        .first(static_cast<std::size_t>(bytes));
  }
  // What a value of so many bytes takes.
  static std::uint64_t padded(std::uint64_t bytes) { return (bytes + 7) / 8 * 8; }

 private:
  std::unique_ptr<std::uint64_t[]> memory_;
  std::size_t used_ = 0;
};

}  // namespace stoker::train
