// The names that sources give to the parts of a batch.
#pragma once

#include <string>
#include <vector>

#include "stoker/source.h"

namespace stoker::data {

// Fields of float32: one is called `name`, several `name`0, `name`1, ...
std::vector<Field> name_fields(const std::string& name, const std::vector<Shape>& shapes);

}  // namespace stoker::data
