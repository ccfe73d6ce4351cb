// The rows of a batch in a slot of a feed, read one by one and shown to people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "feed/ring/slot_layout.h"
#include "report/page.h"
#include "stoker/source.h"
#include "stoker/tensor.h"

namespace stoker::train {

// A field of a batch.
class FieldView {
 public:
  FieldView(const Field& field, const std::byte* data) : field_(&field), data_(data) {}

  const Field& field() const { return *field_; }
  const std::byte* data() const { return data_; }
  std::int64_t row_elements() const { return field_->shape.without_batch().elements(); }
  double at(std::int64_t row, std::int64_t element) const;

 private:
  const Field* field_;
  const std::byte* data_;
};

class BatchView {
 public:
  BatchView(const BatchSpec& spec, const feed::SlotLayout& layout, const std::byte* block,
            std::int64_t rows)
      : spec_(spec), layout_(layout), block_(block), rows_(rows) {}

  std::int64_t rows() const { return rows_; }
  FieldView input(std::size_t i) const { return field(spec_.input_field(i)); }
  FieldView target(std::size_t i) const { return field(spec_.target_field(i)); }
  // Returns copies of the inputs.
  std::vector<Tensor> inputs() const;

 private:
  FieldView field(std::size_t i) const { return {spec_.field(i), block_ + layout_.offsets[i]}; }

  const BatchSpec& spec_;
  const feed::SlotLayout& layout_;
  const std::byte* block_;
  std::int64_t rows_;
};

// Returns the row as a picture of at most 64 by 64 pixels, where it has the shape (height, width, 1
// or 3). Values count as in [0, 255] or [0, 1] where they lie there; others are stretched to fit.
std::optional<report::Picture> picture_of(const FieldView& field, std::int64_t row);
// Returns the first numbers of the row.
std::string text_of(const FieldView& field, std::int64_t row);

}  // namespace stoker::train
