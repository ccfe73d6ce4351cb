// The library's own way to a model's inside, for callbacks and benchmarks.
#pragma once

#include "train/model_impl.h"

namespace stoker::detail {

struct ModelAccess {
  // `what` is the name of the call, for the error of a model that was moved from.
  static Model::Impl& impl(const Model& model, const char* what) { return model.impl(what); }
};

}  // namespace stoker::detail
