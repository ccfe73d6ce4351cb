// The table of layers that Keras prints.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "train/network/network.h"
#include "train/runtime/step_graph.h"

namespace stoker::train {

struct Summary {
  struct Row {
    std::string name;
    std::string class_name;
    std::string shapes;  // "(None, 10)", with commas between several outputs
    std::int64_t parameters;
  };
  std::vector<Row> rows;
  std::int64_t trainable = 0;
  std::int64_t fixed = 0;
  std::int64_t optimizer = 0;
};
// `compiled` is null for a model that is not compiled.
Summary summary_of(const Network& network, const Compiled* compiled);

void print_summary(std::ostream& out, const std::string& name, const Network& network,
                   const Compiled* compiled);

}  // namespace stoker::train
