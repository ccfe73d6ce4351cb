// What a classifier mistakes for what on validation data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/page.h"
#include "stoker/model.h"

namespace stoker::train {

// Judges each output of the model whose loss is a cross-entropy of classes; an output of several
// truth values that exclude nothing (binary cross-entropy on more than one) is passed over. A row
// counts once for each position that has a class. Throws what feeds and predictions throw, and
// ValueError for a source that fills the device's memory itself.
std::vector<report::Classification> classify(Model& model, const Validation& validation,
                                             const std::vector<std::string>& class_names,
                                             std::int64_t worst);

}  // namespace stoker::train
