#include "data/records/content.h"

#include <cstring>
#include <utility>
#include <vector>

#include "core/format.h"
#include "data/image_codec.h"
#include "stoker/error.h"

namespace stoker::data {
namespace {

bool is_float(DType dtype) { return dtype != DType::int32 && dtype != DType::uint8; }

template <class T>
std::span<T> as(std::span<std::byte> bytes) {
  return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
}

template <class To>
void put_converted(const std::string& name, std::span<const std::int64_t> values,
                   std::span<To> to) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_integral_v<To>) {
      if (!std::in_range<To>(values[i])) {
        throw IoError(
            format(name, ": expected numbers that fit ", dtype_of<To>, ", received ", values[i]));
      }
    }
    if constexpr (std::is_integral_v<To> || std::is_same_v<To, float>) {
      to[i] = static_cast<To>(values[i]);
    } else {
      to[i] = static_cast<To>(static_cast<float>(values[i]));
    }
  }
}

}  // namespace

void check_declared(const char* where, const std::string& name, const Declared& declared,
                    bool is_image) {
  int unknown = 0;
  for (const std::int64_t extent : declared.shape) unknown += extent == Shape::kUnknown ? 1 : 0;
  if (is_image) {
    if (declared.shape.rank() != 3 || unknown > 0) {
      throw ShapeError(format(where, ": expected the image \"", name,
                              "\" to become (height, width, channels), received ", declared.shape));
    }
    if (declared.dtype != DType::uint8) {
      throw DTypeError(format(where, ": expected the image \"", name,
                              "\" to become uint8, received ", declared.dtype,
                              ". map() makes floats of it"));
    }
  }
  if (unknown > 1) {
    throw ValueError(format(where, ": expected at most one unknown extent of \"", name,
                            "\", received ", declared.shape));
  }
}

Shape settled_shape(const std::string& name, const Shape& declared, std::uint64_t elements) {
  Shape shape = declared;
  std::uint64_t known = 1;
  std::size_t unknown = shape.rank();
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == Shape::kUnknown) {
      unknown = axis;
    } else {
      known *= static_cast<std::uint64_t>(shape[axis]);
    }
  }
  bool fits = false;
  if (unknown == shape.rank()) {
    fits = elements == known;
  } else if (known > 0 && elements % known == 0) {
    shape[unknown] = static_cast<std::int64_t>(elements / known);
    fits = true;
  }
  if (!fits) {
    throw IoError(format(name, ": expected elements for a shape of ", declared, ", received ",
                         elements, " elements"));
  }
  return shape;
}

void put_image(const std::string& name, Bytes bytes, const Declared& declared,
               const ImageLimits& limits, const ComponentMemory& to) {
  const ImageSize size{declared.shape[0], declared.shape[1], declared.shape[2]};
  const std::span<std::byte> place = to.take(declared.shape);
  image::decode_into(bytes, name, as<std::uint8_t>(place), size, limits);
}

std::span<std::byte> take_raw(const std::string& name, std::uint64_t bytes,
                              const Declared& declared, const ComponentMemory& to) {
  const std::size_t element = size_of(declared.dtype);
  if (bytes % element != 0) {
    throw IoError(format(name, ": expected whole elements of ", declared.dtype, ", received ",
                         bytes, " bytes"));
  }
  return to.take(settled_shape(name, declared.shape, bytes / element));
}

void put_raw(const std::string& name, Bytes bytes, const Declared& declared,
             const ComponentMemory& to) {
  const std::span<std::byte> place = take_raw(name, bytes.size(), declared, to);
  if (!bytes.empty()) std::memcpy(place.data(), bytes.data(), bytes.size());
}

void put_integers(const std::string& name, std::span<const std::int64_t> values,
                  const Declared& declared, const ComponentMemory& to) {
  const std::span<std::byte> place = to.take(settled_shape(name, declared.shape, values.size()));
  switch (declared.dtype) {
    case DType::int32:
      return put_converted(name, values, as<std::int32_t>(place));
    case DType::uint8:
      return put_converted(name, values, as<std::uint8_t>(place));
    case DType::float32:
      return put_converted(name, values, as<float>(place));
    case DType::bfloat16:
      return put_converted(name, values, as<bfloat16>(place));
    default:
      return put_converted(name, values, as<float16>(place));
  }
}

void put_floats(const std::string& name, std::span<const float> values, const Declared& declared,
                const ComponentMemory& to) {
  if (!is_float(declared.dtype)) {
    throw IoError(format(name, ": expected integers for ", declared.dtype, ", received floats"));
  }
  const std::span<std::byte> place = to.take(settled_shape(name, declared.shape, values.size()));
  if (values.empty()) return;
  if (declared.dtype == DType::float32) {
    std::memcpy(place.data(), values.data(), values.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (declared.dtype == DType::bfloat16) {
      as<bfloat16>(place)[i] = static_cast<bfloat16>(values[i]);
    } else {
      as<float16>(place)[i] = static_cast<float16>(values[i]);
    }
  }
}

void put_tensor(const std::string& name, const Tensor& tensor, const Declared& declared,
                const ComponentMemory& to) {
  bool fits = tensor.shape().rank() == declared.shape.rank();
  for (std::size_t axis = 0; fits && axis < declared.shape.rank(); ++axis) {
    fits = declared.shape[axis] == Shape::kUnknown || declared.shape[axis] == tensor.shape()[axis];
  }
  if (!fits) {
    throw IoError(format(name, ": expected an array of shape ", declared.shape, ", received ",
                         tensor.shape()));
  }
  // The array's own extents are what an unknown one becomes.
  const Declared own{tensor.shape(), declared.dtype};
  if (tensor.dtype() == declared.dtype) {
    const std::span<std::byte> place = to.take(tensor.shape());
    if (!place.empty()) std::memcpy(place.data(), tensor.raw(), place.size());
  } else if (tensor.dtype() == DType::float32) {
    put_floats(name, tensor.data<float>(), own, to);
  } else if (tensor.dtype() == DType::int32 || tensor.dtype() == DType::uint8) {
    std::vector<std::int64_t> wide;
    if (tensor.dtype() == DType::int32) {
      wide.assign(tensor.data<std::int32_t>().begin(), tensor.data<std::int32_t>().end());
    } else {
      wide.assign(tensor.data<std::uint8_t>().begin(), tensor.data<std::uint8_t>().end());
    }
    put_integers(name, wide, own, to);
  } else {
    throw IoError(format(name, ": expected an array of ", declared.dtype, ", received one of ",
                         tensor.dtype()));
  }
}

}  // namespace stoker::data
