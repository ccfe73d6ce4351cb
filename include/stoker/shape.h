// Shapes: up to eight extents, a value type without heap memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace stoker {

// The extents of a tensor, outermost first. An extent of kUnknown (Keras's None) stands for a
// batch size that is not known yet. Rank 0 is a scalar with one element.
class Shape {
 public:
  static constexpr std::size_t kMaxRank = 8;
  static constexpr std::int64_t kUnknown = -1;

  Shape() = default;
  // Throws ShapeError for more than kMaxRank extents or one below kUnknown.
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  std::size_t rank() const { return rank_; }
  std::int64_t operator[](std::size_t axis) const { return extents_[axis]; }
  std::int64_t& operator[](std::size_t axis) { return extents_[axis]; }
  std::int64_t back() const { return extents_[rank_ - 1]; }
  const std::int64_t* begin() const { return extents_.data(); }
  const std::int64_t* end() const { return extents_.data() + rank_; }
  std::span<const std::int64_t> extents() const { return {extents_.data(), rank_}; }

  // Returns the product of all extents; 1 for a scalar, and a negative number if an extent is
  // unknown.
  std::int64_t elements() const;
  bool is_known() const;

  // These return the shape without its first extent, and with another one put before it.
  Shape without_batch() const;
  Shape with_batch(std::int64_t batch) const;
  void push_back(std::int64_t extent);

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  std::size_t rank_ = 0;
};

// Returns "(32, 28, 28, 1)", "(None, 10)", "(5,)", "()", as Python prints tuples.
std::string to_string(const Shape& shape);

}  // namespace stoker
