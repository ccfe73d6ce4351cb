// Class weights as sample weights: a source around another one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "stoker/source.h"

namespace stoker {

// The same batches with a sample weight for each row, by the class of its label: an int32 label
// (batch) or (batch, 1), or the largest of a row of floats (batch, classes). Classes that are not
// in the map weigh 1, as in Keras. Throws ValueError when the source has sample weights already,
// or no such labels.
std::shared_ptr<Source> with_class_weights(std::shared_ptr<Source> source,
                                           std::map<std::int64_t, double> weights);

}  // namespace stoker
