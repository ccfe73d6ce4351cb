// What a bench says of a training.
#pragma once

#include "stoker/bench.h"

namespace stoker::train {

Diagnosis diagnosis_of(FeedBench bench);

}  // namespace stoker::train
