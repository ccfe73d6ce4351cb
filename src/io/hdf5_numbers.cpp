#include "io/hdf5_numbers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::io {
namespace {

bool is_float(DType dtype) {
  return dtype == DType::float32 || dtype == DType::bfloat16 || dtype == DType::float16;
}

template <class T>
T number_at(const std::byte* at, bool is_big_endian) {
  std::array<std::byte, sizeof(T)> bytes;
  std::memcpy(bytes.data(), at, sizeof(T));
  if (is_big_endian) std::ranges::reverse(bytes);
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

struct Conversion {
  const std::string& name;
  std::int64_t row;
  std::span<const std::byte> from;
  std::span<std::byte> to;
  bool is_big_endian;

  template <class From, class To>
  void run() const {
    const std::size_t count = to.size() / sizeof(To);
    for (std::size_t i = 0; i < count; ++i) {
      const From value = number_at<From>(from.data() + i * sizeof(From), is_big_endian);
      To result;
      if constexpr (std::is_integral_v<To>) {
        if constexpr (std::is_integral_v<From>) {
          if (!std::in_range<To>(value)) {
            throw DataError(format(name, ", row ", row, ": expected numbers that fit ",
                                   dtype_of<To>, ", received ", +value));
          }
          result = static_cast<To>(value);
        } else {
          result = To{};  // refused when the dataset was opened
        }
      } else {
        result = static_cast<To>(static_cast<float>(value));
      }
      std::memcpy(to.data() + i * sizeof(To), &result, sizeof(To));
    }
  }
  template <class From>
  void run_to(DType dtype) const {
    switch (dtype) {
      case DType::float32:
        return run<From, float>();
      case DType::int32:
        return run<From, std::int32_t>();
      case DType::uint8:
        return run<From, std::uint8_t>();
      case DType::bfloat16:
        return run<From, bfloat16>();
      case DType::float16:
        return run<From, float16>();
      default:
        throw DTypeError(format(name, ": expected a type that slots hold, received ", dtype));
    }
  }
};

}  // namespace

Hdf5Numbers::Hdf5Numbers(const std::string& name, const Hdf5Dataset& dataset, hid_t type, DType to)
    : type_(dataset.type), bytes_(dataset.element_bytes), to_(to) {
  is_big_endian_ =
      type_ != Hdf5Type::opaque_16bit && bytes_ > 1 && H5Tget_order(type) == H5T_ORDER_BE;
  is_signed_ = type_ == Hdf5Type::integer && H5Tget_sign(type) != H5T_SGN_NONE;
  if (type_ != Hdf5Type::integer && !is_float(to)) {
    throw DTypeError(format(name, ": expected integers to read as ", to,
                            ", received floats. Read them as float"));
  }
  const bool same =
      (type_ == Hdf5Type::floating &&
       ((bytes_ == 4 && to == DType::float32) || (bytes_ == 2 && to == DType::float16))) ||
      (type_ == Hdf5Type::opaque_16bit && to == DType::bfloat16) ||
      (type_ == Hdf5Type::integer && ((bytes_ == 4 && is_signed_ && to == DType::int32) ||
                                      (bytes_ == 1 && !is_signed_ && to == DType::uint8)));
  is_plain_ = same && !is_big_endian_;
}

void Hdf5Numbers::convert(const std::string& name, std::int64_t row,
                          std::span<const std::byte> from, std::span<std::byte> to) const {
  if (is_plain_) {
    std::memcpy(to.data(), from.data(), to.size());
    return;
  }
  const Conversion conversion{name, row, from, to, is_big_endian_};
  if (type_ == Hdf5Type::opaque_16bit) return conversion.run_to<bfloat16>(to_);
  if (type_ == Hdf5Type::floating) {
    if (bytes_ == 2) return conversion.run_to<float16>(to_);
    if (bytes_ == 4) return conversion.run_to<float>(to_);
    return conversion.run_to<double>(to_);
  }
  switch (bytes_) {
    case 1:
      return is_signed_ ? conversion.run_to<std::int8_t>(to_)
                        : conversion.run_to<std::uint8_t>(to_);
    case 2:
      return is_signed_ ? conversion.run_to<std::int16_t>(to_)
                        : conversion.run_to<std::uint16_t>(to_);
    case 4:
      return is_signed_ ? conversion.run_to<std::int32_t>(to_)
                        : conversion.run_to<std::uint32_t>(to_);
    default:
      return is_signed_ ? conversion.run_to<std::int64_t>(to_)
                        : conversion.run_to<std::uint64_t>(to_);
  }
}

}  // namespace stoker::io
