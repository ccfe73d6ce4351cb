// Marks a model as used for the length of a call.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "train/model_impl.h"

namespace stoker::train {

class InUse {
 public:
  // Throws ValueError while another call excludes this one (train/runtime/use.h).
  InUse(Model::Impl& model, const char* what, Access access)
      : model_(model),
        use_(model_.state.store(), {model_.name, what, &model_, &model_.state.stream()}, access),
        reads_(access == Access::read) {
    if (reads_) {
      reading_ = std::unique_lock(model_.reading);
    } else {
      outer_ = std::exchange(model_.use, &use_.use());
    }
    model_.follow_store();
    if (is_nested()) settle_outer();
  }
  ~InUse() {
    if (!reads_) model_.use = outer_;
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

  Model::Impl* operator->() const { return &model_; }
  Model::Impl& operator*() const { return model_; }
  // Whether a callback of another call on the same model makes this one.
  bool is_nested() const { return outer_ != nullptr; }

 private:
  // Throws the error that the steps of the outer call have recorded, which this one would take for
  // its own.
  void settle_outer();

  Model::Impl& model_;
  StoreUse use_;
  const bool reads_;
  Use* outer_ = nullptr;
  std::unique_lock<std::mutex> reading_;
};

// Keeps the totals of loss and metrics over a call that a callback makes within another call on the
// same model, which goes on with them afterwards.
class KeptTotals {
 public:
  explicit KeptTotals(const InUse& model) : state_(model->state) {
    if (model.is_nested() && state_.metric_bytes() > 0) totals_ = state_.read_metrics();
  }
  ~KeptTotals() {
    if (totals_.empty()) return;
    try {
      state_.write_metrics(totals_);
    } catch (const DeviceError&) {
      // The outer call meets the same error at its next step.
    }
  }
  KeptTotals(const KeptTotals&) = delete;
  KeptTotals& operator=(const KeptTotals&) = delete;

 private:
  State& state_;
  std::vector<float> totals_;
};

}  // namespace stoker::train
