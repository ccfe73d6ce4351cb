// The part of typed generators that does not depend on their types: the spec, and errors.
#include "stoker/generator.h"

#include <chrono>

#include "core/format.h"
#include "data/fields.h"
#include "stoker/error.h"

namespace stoker {
namespace {

// A rank of 0 means "not given".
std::vector<Shape> one_or_several(const char* one_name, const Shape& one, const char* several_name,
                                  const std::vector<Shape>& several) {
  if (one.rank() == 0) return several;
  if (!several.empty()) {
    throw ValueError(format("generator: expected ", one_name, " or ", several_name,
                            ", received both. Put every shape into ", several_name, "."));
  }
  return {one};
}

void check_shape(const Field& field, const Field& first) {
  const Shape& shape = field.shape;
  if (shape.rank() == 0 || shape.elements() <= 0) {
    throw ShapeError(format("generator: expected a shape for ", field.name,
                            " with the batch size first and every extent known and above 0, "
                            "received ",
                            shape));
  }
  if (shape[0] != first.shape[0]) {
    throw ShapeError(format("generator: expected one batch size for all fields, received ",
                            first.name, " ", first.shape, " and ", field.name, " ", shape));
  }
}

}  // namespace

namespace detail {

BatchSpec make_spec(const BatchShapes& shapes, std::span<const DType> types) {
  BatchSpec spec;
  spec.inputs = data::name_fields("x", one_or_several("x", shapes.x, "inputs", shapes.inputs));
  spec.targets = data::name_fields("y", one_or_several("y", shapes.y, "targets", shapes.targets));
  spec.sample_weights =
      data::name_fields("sample_weight", one_or_several("sample_weight", shapes.sample_weight,
                                                        "sample_weights", shapes.sample_weights));
  if (spec.inputs.empty()) {
    throw ValueError("generator: expected a shape for x, or several in inputs, received none");
  }
  if (spec.field_count() != types.size()) {
    std::string names;
    for (std::size_t i = 0; i < spec.field_count(); ++i) {
      names += (i == 0 ? "" : ", ") + spec.field(i).name;
    }
    throw ValueError(format("generator: expected one element type for each shape, received ",
                            types.size(), types.size() == 1 ? " type" : " types", " for ",
                            spec.field_count(), " shapes (", names, ")"));
  }
  std::size_t i = 0;
  for (Field& field : spec.inputs) field.dtype = types[i++];
  for (Field& field : spec.targets) field.dtype = types[i++];
  for (Field& field : spec.sample_weights) field.dtype = types[i++];
  for (i = 0; i < types.size(); ++i) check_shape(spec.field(i), spec.inputs[0]);
  data::check_sample_weights("generator", spec);
  return spec;
}

BatchShapes shapes_of(const BatchSpec& spec) {
  BatchShapes shapes;
  for (const Field& field : spec.inputs) shapes.inputs.push_back(field.shape);
  for (const Field& field : spec.targets) shapes.targets.push_back(field.shape);
  for (const Field& field : spec.sample_weights) shapes.sample_weights.push_back(field.shape);
  return shapes;
}

void throw_no_slot_type() {
  throw DTypeError(
      "generator: expected fields of float, int32_t, uint8_t, bfloat16 or float16, received one "
      "that no slot holds. Wrap the source: cast<float>(source)");
}

void throw_no_source(const char* where) {
  throw ValueError(format(where, ": expected a source of batches, received a handle without one. ",
                          "A handle that was moved from has none"));
}

namespace {
std::int64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}
}  // namespace

Conversion::Conversion(BatchContext& batch) : batch_(batch), begin_ns_(now_ns()) {}
Conversion::~Conversion() { batch_.converted_ns += now_ns() - begin_ns_; }

void throw_cast_on_device() {
  throw ValueError(
      "cast: expected batches that pass through the host's memory, received a source that makes "
      "them in the device's, where nothing converts them. Let it write float, int32_t, uint8_t, "
      "bfloat16 or float16");
}

void throw_out_of_range(const std::string& value, DType to) {
  throw DataError(
      format("cast: expected numbers that ", to, " holds, received ", value, " from the source"));
}

}  // namespace detail
}  // namespace stoker
