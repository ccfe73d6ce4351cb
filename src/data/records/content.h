// What the bytes of a record's part become.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "stoker/detail/records.h"
#include "stoker/tensor.h"

namespace stoker::data {

using detail::ComponentMemory;
using Bytes = std::span<const std::byte>;

// What a part of a record declares of the component that it becomes.
struct Declared {
  Shape shape;
  DType dtype = DType::float32;
};

// Checks a declaration when a source is made: at most one extent is unknown, and images have three
// known ones and are uint8. Throws ValueError, ShapeError or DTypeError, which begins with `where`
// and the part's name.
void check_declared(const char* where, const std::string& name, const Declared& declared,
                    bool is_image);

// Returns the declared shape with the unknown extent that `elements` make it have. Throws IoError,
// which begins with `name`, if they don't fit.
Shape settled_shape(const std::string& name, const Shape& declared, std::uint64_t elements);

// These write a component. All throw an Error that begins with `name`.
void put_image(const std::string& name, Bytes bytes, const Declared& declared,
               const ImageLimits& limits, const ComponentMemory& to);
// Returns the memory of a component that gets so many bytes as they are.
std::span<std::byte> take_raw(const std::string& name, std::uint64_t bytes,
                              const Declared& declared, const ComponentMemory& to);
void put_raw(const std::string& name, Bytes bytes, const Declared& declared,
             const ComponentMemory& to);
// Numbers become T by value: float or double numbers are refused as integers, and integers as
// integers that they don't fit.
void put_integers(const std::string& name, std::span<const std::int64_t> values,
                  const Declared& declared, const ComponentMemory& to);
void put_floats(const std::string& name, std::span<const float> values, const Declared& declared,
                const ComponentMemory& to);
void put_tensor(const std::string& name, const Tensor& tensor, const Declared& declared,
                const ComponentMemory& to);

}  // namespace stoker::data
