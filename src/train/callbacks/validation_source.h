// What a callback was given to validate on, as a source.
#pragma once

#include <memory>

#include "stoker/model.h"
#include "train/model_impl.h"

namespace stoker::train {

// The source borrows `arrays`, which it fills. Throws ValueError for a source that fills the
// device's memory itself, which can't be looked at.
std::shared_ptr<Source> validation_source(const Model::Impl& impl, const Validation& validation,
                                          Arrays& arrays);

}  // namespace stoker::train
