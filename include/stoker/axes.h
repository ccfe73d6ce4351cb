// One axis of a layer's input or of a weight, or several.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace stoker {

// Axes by number. The first is 0, which is the batch of a layer's input, and the last is -1.
class Axes {
 public:
  Axes(int axis) : numbers_{axis} {}
  Axes(std::int64_t axis) : numbers_{axis} {}
  Axes(std::initializer_list<std::int64_t> axes) : numbers_(axes) {}
  Axes(std::vector<std::int64_t> axes) : numbers_(std::move(axes)) {}

  const std::vector<std::int64_t>& numbers() const { return numbers_; }
  friend bool operator==(const Axes&, const Axes&) = default;

 private:
  std::vector<std::int64_t> numbers_;
};

}  // namespace stoker
