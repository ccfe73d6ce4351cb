// Memory for one batch of a source, outside a feed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stoker/source.h"

namespace stoker::test {

class SlotMemory {
 public:
  explicit SlotMemory(const BatchSpec& spec) : spec_(spec) {
    for (std::size_t i = 0; i < spec_.field_count(); ++i) {
      const Field& field = spec_.field(i);
      // Elements of alignment 8 do for every type.
      memory_.emplace_back((bytes_of(field) + 7) / 8);
      fields_.push_back(reinterpret_cast<std::byte*>(memory_.back().data()));
    }
  }

  Slot slot() const { return {spec_, fields_.data()}; }
  template <class T>
  std::vector<T> values(std::size_t field) const {
    const T* first = reinterpret_cast<const T*>(fields_[field]);
    return {first, first + spec_.field(field).shape.elements()};
  }

 private:
  static std::size_t bytes_of(const Field& field) {
    return static_cast<std::size_t>(field.shape.elements()) * size_of(field.dtype);
  }

  BatchSpec spec_;
  std::vector<std::vector<std::uint64_t>> memory_;
  std::vector<std::byte*> fields_;
};

}  // namespace stoker::test
