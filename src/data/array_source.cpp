// Batches of rows of tensors, in order or shuffled.
#include "stoker/array_source.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "core/format.h"
#include "data/array_source.h"
#include "data/fields.h"
#include "data/permutation.h"
#include "stoker/error.h"

namespace stoker {
namespace {

std::vector<Field> fields_of(const char* name, const std::vector<const Tensor*>& tensors) {
  std::vector<Shape> shapes;
  shapes.reserve(tensors.size());
  for (const Tensor* tensor : tensors) shapes.push_back(tensor->shape());
  std::vector<Field> fields = data::name_fields(name, shapes);
  for (std::size_t i = 0; i < tensors.size(); ++i) fields[i].dtype = tensors[i]->dtype();
  return fields;
}

// Makes a field of each whole tensor. Its first extent is the number of rows, which the caller then
// replaces by the batch size.
BatchSpec whole_spec(const std::vector<const Tensor*>& inputs,
                     const std::vector<const Tensor*>& targets,
                     const std::vector<const Tensor*>& sample_weights) {
  BatchSpec spec;
  spec.inputs = fields_of("x", inputs);
  spec.targets = fields_of("y", targets);
  spec.sample_weights = fields_of("sample_weight", sample_weights);
  if (inputs.empty()) throw ValueError("array source: expected at least one input, received none");
  return spec;
}

// Returns the number of rows that all fields have.
std::int64_t rows_of(const BatchSpec& spec) {
  const Field& first = spec.inputs[0];
  for (std::size_t i = 0; i < spec.field_count(); ++i) {
    const Field& field = spec.field(i);
    if (field.shape.rank() == 0) {
      throw ShapeError(format("array source: expected ", field.name,
                              " to have rows along its first axis, received a scalar"));
    }
    if (field.shape[0] != first.shape[0]) {
      throw ShapeError(format("array source: expected as many rows of each tensor, received ",
                              first.name, " ", first.shape, " and ", field.name, " ", field.shape));
    }
    if (field.shape.elements() == 0) {
      throw ValueError(format("array source: expected at least one row with data in it, received ",
                              field.name, " ", field.shape));
    }
  }
  return first.shape[0];
}

// Copies row `order[i]` of `from` to row i of `to`. With a fixed size, small rows (labels) need no
// call of memcpy.
template <std::size_t RowBytes>
void gather_fixed(std::byte* to, const std::byte* from, std::span<const std::int64_t> order) {
  for (const std::int64_t row : order) {
    std::memcpy(to, from + static_cast<std::size_t>(row) * RowBytes, RowBytes);
    to += RowBytes;
  }
}

void gather(std::byte* to, const std::byte* from, std::size_t row_bytes,
            std::span<const std::int64_t> order) {
  switch (row_bytes) {
    case 1:
      return gather_fixed<1>(to, from, order);
    case 4:
      return gather_fixed<4>(to, from, order);
    case 8:
      return gather_fixed<8>(to, from, order);
    case 16:
      return gather_fixed<16>(to, from, order);
    default:
      for (const std::int64_t row : order) {
        std::memcpy(to, from + static_cast<std::size_t>(row) * row_bytes, row_bytes);
        to += row_bytes;
      }
  }
}

// The source is pure: a batch is a function of its epoch and index.
class ArraySource final : public Source {
 public:
  ArraySource(const std::vector<const Tensor*>& inputs, const std::vector<const Tensor*>& targets,
              const std::vector<const Tensor*>& sample_weights, const ArrayOptions& options,
              std::int64_t begin_row, std::int64_t end_row)
      : spec_(whole_spec(inputs, targets, sample_weights)) {
    const std::int64_t rows = rows_of(spec_);
    data::check_sample_weights("array source", spec_);
    if (end_row < 0) end_row = rows;
    if (begin_row < 0 || begin_row >= end_row || end_row > rows) {
      throw ValueError(format("array source: expected at least one row within [0, ", rows,
                              "), received [", begin_row, ", ", end_row, ")"));
    }
    rows_ = end_row - begin_row;
    for (const auto* tensors : {&inputs, &targets, &sample_weights}) {
      for (const Tensor* tensor : *tensors) add(*tensor, begin_row, rows);
    }
    choose_batches(options);
    if (options.shuffle) orders_.emplace(rows_, options.seed);
  }

  // Takes over the tensors that the constructor was given pointers to.
  void keep(std::vector<Tensor> tensors) {
    owned_ = std::move(tensors);
    is_borrowed_ = false;
  }
  void reseed(std::uint64_t seed) {
    if (is_borrowed_ && orders_) orders_.emplace(rows_, seed);
  }

  const BatchSpec& spec() const override { return spec_; }
  std::optional<std::int64_t> batches_per_epoch() const override { return batches_; }
  bool pure() const override { return true; }
  SourceTraits traits() const override { return {.kind = SourceKind::arrays}; }

