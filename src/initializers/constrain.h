// What a constraint makes of a weight.
#pragma once

#include <string>

#include "ops/ops.h"
#include "stoker/constraints.h"
#include "stoker/shape.h"

namespace stoker {

// Throws ShapeError, which begins with `place`, unless a weight of this shape has the axes of the
// constraint.
void require_axes(const Constraint& constraint, const Shape& shape, const std::string& place);

// Returns what the weight is multiplied with: a factor for each of its vectors, or for each
// element.
graph::Value constraint_factor(const Constraint& constraint, graph::Value weight);

}  // namespace stoker
