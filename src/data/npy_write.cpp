// Writes arrays and archives of them: .npy, .npz.
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "core/atomic_file.h"
#include "core/foreign.h"
#include "core/format.h"
#include "data/npy_format.h"
#include "io/zip.h"
#include "stoker/error.h"
#include "stoker/npy.h"

namespace stoker {
namespace {

using npy::Bytes;

const char* descr_of(const Tensor& tensor, const std::string& where) {
  switch (tensor.dtype()) {
    case DType::float32:
      return "<f4";
    case DType::float16:
      return "<f2";
    case DType::int32:
      return "<i4";
    case DType::uint8:
      return "|u1";
    case DType::bfloat16:
      break;
  }
  throw DTypeError(format(where, ": NumPy has no bfloat16"));
}

// Returns what stands before the elements, in version 1 of the format.
std::string header_of(const Tensor& tensor, const std::string& where) {
  std::string shape;
  for (std::size_t axis = 0; axis < tensor.shape().rank(); ++axis) {
    shape += std::to_string(tensor.shape()[axis]) + ",";
  }
  std::string text = format("{'descr': '", descr_of(tensor, where),
                            "', 'fortran_order': False, 'shape': (", shape, "), }");
  // Elements begin at a multiple of 64.
  text.append(63 - (npy::kMagic.size() + 4 + text.size()) % 64, ' ');
  text += '\n';
  std::string header(npy::kMagic);
  header += {1, 0, static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// An empty tensor may have no memory.
Bytes elements_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

// A zip archive without zip64's records has no more, and NumPy needs no empty one.
constexpr std::size_t kMostMembers = 65534;

void require_names(const std::map<std::string, Tensor>& tensors, const std::string& where) {
  if (tensors.size() > kMostMembers) {
    throw ValueError(
        format(where, ": expected at most ", kMostMembers, " tensors, received ", tensors.size()));
  }
  for (const auto& [name, tensor] : tensors) {
    constexpr std::size_t kLongestName = 60000;
    if (name.size() <= kLongestName && name.find('\0') == std::string::npos) continue;
    throw ValueError(format(where, ": expected names of at most ", kLongestName,
                            " bytes without a zero among them, received one of ", name.size()));
  }
}

}  // namespace

void write_npy(const std::string& path, const Tensor& tensor) {
  with_own_errors(path, [&] {
    const std::string header = header_of(tensor, format("write_npy: ", path));
    AtomicFile file(path);
    file.write(header);
    file.write(elements_of(tensor));
    file.commit();
  });
}

void write_npz(const std::string& path, const std::map<std::string, Tensor>& tensors) {
  with_own_errors(path, [&] {
    require_names(tensors, format("write_npz: ", path));
    AtomicFile file(path);
    io::ZipWriter zip([&](Bytes bytes) { file.write(bytes); });
    for (const auto& named : tensors) {
      const Tensor& tensor = named.second;
      const std::string header = header_of(tensor, format("write_npz: ", path, ", ", named.first));
      const auto write = [&](const io::ZipWriter::Sink& sink) {
        sink(bytes_of(header));
        sink(elements_of(tensor));
      };
      zip.member(named.first + ".npy", header.size() + tensor.bytes(), write);
    }
    zip.close();
    file.commit();
  });
}

}  // namespace stoker
