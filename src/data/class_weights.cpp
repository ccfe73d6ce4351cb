#include "data/class_weights.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {

ClassWeights::ClassWeights(BatchSpec spec, std::map<std::int64_t, double> weights)
    : spec_(std::move(spec)), weights_(std::move(weights)) {
  if (spec_.sample_weight) {
    throw ValueError("class_weight: the source gives sample weights already; use one of them");
  }
  if (spec_.targets.size() != 1) {
    throw ValueError(
        format("class_weight: expected one target, the source gives ", spec_.targets.size()));
  }
  const Field& labels = spec_.targets[0];
  const bool is_row = labels.shape.rank() == 2 && labels.shape[1] > 1;
  if (labels.shape.rank() > 2 || (labels.dtype != DType::int32 && labels.dtype != DType::float32)) {
    throw ValueError(
        format("class_weight: expected class numbers (batch) or rows of class "
               "values (batch, classes), received ",
               labels.dtype, " ", labels.shape));
  }
  classes_ = is_row ? labels.shape[1] : 1;
  spec_.sample_weight = Field{"sample_weight", DType::float32, Shape{spec_.batch_size()}};
}

std::size_t ClassWeights::label_bytes() const {
  const Field& labels = spec_.targets[0];
  return static_cast<std::size_t>(labels.shape.elements()) * size_of(labels.dtype);
}

void ClassWeights::weigh(const std::byte* labels, std::int64_t rows, float* weights) const {
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto found = weights_.find(class_of(labels, row));
    weights[row] = found == weights_.end() ? 1.0f : static_cast<float>(found->second);
  }
}

std::int64_t ClassWeights::class_of(const std::byte* labels, std::int64_t row) const {
  if (spec_.targets[0].dtype == DType::int32) {
    const auto* numbers = reinterpret_cast<const std::int32_t*>(labels) + row * classes_;
    return classes_ == 1 ? numbers[0] : std::max_element(numbers, numbers + classes_) - numbers;
  }
  const auto* values = reinterpret_cast<const float*>(labels) + row * classes_;
  return classes_ == 1 ? static_cast<std::int64_t>(values[0])
                       : std::max_element(values, values + classes_) - values;
}

namespace {

class ClassWeightedSource final : public Source {
 public:
  ClassWeightedSource(std::shared_ptr<Source> source, std::map<std::int64_t, double> weights)
      : source_(std::move(source)), weights_(source_->spec(), std::move(weights)) {}

  const BatchSpec& spec() const override { return weights_.spec(); }
  std::optional<std::int64_t> batches_per_epoch() const override {
    return source_->batches_per_epoch();
  }
  bool endless() const override { return source_->endless(); }
  bool pure() const override { return source_->pure(); }
  void begin_epoch(std::int64_t epoch) override { source_->begin_epoch(epoch); }
  void end_epoch(std::int64_t epoch) override { source_->end_epoch(epoch); }
  bool epochs_apart() const override { return source_->epochs_apart(); }
  bool shuffles_batches() const override { return source_->shuffles_batches(); }
  SourceTraits traits() const override { return source_->traits(); }
  const Source& innermost() const override { return source_->innermost(); }

  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    const std::int64_t rows = source_->fill(batch, slot.with_spec(source_->spec()));
    weights_.weigh(slot.field(weights_.label_field()), std::min(rows, spec().batch_size()),
                   reinterpret_cast<float*>(slot.field(weights_.weight_field())));
    return rows;
  }

 private:
  std::shared_ptr<Source> source_;
  ClassWeights weights_;
};

}  // namespace

std::shared_ptr<Source> with_class_weights(std::shared_ptr<Source> source,
                                           std::map<std::int64_t, double> weights) {
  return std::make_shared<ClassWeightedSource>(std::move(source), std::move(weights));
}

}  // namespace stoker