  // Nothing depends on this call, but without it the first batch would wait for the shuffle.
  void begin_epoch(std::int64_t epoch) override {
    if (orders_) orders_->of_epoch(epoch);
  }

  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    if (batch.index < 0 || batch.index >= batches_) return 0;
    const std::int64_t first = batch.index * batch_size_;
    const std::int64_t count = std::min(batch_size_, rows_ - first);
    if (orders_) {
      const auto order = orders_->of_epoch(batch.epoch);
      const auto rows =
          order.rows().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        gather(slot.field(i), columns_[i].data, columns_[i].row_bytes, rows);
      }
    } else {
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        const auto [data, row_bytes] = columns_[i];
        std::memcpy(slot.field(i), data + static_cast<std::size_t>(first) * row_bytes,
                    static_cast<std::size_t>(count) * row_bytes);
      }
    }
    return count;
  }

 private:
  bool is_borrowed_ = true;
  struct Column {
    const std::byte* data;  // the first row in range
    std::size_t row_bytes;
  };

  void add(const Tensor& tensor, std::int64_t begin_row, std::int64_t rows) {
    const std::size_t row_bytes = tensor.bytes() / static_cast<std::size_t>(rows);
    const auto* data = static_cast<const std::byte*>(tensor.raw());
    columns_.push_back({data + static_cast<std::size_t>(begin_row) * row_bytes, row_bytes});
  }

  void choose_batches(const ArrayOptions& options) {
    if (options.batch_size < 1) {
      throw ValueError(format("array source: expected a batch_size of at least 1, received ",
                              options.batch_size));
    }
    if (options.drop_remainder && rows_ < options.batch_size) {
      throw ValueError(format("array source: expected at least one whole batch of ",
                              options.batch_size, " with drop_remainder, received ", rows_,
                              " rows"));
    }
    // The batch size is at most the data set's, since a batch that is never full would need a plan
    // of its own.
    batch_size_ = std::min(options.batch_size, rows_);
    batches_ = options.drop_remainder ? rows_ / batch_size_ : (rows_ - 1) / batch_size_ + 1;
    const auto set_batch = [&](Field& field) { field.shape[0] = batch_size_; };
    std::ranges::for_each(spec_.inputs, set_batch);
    std::ranges::for_each(spec_.targets, set_batch);
    std::ranges::for_each(spec_.sample_weights, set_batch);
  }

  BatchSpec spec_;
  std::vector<Column> columns_;  // by field
  std::int64_t rows_ = 0;
  std::int64_t batch_size_ = 0;
  std::int64_t batches_ = 0;
  std::optional<data::Permutations> orders_;
  std::vector<Tensor> owned_;
};

}  // namespace

std::shared_ptr<Source> borrow_arrays(const std::vector<const Tensor*>& inputs,
                                      const std::vector<const Tensor*>& targets,
                                      const std::vector<const Tensor*>& sample_weights,
                                      ArrayOptions options, std::int64_t begin_row,
                                      std::int64_t end_row) {
  return std::make_shared<ArraySource>(inputs, targets, sample_weights, options, begin_row,
                                       end_row);
}

SourceHandle array_source(Tensor x, Tensor y, ArrayOptions options) {
  std::vector<Tensor> inputs, targets;
  inputs.push_back(std::move(x));
  targets.push_back(std::move(y));
  return array_source(std::move(inputs), std::move(targets), std::vector<Tensor>{}, options);
}

SourceHandle array_source(Tensor x, Tensor y, Tensor sample_weight, ArrayOptions options) {
  std::vector<Tensor> inputs, targets;
  inputs.push_back(std::move(x));
  targets.push_back(std::move(y));
  return array_source(std::move(inputs), std::move(targets), std::move(sample_weight), options);
}

void reseed_borrowed_arrays(Source& source, std::uint64_t seed) {
  if (auto* arrays = dynamic_cast<ArraySource*>(&source)) arrays->reseed(seed);
}

namespace detail {

std::vector<Tensor> none_or_one(std::optional<Tensor> tensor) {
  std::vector<Tensor> list;
  if (tensor) list.push_back(std::move(*tensor));
  return list;
}

}  // namespace detail

SourceHandle array_source(std::vector<Tensor> inputs, std::vector<Tensor> targets,
                          std::vector<Tensor> sample_weights, ArrayOptions options) {
  const auto views = [](const std::vector<Tensor>& tensors) {
    std::vector<const Tensor*> pointers;
    for (const Tensor& tensor : tensors) pointers.push_back(&tensor);
    return pointers;
  };
  auto source = std::make_shared<ArraySource>(views(inputs), views(targets), views(sample_weights),
                                              options, 0, -1);
  std::vector<Tensor> tensors = std::move(inputs);  // their elements stay where they are
  std::ranges::move(targets, std::back_inserter(tensors));
  std::ranges::move(sample_weights, std::back_inserter(tensors));
  source->keep(std::move(tensors));
  return SourceHandle(std::move(source));
}

}  // namespace stoker
