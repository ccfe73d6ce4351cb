// Prints the table of layers that Keras prints.
#pragma once

#include <iosfwd>
#include <string>

#include "train/network.h"
#include "train/step_graph.h"

namespace stoker::train {

void print_summary(std::ostream& out, const std::string& name, const Network& network,
                   const Compiled* compiled);

}  // namespace stoker::train
