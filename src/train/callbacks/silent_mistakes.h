// Warnings of mistakes that fail nowhere and cost people days.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "data/class_weights.h"
#include "stoker/callback.h"

namespace stoker::train {

// Tells that the second epoch of a new model ended with the very loss of the first: nothing is
// learned where gradients are 0 (units that are all silent, a learning rate of 0, no trainable
// weight).
class ConstantLoss final : public Callback {
 public:
  explicit ConstantLoss(bool is_new) : is_new_(is_new) {}

  void on_epoch_end(std::int64_t epoch, Logs& logs) override;

 private:
  const bool is_new_;  // Whether the model was never trained before.
  std::optional<double> first_;
};

// Tells after the first epoch that class weights were given for classes that no label was, and that
// labels were no class numbers.
class UnusedClassWeights final : public Callback {
 public:
  // `use` is null where there are no class weights.
  explicit UnusedClassWeights(std::shared_ptr<const ClassUse> use) : use_(std::move(use)) {}

  void on_epoch_end(std::int64_t epoch, Logs& logs) override;

 private:
  std::shared_ptr<const ClassUse> use_;  // Null as soon as it was looked at.
};

}  // namespace stoker::train
