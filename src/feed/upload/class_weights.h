// Class weights for any source, also for one that makes its batches in the device's memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "stoker/source.h"

namespace stoker {

class ClassUse;

}  // namespace stoker

namespace stoker::feed {

// Returns a source of the same batches with a sample weight for each row. Throws ValueError as
// ClassWeights does. What labels show is noted in `use`, if it is given. If batches are made in the
// device's memory, their labels are copied to the host to be weighed; for each batch the host waits
// for a copy, which runs ahead of the steps.
std::shared_ptr<Source> weigh_classes(std::shared_ptr<Source> source,
                                      std::map<std::int64_t, double> weights,
                                      std::shared_ptr<ClassUse> use = nullptr);

}  // namespace stoker::feed
