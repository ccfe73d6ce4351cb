// The names that sources give to the parts of a batch, and which sample weights belong to which
// targets.
#pragma once

#include <string>
#include <vector>

#include "stoker/source.h"

namespace stoker::data {

// Fields of float32: one is called `name`, several `name`0, `name`1, ...
std::vector<Field> name_fields(const std::string& name, const std::vector<Shape>& shapes);

// Sample weights are none, one for all targets, or one for each; where there are several, each has
// its target's leading axes. Throws ShapeError where that is not so. One that stands for all is the
// loss's to check, which knows more. `where` begins the message.
void check_sample_weights(const char* where, const BatchSpec& spec);

}  // namespace stoker::data
