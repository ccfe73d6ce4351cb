#include "stoker/idx.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <future>
#include <iomanip>
#include <span>
#include <sstream>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

#include "core/foreign.h"
#include "core/format.h"
#include "data/byte_source.h"
#include "data/limits.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using data::ByteSource;

constexpr std::size_t kMaxRank = 4;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw IoError(format(path.native(), ": ", what));
}

std::string hexadecimal(std::span<const std::byte> bytes) {
  std::ostringstream out;
  out << std::hex << std::setfill('0');
  for (const std::byte byte : bytes) out << std::setw(2) << std::to_integer<unsigned>(byte) << ' ';
  std::string text = out.str();
  if (!text.empty()) text.pop_back();
  return text;
}

void read_header(ByteSource& source, const std::filesystem::path& path,
                 std::span<std::byte> header) {
  const std::size_t received = source.read(header);
  if (received < header.size()) {
    fail(path, format("expected ", header.size(), " more bytes of an IDX header, received ",
                      received, " (truncated)"));
  }
}

DType dtype_of_code(std::byte code, const std::filesystem::path& path) {
  const char* name = nullptr;
  switch (std::to_integer<unsigned>(code)) {
    case 0x08:
      return DType::uint8;
    case 0x0c:
      return DType::int32;
    case 0x0d:
      return DType::float32;
    case 0x09:
      name = "int8";
      break;
    case 0x0b:
      name = "int16";
      break;
    case 0x0e:
      name = "float64";
      break;
    default:
      fail(path, format("expected an IDX element type of 08, 0c or 0d, received ",
                        hexadecimal(std::span(&code, 1))));
  }
  throw DTypeError(
      format(path.native(), ": expected elements of uint8, int32 or float32, received ", name));
}

// Reads the extents, which are big-endian, and checks what can be checked with the header alone.
Shape read_shape(ByteSource& source, const std::filesystem::path& path, std::size_t rank,
                 std::size_t width, const ReadLimits& limits) {
  std::array<std::byte, 4 * kMaxRank> header{};
  const auto extents = std::span(header).first(4 * rank);
  read_header(source, path, extents);
  Shape shape;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::uint32_t extent = 0;
    for (const std::byte byte : extents.subspan(4 * axis, 4)) {
      extent = (extent << 8) | std::to_integer<std::uint32_t>(byte);
    }
    shape.push_back(extent);
  }
  // The check before each product keeps all of them below 2^62.
  const std::uint64_t most = std::min(limits.max_bytes, std::uint64_t{1} << 62);
  const bool is_empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  std::uint64_t bytes = is_empty ? 0 : width;
  for (const std::int64_t extent : shape) {
    if (bytes > most / std::max<std::uint64_t>(1, static_cast<std::uint64_t>(extent))) {
      fail(path, format("expected at most ", data::bytes_text(most),
                        " bytes of elements, received the shape ", shape));
    }
    bytes *= static_cast<std::uint64_t>(extent);
  }
  return shape;
}

// Checks that the file can hold what its header claims; a plain file must have exactly that size.
void check_size(const ByteSource& source, const std::filesystem::path& path, const Shape& shape,
                std::size_t width) {
  const std::uint64_t header = 4 + 4 * shape.rank();
  const std::uint64_t expected =
      header + static_cast<std::uint64_t>(shape.elements()) * std::uint64_t{width};
  const std::uint64_t most = source.max_bytes();
  if (expected > most) {
    fail(path, format("expected ", expected, " bytes for the shape ", shape, " in its header, ",
                      "received ", source.is_gzip() ? "a gzip file that can hold at most " : "",
                      most, " (truncated)"));
  }
  if (!source.is_gzip() && expected < most) {
    fail(path, format("expected ", expected, " bytes for the shape ", shape,
                      " in its header, received ", most, " (trailing bytes)"));
  }
}

void from_big_endian(std::span<std::byte> bytes, std::size_t width) {
  if (width == 1 || std::endian::native == std::endian::big) return;
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    std::uint32_t word;
    std::memcpy(&word, &bytes[i], 4);
    word = __builtin_bswap32(word);
    std::memcpy(&bytes[i], &word, 4);
  }
}

// Finds `name` or `name`.gz in `directory`, or the same with a dot before "idx", as in the names
// inside of the archives.
std::filesystem::path find(const std::filesystem::path& directory, const std::string& name) {
  std::string dotted = name;
  dotted[dotted.rfind("-idx")] = '.';
  for (const std::string& one : {name, dotted}) {
    for (const char* suffix : {"", ".gz"}) {
      std::filesystem::path path = directory / (one + suffix);
      std::error_code ignored;
      if (std::filesystem::exists(path, ignored)) return path;
    }
  }
  throw IoError(format("No IDX data set in ", directory.native(), ": expected ", name, " or ", name,
                       ".gz there. Pass the directory that holds the four files (--data DIR in ",
                       "the examples); Fashion-MNIST: apt-get install dataset-fashion-mnist"));
}

