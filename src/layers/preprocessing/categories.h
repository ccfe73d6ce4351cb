// What layers of categories share.
#pragma once

#include <string>

#include "layers/layer.h"

namespace stoker::layers {

// Whole numbers (batch, ..) as rows of `depth` categories: a row for each number ("one_hot"), or
// for the numbers along the last axis together, with 1 where one is among them ("multi_hot") or
// with how often it is ("count").
graph::Value encoded(graph::Value numbers, const std::string& mode, std::int64_t depth);
// Numbers rounded down, as int32.
graph::Value as_whole(graph::Value x);
// Throws ValueError for a mode that is not one of these.
void require_mode(const LayerBase& layer, const std::string& mode, bool allow_int);

}  // namespace stoker::layers
