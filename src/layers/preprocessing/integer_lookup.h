// How an IntegerLookup learns from data that comes in batches.
#pragma once

#include <functional>
#include <optional>

#include "layers/preprocessing/normalization.h"

namespace stoker::layers {

// Has an IntegerLookup learn the vocabulary of all batches, in which a sample is a document.
// Returns false, and does nothing, for another layer.
bool adapt_lookup(const Layer& layer, const std::function<std::optional<DataBatch>()>& next);

}  // namespace stoker::layers
