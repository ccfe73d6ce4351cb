// Fills a weight with its first values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "stoker/initializers.h"
#include "stoker/shape.h"

namespace stoker::initializers {

// The numbers of inputs and outputs that an element of a weight connects, as Keras counts them. A
// kernel is (..., in, out), and the extents before those are its receptive field.
struct Fans {
  double in = 1.0;
  double out = 1.0;
};
Fans fans_of(const Shape& shape);

// The random numbers are keyed by the initializer's own seed, or by `seed` where it has none, and
// by `stream`. Without `fans` the shape tells them.
void initialize(std::span<float> values, const Shape& shape, const Initializer& initializer,
                std::uint64_t seed, std::uint32_t stream, const std::optional<Fans>& fans = {});

}  // namespace stoker::initializers