std::pair<Tensor, Tensor> load_half(const std::filesystem::path& images_path,
                                    const std::filesystem::path& labels_path,
                                    const ReadLimits& limits) {
  const Tensor labels = read_idx(labels_path, limits);
  if (labels.shape().rank() != 1 || labels.dtype() != DType::uint8) {
    fail(labels_path, format("expected labels of shape (N,) and uint8, received ", labels.shape(),
                             " of ", labels.dtype()));
  }
  Tensor images = read_idx(images_path, limits);
  if (images.shape().rank() != 3 || images.dtype() != DType::uint8 || images.empty()) {
    fail(images_path, format("expected images of shape (N, height, width) and uint8, received ",
                             images.shape(), " of ", images.dtype()));
  }
  if (images.shape()[0] != labels.size()) {
    fail(labels_path, format("expected ", images.shape()[0], " labels as there are images in ",
                             images_path.native(), ", received ", labels.size()));
  }
  Shape with_channel = images.shape();
  with_channel.push_back(1);
  Tensor classes(labels.shape(), DType::int32);
  std::ranges::copy(labels.data<std::uint8_t>(), classes.data<std::int32_t>().begin());
  return {std::move(images).reshaped(with_channel), std::move(classes)};
}

Tensor read(const std::filesystem::path& path, const ReadLimits& limits) {
  ByteSource source(path);
  const data::MemoryLimit limit(path.native(), limits, source.file_bytes());
  std::array<std::byte, 4> magic{};
  read_header(source, path, magic);
  if (magic[0] != std::byte{0} || magic[1] != std::byte{0}) {
    fail(path,
         format("expected an IDX file, which starts with 00 00, received ", hexadecimal(magic)));
  }
  const DType dtype = dtype_of_code(magic[2], path);
  const auto rank = std::to_integer<std::size_t>(magic[3]);
  if (rank < 1 || rank > kMaxRank) {
    fail(path, format("expected an IDX rank of 1 to ", kMaxRank, ", received ", rank));
  }
  const Shape shape = read_shape(source, path, rank, size_of(dtype), limits);
  check_size(source, path, shape, size_of(dtype));
  limit.check(static_cast<std::uint64_t>(shape.elements()) * size_of(dtype));

  Tensor tensor(shape, dtype);
  const std::span<std::byte> bytes(static_cast<std::byte*>(tensor.raw()), tensor.bytes());
  const std::size_t received = source.read(bytes);
  if (received < bytes.size()) {
    fail(path, format("expected ", bytes.size(), " bytes of elements for the shape ", shape,
                      ", received ", received, " (truncated)"));
  }
  // There must not be one byte more, and asking for it makes zlib verify the checksum.
  std::byte extra{};
  if (source.read(std::span(&extra, 1)) != 0) {
    fail(path, format("expected ", bytes.size(), " bytes of elements for the shape ", shape,
                      ", received more (trailing bytes)"));
  }
  from_big_endian(bytes, size_of(dtype));
  return tensor;
}

}  // namespace

Tensor read_idx(const std::string& path, const ReadLimits& limits) {
  return with_own_errors(path, [&] { return read(path, limits); });
}

namespace {

ImageDataset load(const std::filesystem::path& directory, const ReadLimits& limits) {
  const auto train_images = find(directory, "train-images-idx3-ubyte");
  const auto train_labels = find(directory, "train-labels-idx1-ubyte");
  const auto test_images = find(directory, "t10k-images-idx3-ubyte");
  const auto test_labels = find(directory, "t10k-labels-idx1-ubyte");
  const auto load_test = [&] { return load_half(test_images, test_labels, limits); };
  std::future<std::pair<Tensor, Tensor>> test;
  try {
    test = std::async(std::launch::async, load_test);
  } catch (const std::system_error&) {  // the system has no more threads
    test = std::async(std::launch::deferred, load_test);
  }
  ImageDataset dataset;
  std::tie(dataset.train_images, dataset.train_labels) =
      load_half(train_images, train_labels, limits);
  std::tie(dataset.test_images, dataset.test_labels) = test.get();
  if (dataset.train_images.shape().without_batch() != dataset.test_images.shape().without_batch()) {
    fail(test_images, format("expected images of the training set's size, ",
                             dataset.train_images.shape().without_batch(), ", received ",
                             dataset.test_images.shape().without_batch()));
  }
  return dataset;
}

}  // namespace

ImageDataset load_idx_images(const std::string& folder, const ReadLimits& limits) {
  return with_own_errors(folder, [&] { return load(folder, limits); });
}

ImageDataset load_fashion_mnist(const std::string& directory, const ReadLimits& limits) {
  ImageDataset dataset = load_idx_images(directory, limits);
  dataset.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                         "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  return dataset;
}

}  // namespace stoker
