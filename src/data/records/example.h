// The features of a tf.train.Example. Source: tensorflow/core/example/example.proto and
// feature.proto.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/records/content.h"

namespace stoker::data {

struct WantedFeature {
  std::string name;
  Declared declared;
  bool is_image = false;
};

// Writes the wanted features of a message to their components. Throws an Error that names the
// feature, if there is one to name.
void put_example(Bytes message, std::span<const WantedFeature> wanted, const ImageLimits& limits,
                 detail::Components to);

}  // namespace stoker::data
