// Which units of a model have nothing to say: relus that are 0 for all of the validation data.
#pragma once

#include <map>
#include <string>

#include "stoker/model.h"

namespace stoker::train {

// Returns, for each layer with a relu, the share of its units (the elements of its last axis) that
// are 0 in all rows, of which a thousand or so are looked at. Throws as classify() does.
std::map<std::string, double> silent_units(Model& model, const Validation& validation);

}  // namespace stoker::train
