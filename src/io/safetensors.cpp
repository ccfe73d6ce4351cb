#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "stoker/config.h"
#include "stoker/error.h"

namespace stoker::io {
namespace {

static_assert(std::endian::native == std::endian::little, "the file's numbers are little-endian");

constexpr std::uint64_t kMostHeader = 100'000'000;
constexpr std::size_t kAlignment = 8;

struct Word {
  std::string_view name;
  std::uint64_t bits;
};
constexpr std::array kWords{
    Word{"BOOL", 8}, Word{"U8", 8},   Word{"I8", 8},   Word{"F8_E5M2", 8}, Word{"F8_E4M3", 8},
    Word{"I16", 16}, Word{"U16", 16}, Word{"F16", 16}, Word{"BF16", 16},   Word{"I32", 32},
    Word{"U32", 32}, Word{"F32", 32}, Word{"I64", 64}, Word{"U64", 64},    Word{"F64", 64}};

// The bytes of a tensor, whose product may not overflow.
std::uint64_t bytes_of(const std::string& name, const std::string& dtype, const Shape& shape) {
  const auto word = std::ranges::find(kWords, dtype, &Word::name);
  if (word == kWords.end()) {
    throw ValueError(format("tensor \"", name, "\" has the unknown element type \"", dtype, "\""));
  }
  std::uint64_t bytes = word->bits / 8;
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(shape[axis]), &bytes)) {
      throw ValueError(format("tensor \"", name, "\" has more bytes than can be counted"));
    }
  }
  return bytes;
}

Shape shape_of(const std::string& name, const Config& extents) {
  Shape shape;
  const Config::List& items = extents.list_items();
  if (items.size() > Shape::kMaxRank) {
    throw ValueError(
        format("tensor \"", name, "\" has ", items.size(), " axes, more than ", Shape::kMaxRank));
  }
  for (const Config& extent : items) {
    if (extent.integer() < 0) {
      throw ValueError(format("tensor \"", name, "\" has an extent of ", extent.integer()));
    }
    shape.push_back(extent.integer());
  }
  return shape;
}

std::uint64_t offset_of(const std::string& name, const Config& offset) {
  if (offset.integer() < 0) {
    throw ValueError(format("tensor \"", name, "\" lies at ", offset.integer()));
  }
  return static_cast<std::uint64_t>(offset.integer());
}

SafetensorsEntry entry_of(const std::string& name, const Config& config) {
  for (const auto& [key, value] : config.members()) {
    if (key == "dtype" || key == "shape" || key == "data_offsets") continue;
    throw ValueError(format("tensor \"", name, "\" has the unknown key \"", key, "\""));
  }
  SafetensorsEntry entry{name, config["dtype"].string(), shape_of(name, config["shape"])};
  const Config::List& offsets = config["data_offsets"].list_items();
  if (offsets.size() != 2) {
    throw ValueError(
        format("tensor \"", name, "\": expected two data_offsets, received ", offsets.size()));
  }
  entry.begin = offset_of(name, offsets[0]);
  entry.end = offset_of(name, offsets[1]);
  const std::uint64_t wanted = bytes_of(name, entry.dtype, entry.shape);
  if (entry.begin > entry.end || entry.bytes() != wanted) {
    throw ValueError(format("tensor \"", name, "\" of ", entry.dtype, " ", entry.shape, " needs ",
                            wanted, " bytes, its data_offsets are ", entry.begin, " and ",
                            entry.end));
  }
  return entry;
}

}  // namespace

const char* safetensors_dtype(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "F32";
    case DType::bfloat16:
      return "BF16";
    case DType::float16:
      return "F16";
    case DType::int32:
      return "I32";
    case DType::uint8:
      return "U8";
  }
  return "";
}

DType dtype_of_safetensors(const std::string& word) {
  for (const DType dtype :
       {DType::float32, DType::bfloat16, DType::float16, DType::int32, DType::uint8}) {
    if (word == safetensors_dtype(dtype)) return dtype;
  }
  throw ValueError(
      format("expected an element type of F32, BF16, F16, I32 or U8, received ", word));
}

