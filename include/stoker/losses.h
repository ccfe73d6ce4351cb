// Losses, with Keras 3's names, defaults and formulas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stoker/several.h"

namespace stoker {

class Config;
class Value;

namespace losses {
class LossBase;
}

// A handle of a loss; copies share the loss. Strings work where a Loss is taken, as in Keras:
// "sparse_categorical_crossentropy", "mean_squared_error" or "mse", "huber".
class Loss {
 public:
  Loss() = default;  // no loss
  Loss(std::nullptr_t) {}
  Loss(const char* name);
  Loss(const std::string& name);
  explicit Loss(std::shared_ptr<const losses::LossBase> base) : base_(std::move(base)) {}
  const std::shared_ptr<const losses::LossBase>& base() const { return base_; }
  explicit operator bool() const { return base_ != nullptr; }

  // The loss of tensors of a step that is being made, weighted and reduced to shape (): for layers
  // and training steps of the user's own (stoker/custom.h). Throws ShapeError where they don't fit,
  // and ValueError for values of the functional API.
  //   Value loss = BinaryCrossentropy({.from_logits = true})(labels, discriminator(images));
  Value operator()(const Value& y_true, const Value& y_pred) const;
  Value operator()(const Value& y_true, const Value& y_pred, const Value& sample_weight) const;

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
// compile), "mean" or "mean_with_sample_weight", as in Keras. `name` is the loss's own name, for
// messages and for Keras's files; where it is empty, it is the class's, such as "huber_loss".
struct LossOptions {
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct SparseCategoricalCrossentropyOptions {
  bool from_logits = false;
  std::optional<std::int64_t> ignore_class{};
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct CategoricalCrossentropyOptions {
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::int64_t axis = -1;  // The axis of the classes.
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct BinaryCrossentropyOptions {
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::int64_t axis = -1;  // The axis over which the mean is taken.
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct BinaryFocalCrossentropyOptions {
  bool apply_class_balancing = false;
  double alpha = 0.25;  // The weight of class 1, and 1 - alpha that of class 0.
  double gamma = 2.0;
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::int64_t axis = -1;
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct CategoricalFocalCrossentropyOptions {
  double alpha = 0.25;
  double gamma = 2.0;
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::int64_t axis = -1;
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct CosineSimilarityOptions {
  std::int64_t axis = -1;
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct HuberOptions {
  double delta = 1.0;  // Errors beyond it count by their magnitude, smaller ones by their square.
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct CircleOptions {
  double gamma = 80.0;          // The scale of the similarities.
  double margin = 0.4;          // How far from 0 and 1 similarities may end.
  bool remove_diagonal = true;  // Whether an embedding is no pair with itself.
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};
struct DiceOptions {
  std::string reduction = "sum_over_batch_size";
  std::string name{};
  std::optional<std::vector<std::int64_t>> axis{};  // All axes where it is empty.
};
struct TverskyOptions {
  double alpha = 0.5;  // The weight of labels that were not predicted.
  double beta = 0.5;   // The weight of predictions without a label.
  std::string reduction = "sum_over_batch_size";
  std::string name{};
  std::optional<std::vector<std::int64_t>> axis{};
};
struct CategoricalGeneralizedCrossEntropyOptions {
  double q = 0.5;  // In (0, 1): near 0 it is the cross-entropy, near 1 the absolute error.
  std::string reduction = "sum_over_batch_size";
  std::string name{};
};

// Labels are int32 (batch, ...) or (batch, ..., 1), predictions (batch, ..., classes).
Loss SparseCategoricalCrossentropy(SparseCategoricalCrossentropyOptions options = {});
// Zhang and Sabuncu, 2018: (1 - p^q) / q of the probability p of the class that a label numbers.
Loss CategoricalGeneralizedCrossEntropy(CategoricalGeneralizedCrossEntropyOptions options = {});
// Labels are class numbers of embeddings (batch, features), which should have length 1
// (UnitNormalization): those of one class shall be similar, and those of two not. The mean is over
// the embeddings whose loss is not 0.
Loss Circle(CircleOptions options = {});
// Labels have the predictions' shape, one-hot or soft.
Loss CategoricalCrossentropy(CategoricalCrossentropyOptions options = {});
Loss CategoricalFocalCrossentropy(CategoricalFocalCrossentropyOptions options = {});
Loss CategoricalHinge(LossOptions options = {});
Loss KLDivergence(LossOptions options = {});
// Labels have the predictions' shape, with values from 0 to 1.
Loss BinaryCrossentropy(BinaryCrossentropyOptions options = {});
Loss BinaryFocalCrossentropy(BinaryFocalCrossentropyOptions options = {});
// These compare regions, of pictures for example. Without an axis the batch has one value.
Loss Dice(DiceOptions options = {});
Loss Tversky(TverskyOptions options = {});
// Labels are -1 and 1; where all labels of a batch are 0 and 1, they stand for these.
Loss Hinge(LossOptions options = {});
Loss SquaredHinge(LossOptions options = {});
// Labels are numbers in the predictions' shape.
Loss MeanSquaredError(LossOptions options = {});
Loss MeanAbsoluteError(LossOptions options = {});
Loss MeanAbsolutePercentageError(LossOptions options = {});
Loss MeanSquaredLogarithmicError(LossOptions options = {});
Loss Huber(HuberOptions options = {});
Loss LogCosh(LossOptions options = {});
Loss Poisson(LossOptions options = {});
// From -1, the same direction, to 1, the opposite one.
Loss CosineSimilarity(CosineSimilarityOptions options = {});

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
