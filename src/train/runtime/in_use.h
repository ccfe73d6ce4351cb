// Marks a model as used for the length of a call.
#pragma once

#include <mutex>

#include "train/model_impl.h"

namespace stoker::train {

class InUse {
 public:
  // Throws ValueError while another call excludes this one (train/runtime/use.h).
  InUse(Model::Impl& model, const char* what, Access access)
      : model_(model), use_(model_.state.store(), {model_.name, what, &model_}, access) {
    if (access == Access::read) reading_ = std::unique_lock(model_.reading);
    model_.follow_store();
  }
  Model::Impl* operator->() const { return &model_; }
  Model::Impl& operator*() const { return model_; }

 private:
  Model::Impl& model_;
  StoreUse use_;
  std::unique_lock<std::mutex> reading_;
};

}  // namespace stoker::train
