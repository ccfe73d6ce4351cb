#include "data/class_weights.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

class ClassWeightedSource final : public Source {
 public:
  ClassWeightedSource(std::shared_ptr<Source> source, std::map<std::int64_t, double> weights)
      : source_(std::move(source)), weights_(std::move(weights)), spec_(source_->spec()) {
    if (spec_.sample_weight) {
      throw ValueError("class_weight: the source gives sample weights already; use one of them");
    }
    if (spec_.targets.size() != 1) {
      throw ValueError(
          format("class_weight: expected one target, the source gives ", spec_.targets.size()));
    }
    const Field& labels = spec_.targets[0];
    const bool is_row = labels.shape.rank() == 2 && labels.shape[1] > 1;
    if (labels.shape.rank() > 2 ||
        (labels.dtype != DType::int32 && labels.dtype != DType::float32)) {
      throw ValueError(
          format("class_weight: expected class numbers (batch) or rows of class "
                 "values (batch, classes), received ",
                 labels.dtype, " ", labels.shape));
    }
    classes_ = is_row ? labels.shape[1] : 1;
    spec_.sample_weight = Field{"sample_weight", DType::float32, Shape{spec_.batch_size()}};
  }

  const BatchSpec& spec() const override { return spec_; }
  std::optional<std::int64_t> batches_per_epoch() const override {
    return source_->batches_per_epoch();
  }
  bool endless() const override { return source_->endless(); }
  bool pure() const override { return source_->pure(); }
  void begin_epoch(std::int64_t epoch) override { source_->begin_epoch(epoch); }
  void end_epoch(std::int64_t epoch) override { source_->end_epoch(epoch); }
  bool epochs_apart() const override { return source_->epochs_apart(); }
  bool shuffles_batches() const override { return source_->shuffles_batches(); }

  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    const std::int64_t rows = source_->fill(batch, slot.with_spec(source_->spec()));
    const std::size_t target = spec_.inputs.size();
    auto* weights = reinterpret_cast<float*>(slot.field(target + 1));
    const std::int64_t count = std::min(rows, spec_.batch_size());
    for (std::int64_t row = 0; row < count; ++row) {
      const auto found = weights_.find(class_of(slot.field(target), row));
      weights[row] = found == weights_.end() ? 1.0f : static_cast<float>(found->second);
    }
    return rows;
  }

 private:
  std::int64_t class_of(const std::byte* labels, std::int64_t row) const {
    if (spec_.targets[0].dtype == DType::int32) {
      const auto* numbers = reinterpret_cast<const std::int32_t*>(labels) + row * classes_;
      return classes_ == 1 ? numbers[0] : std::max_element(numbers, numbers + classes_) - numbers;
    }
    const auto* values = reinterpret_cast<const float*>(labels) + row * classes_;
    return classes_ == 1 ? static_cast<std::int64_t>(values[0])
                         : std::max_element(values, values + classes_) - values;
  }

  std::shared_ptr<Source> source_;
  std::map<std::int64_t, double> weights_;
  BatchSpec spec_;
  std::int64_t classes_ = 1;
};

}  // namespace

std::shared_ptr<Source> with_class_weights(std::shared_ptr<Source> source,
                                           std::map<std::int64_t, double> weights) {
  return std::make_shared<ClassWeightedSource>(std::move(source), std::move(weights));
}

}  // namespace stoker
