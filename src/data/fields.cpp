#include "data/fields.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::data {
namespace {

bool fits(const Shape& weight, const Shape& target) {
  std::size_t rank = weight.rank();
  while (rank > 1 && weight[rank - 1] == 1) --rank;  // weights (batch, 1) count as (batch)
  if (rank > target.rank()) return false;
  for (std::size_t axis = 1; axis < rank; ++axis) {
    // An extent of 1 fits any other, in the target too.
    if (weight[axis] != target[axis] && weight[axis] != 1 && target[axis] != 1) return false;
  }
  return true;
}

}  // namespace

std::vector<Field> name_fields(const std::string& name, const std::vector<Shape>& shapes) {
  std::vector<Field> fields;
  for (const Shape& shape : shapes) {
    const std::string number = shapes.size() == 1 ? "" : std::to_string(fields.size());
    fields.push_back({name + number, DType::float32, shape});
  }
  return fields;
}

void check_sample_weights(const char* where, const BatchSpec& spec) {
  const std::size_t count = spec.sample_weights.size();
  if (count <= 1) return;
  if (count != spec.targets.size()) {
    throw ShapeError(format(where,
                            ": expected one sample weight for all targets or one for each of the ",
                            spec.targets.size(), ", received ", count));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Field& weight = spec.sample_weights[i];
    const Field& target = spec.targets[i];
    if (fits(weight.shape, target.shape)) continue;
    throw ShapeError(format(where, ": expected ", weight.name,
                            " to have the shape of its target's leading axes, ", target.name, " ",
                            target.shape, ", received ", weight.shape));
  }
}

}  // namespace stoker::data
