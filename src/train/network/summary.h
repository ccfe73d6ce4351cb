// Prints the table of layers that Keras prints.
#pragma once

#include <iosfwd>
#include <string>

#include "train/network/network.h"
#include "train/runtime/step_graph.h"

namespace stoker::train {

void print_summary(std::ostream& out, const std::string& name, const Network& network,
                   const Compiled* compiled);

}  // namespace stoker::train
