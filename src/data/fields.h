// The names that sources give to the parts of a batch, and which sample weights belong to which
// targets.
#pragma once

#include <string>
#include <vector>

#include "stoker/source.h"

namespace stoker::data {

// Makes fields of float32: one is called `name`, several `name`0, `name`1, ...
std::vector<Field> name_fields(const std::string& name, const std::vector<Shape>& shapes);

// Checks that there are no sample weights, one for all targets, or one for each; if there are
// several, each must have its target's leading axes. Throws ShapeError otherwise, with a message
// that begins with `where`. A weight that stands for all targets is checked by the loss, which
// knows more.
void check_sample_weights(const char* where, const BatchSpec& spec);

}  // namespace stoker::data
