#include "data/class_weights.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/format.h"
#include "stoker/detail/source_adapter.h"
#include "stoker/error.h"

namespace stoker {

namespace {

// Returns the class number that stands there alone, or the place of the largest value in a row of
// classes.
template <class T>
std::int64_t class_in(const T* values, std::int64_t classes) {
  if (classes > 1) return std::max_element(values, values + classes) - values;
  if constexpr (std::is_same_v<T, float>) {
    // A value that is no integer is no class with a weight; the loss refuses it.
    if (!(std::fabs(*values) < 0x1.0p24f)) return -1;
  }
  return static_cast<std::int64_t>(*values);
}

}  // namespace

ClassUse::ClassUse(const std::map<std::int64_t, double>& weights) {
  for (const auto& weight : weights) seen_[weight.first] = false;
}

std::vector<std::int64_t> ClassUse::unused() const {
  std::vector<std::int64_t> classes;
  for (const auto& [label, was_seen] : seen_) {
    if (!was_seen) classes.push_back(label);
  }
  return classes;
}

ClassWeights::ClassWeights(BatchSpec spec, std::map<std::int64_t, double> weights,
                           std::shared_ptr<ClassUse> use)
    : spec_(std::move(spec)), weights_(std::move(weights)), use_(std::move(use)) {
  if (spec_.targets.size() != 1) {
    throw ValueError(format("class_weight: expected one target, since it is for models with a ",
                            "single output, the source gives ", spec_.targets.size(),
                            ". Several outputs take sample weights, one for each target"));
  }
  if (!spec_.sample_weights.empty()) {
    throw ValueError("class_weight: the source gives sample weights already; use one of them");
  }
  const Field& labels = spec_.targets[0];
  const bool is_row = labels.shape.rank() == 2 && labels.shape[1] > 1;
  const bool is_number = labels.dtype == DType::int32 || labels.dtype == DType::uint8 ||
                         labels.dtype == DType::float32;
  if (labels.shape.rank() > 2 || !is_number) {
    throw ValueError(
        format("class_weight: expected class numbers (batch) or rows of class "
               "values (batch, classes), received ",
               labels.dtype, " ", labels.shape));
  }
  for (const auto& [class_number, weight] : weights_) {
    check::require("class_weight", format("the weight of class ", class_number), weight,
                   check::finite());
  }
  classes_ = is_row ? labels.shape[1] : 1;
  spec_.sample_weights = {Field{"sample_weight", DType::float32, Shape{spec_.batch_size()}}};
}

std::size_t ClassWeights::label_bytes() const {
  const Field& labels = spec_.targets[0];
  return static_cast<std::size_t>(labels.shape.elements()) * size_of(labels.dtype);
}

void ClassWeights::weigh(const std::byte* labels, std::int64_t rows, float* weights) const {
  const bool is_real = classes_ == 1 && spec_.targets[0].dtype == DType::float32;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t label = class_of(labels, row);
    if (use_ != nullptr) {
      use_->add(label);
      if (is_real && reinterpret_cast<const float*>(labels)[row] != static_cast<float>(label)) {
        use_->add_fraction();
      }
    }
    const auto found = weights_.find(label);
    weights[row] = found == weights_.end() ? 1.0f : static_cast<float>(found->second);
  }
}

std::int64_t ClassWeights::class_of(const std::byte* labels, std::int64_t row) const {
  switch (spec_.targets[0].dtype) {
    case DType::int32:
      return class_in(reinterpret_cast<const std::int32_t*>(labels) + row * classes_, classes_);
    case DType::uint8:
      return class_in(reinterpret_cast<const std::uint8_t*>(labels) + row * classes_, classes_);
    default:
      return class_in(reinterpret_cast<const float*>(labels) + row * classes_, classes_);
  }
}

namespace {

class ClassWeightedSource final : public detail::SourceAdapter<Source> {
 public:
  ClassWeightedSource(std::shared_ptr<Source> source, std::map<std::int64_t, double> weights,
                      std::shared_ptr<ClassUse> use)
      : SourceAdapter(std::move(source)),
        weights_(adapted().spec(), std::move(weights), std::move(use)) {}

  const BatchSpec& spec() const override { return weights_.spec(); }
  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    const std::int64_t rows = adapted().fill(batch, slot.with_spec(adapted().spec()));
    weights_.weigh(slot.field(weights_.label_field()), std::min(rows, spec().batch_size()),
                   reinterpret_cast<float*>(slot.field(weights_.weight_field())));
    return rows;
  }

 private:
  ClassWeights weights_;
};

}  // namespace

std::shared_ptr<Source> with_class_weights(std::shared_ptr<Source> source,
                                           std::map<std::int64_t, double> weights,
                                           std::shared_ptr<ClassUse> use) {
  return std::make_shared<ClassWeightedSource>(std::move(source), std::move(weights),
                                               std::move(use));
}

}  // namespace stoker
