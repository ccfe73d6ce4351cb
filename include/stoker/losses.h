// Losses, with Keras 3's names, defaults and formulas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "stoker/several.h"

namespace stoker {

class Config;

namespace losses {
class LossBase;
}

// A handle of a loss; copies share the loss. Strings work where a Loss is taken:
// "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy",
// "mean_squared_error" ("mse"), "mean_absolute_error" ("mae").
class Loss {
 public:
  Loss() = default;  // no loss
  Loss(std::nullptr_t) {}
  Loss(const char* name);
  Loss(const std::string& name);
  explicit Loss(std::shared_ptr<const losses::LossBase> base) : base_(std::move(base)) {}
  const std::shared_ptr<const losses::LossBase>& base() const { return base_; }
  explicit operator bool() const { return base_ != nullptr; }

  // Returns {"class_name": "MeanSquaredError", "config": {...}, ...}, as Keras writes it; null if
  // there is no loss.
  Config config() const;

 private:
  std::shared_ptr<const losses::LossBase> base_;
};

// This is compiled in the library.
extern template class Several<Loss>;

// Makes a loss from such a map, from a name, or from null, which means no loss. Throws ValueError,
// with the place and the nearest known name, for a class, a key or a value that is not known.
Loss loss_from_config(const Config& config);

// `reduction` is "sum_over_batch_size" (the mean over all elements), "sum", "none" (only outside of
// compile), "mean" or "mean_with_sample_weight", as in Keras.
struct SparseCategoricalCrossentropyOptions {
  bool from_logits = false;
  std::optional<std::int64_t> ignore_class{};
  std::string reduction = "sum_over_batch_size";
};
struct CategoricalCrossentropyOptions {
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::string reduction = "sum_over_batch_size";
};
struct BinaryCrossentropyOptions {
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::string reduction = "sum_over_batch_size";
};
struct LossOptions {
  std::string reduction = "sum_over_batch_size";
};

// Labels are int32 (batch, ...) or (batch, ..., 1), predictions (batch, ..., classes).
Loss SparseCategoricalCrossentropy(SparseCategoricalCrossentropyOptions options = {});
// Labels have the predictions' shape, one-hot or soft.
Loss CategoricalCrossentropy(CategoricalCrossentropyOptions options = {});
// Labels have the predictions' shape, with values from 0 to 1.
Loss BinaryCrossentropy(BinaryCrossentropyOptions options = {});
Loss MeanSquaredError(LossOptions options = {});
Loss MeanAbsoluteError(LossOptions options = {});

// Keras spells the cross-entropies with a small e; others often use a capital.
inline Loss SparseCategoricalCrossEntropy(SparseCategoricalCrossentropyOptions options = {}) {
  return SparseCategoricalCrossentropy(std::move(options));
}
inline Loss CategoricalCrossEntropy(CategoricalCrossentropyOptions options = {}) {
  return CategoricalCrossentropy(std::move(options));
}
inline Loss BinaryCrossEntropy(BinaryCrossentropyOptions options = {}) {
  return BinaryCrossentropy(std::move(options));
}

}  // namespace stoker