const SafetensorsEntry* SafetensorsHeader::find(const std::string& name) const {
  const auto found = std::ranges::find(entries, name, &SafetensorsEntry::name);
  return found == entries.end() ? nullptr : &*found;
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes) {
  if (!json.starts_with('{')) throw ValueError("its header is no map of tensors");
  const Config config = Config::from_json(json);
  SafetensorsHeader header;
  for (const auto& [name, value] : config.members()) {
    if (name == "__metadata__") {
      for (const auto& [key, text] : value.members()) header.metadata[key] = text.string();
    } else {
      header.entries.push_back(entry_of(name, value));
    }
  }
  std::ranges::stable_sort(header.entries, {}, [](const SafetensorsEntry& entry) {
    return std::pair(entry.begin, entry.end);
  });
  std::uint64_t end = 0;
  for (const SafetensorsEntry& entry : header.entries) {
    if (entry.begin != end) {
      throw ValueError(format("tensor \"", entry.name, "\" begins at byte ", entry.begin,
                              ", where the one before it ends at ", end));
    }
    end = entry.end;
  }
  if (end != data_bytes) {
    throw ValueError(
        format("its tensors take ", end, " bytes, and ", data_bytes, " follow the header"));
  }
  return header;
}

std::string write_safetensors_header(SafetensorsHeader& header) {
  std::set<std::string_view> names{"__metadata__"};
  for (const SafetensorsEntry& entry : header.entries) {
    if (!names.insert(entry.name).second) {
      throw ValueError(format("two tensors are named \"", entry.name, "\""));
    }
  }
  Config::Map members;  // A map in which set() looks for each name would take quadratic time.
  if (!header.metadata.empty()) {
    Config metadata = Config::map();
    for (const auto& [key, text] : header.metadata) metadata.set(key, text);
    members.emplace_back("__metadata__", std::move(metadata));
  }
  std::uint64_t end = 0;
  for (SafetensorsEntry& entry : header.entries) {
    entry.begin = end;
    entry.end = end += bytes_of(entry.name, entry.dtype, entry.shape);
    Config shape = Config::list();
    for (std::size_t axis = 0; axis < entry.shape.rank(); ++axis) shape.append(entry.shape[axis]);
    members.emplace_back(entry.name,
                         Config::map({{"dtype", entry.dtype},
                                      {"shape", std::move(shape)},
                                      {"data_offsets", Config::list({entry.begin, entry.end})}}));
  }
  std::string text = Config(std::move(members)).to_json();
  // The tensors begin at a multiple of eight bytes, as the format recommends.
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  return text;
}

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : file_(path) {
  const auto refuse = [&](const std::string& what) {
    throw IoError(format(file_.path(), ": expected a safetensors file, but ", what));
  };
  std::uint64_t length = 0;
  if (file_.size() < sizeof length) refuse(format("it has ", file_.size(), " bytes"));
  file_.read(std::as_writable_bytes(std::span(&length, 1)));
  if (length > kMostHeader || length > file_.size() - sizeof length) {
    refuse(format("its header would have ", length, " bytes, and the file has ", file_.size()));
  }
  text_.resize(length);
  if (file_.read(std::as_writable_bytes(std::span(text_))) != length) refuse("it is cut off");
  try {
    header_ = parse_safetensors_header(text_, file_.size() - sizeof length - length);
  } catch (const ValueError& error) {
    refuse(error.what());
  }
}

void SafetensorsReader::read(const SafetensorsEntry& entry, std::span<std::byte> bytes,
                             std::uint64_t offset) {
  file_.seek(sizeof(std::uint64_t) + text_.size() + entry.begin + offset);
  if (file_.read(bytes) == bytes.size()) return;
  throw IoError(format(file_.path(), ": expected ", bytes.size(), " bytes of tensor \"", entry.name,
                       "\", received fewer: the file has become shorter"));
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, SafetensorsHeader header)
    : SafetensorsWriter(path, write_safetensors_header(header)) {}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::string_view header_text)
    : file_(path) {
  const auto length = static_cast<std::uint64_t>(header_text.size());
  file_.write(std::as_bytes(std::span(&length, 1)));
  file_.write(header_text);
}

}  // namespace stoker::io
