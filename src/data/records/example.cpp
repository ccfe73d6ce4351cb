#include "data/records/example.h"

#include <cstring>
#include <optional>
#include <string_view>

#include "core/format.h"
#include "io/protobuf.h"
#include "stoker/error.h"

namespace stoker::data {
namespace {

using io::ProtoField;
using io::ProtoReader;

// The numbers of fields.
constexpr std::uint32_t kFeatures = 1;  // of an Example
constexpr std::uint32_t kEntry = 1;     // of Features, which are a map
constexpr std::uint32_t kKey = 1;
constexpr std::uint32_t kValue = 2;
constexpr std::uint32_t kBytesList = 1;  // of a Feature
constexpr std::uint32_t kFloatList = 2;
constexpr std::uint32_t kInt64List = 3;
constexpr std::uint32_t kItem = 1;  // of a list

bool is_bytes(const ProtoField& field, std::uint32_t number) {
  return field.number == number && field.kind == ProtoField::Kind::bytes;
}

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

// Finds the wanted features in a message. A key that stands twice has the value of the last, as
// protocol buffers have it.
void find(std::string_view message, std::span<const WantedFeature> wanted,
          std::vector<std::optional<std::string_view>>& found) {
  found.assign(wanted.size(), std::nullopt);
  ProtoReader example(message);
  while (const auto features = example.next()) {
    if (!is_bytes(*features, kFeatures)) continue;
    ProtoReader entries(features->bytes);
    while (const auto entry = entries.next()) {
      if (!is_bytes(*entry, kEntry)) continue;
      std::string_view key, value;
      ProtoReader parts(entry->bytes);
      while (const auto part = parts.next()) {
        if (is_bytes(*part, kKey)) key = part->bytes;
        if (is_bytes(*part, kValue)) value = part->bytes;
      }
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (key == wanted[i].name) found[i] = value;
      }
    }
  }
}

void put_float_list(std::string_view list, const WantedFeature& feature,
                    const ComponentMemory& to) {
  thread_local std::vector<float> values;
  values.clear();
  ProtoReader items(list);
  while (const auto item = items.next()) {
    if (item->number != kItem) continue;
    if (item->kind == ProtoField::Kind::fixed32) {
      values.push_back(item->as_float());
      continue;
    }
    if (item->kind != ProtoField::Kind::bytes || item->bytes.size() % sizeof(float) != 0) {
      throw IoError(format(feature.name, ": expected floats in its float_list"));
    }
    // Nearly all messages have one field of packed numbers, which needs no copy on the way.
    const Declared& declared = feature.declared;
    if (values.empty() && declared.dtype == DType::float32 &&
        item->bytes.size() + 16 > list.size() &&
        item->bytes.data() + item->bytes.size() == list.data() + list.size()) {
      return put_raw(feature.name, bytes_of(item->bytes), declared, to);
    }
    const std::size_t before = values.size();
    values.resize(before + item->bytes.size() / sizeof(float));
    if (!item->bytes.empty()) {
      std::memcpy(values.data() + before, item->bytes.data(), item->bytes.size());
    }
  }
  put_floats(feature.name, values, feature.declared, to);
}

void put_int64_list(std::string_view list, const WantedFeature& feature,
                    const ComponentMemory& to) {
  thread_local std::vector<std::int64_t> values;
  values.clear();
  ProtoReader items(list);
  while (const auto item = items.next()) {
    if (item->number != kItem) continue;
    if (item->kind == ProtoField::Kind::varint) {
      values.push_back(item->integer());
      continue;
    }
    if (item->kind != ProtoField::Kind::bytes) {
      throw IoError(format(feature.name, ": expected integers in its int64_list"));
    }
    ProtoReader packed(item->bytes);
    while (const auto value = packed.next_varint()) {
      values.push_back(static_cast<std::int64_t>(*value));
    }
  }
  put_integers(feature.name, values, feature.declared, to);
}

void put_bytes_list(std::string_view list, const WantedFeature& feature, const ImageLimits& limits,
                    const ComponentMemory& to) {
  std::optional<std::string_view> value;
  ProtoReader items(list);
  while (const auto item = items.next()) {
    if (!is_bytes(*item, kItem)) continue;
    if (value) {
      throw IoError(
          format(feature.name, ": expected one value in its bytes_list, received several"));
    }
    value = item->bytes;
  }
  if (!value) throw IoError(format(feature.name, ": expected a value in its bytes_list"));
  if (feature.is_image) {
    put_image(feature.name, bytes_of(*value), feature.declared, limits, to);
  } else {
    put_raw(feature.name, bytes_of(*value), feature.declared, to);
  }
}

}  // namespace

void put_example(Bytes message, std::span<const WantedFeature> wanted, const ImageLimits& limits,
                 detail::Components to) {
  thread_local std::vector<std::optional<std::string_view>> found;
  find({reinterpret_cast<const char*>(message.data()), message.size()}, wanted, found);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const WantedFeature& feature = wanted[i];
    if (!found[i]) {
      throw IoError(
          format("expected a feature \"", feature.name, "\", received none of that name"));
    }
    ProtoReader kinds(*found[i]);
    bool is_put = false;
    while (const auto list = kinds.next()) {
      if (list->kind != ProtoField::Kind::bytes || is_put) continue;
      is_put = true;
      if (list->number == kBytesList) {
        put_bytes_list(list->bytes, feature, limits, to[i]);
      } else if (feature.is_image) {
        throw IoError(format(feature.name, ": expected the bytes of an image, received numbers"));
      } else if (list->number == kFloatList) {
        put_float_list(list->bytes, feature, to[i]);
      } else if (list->number == kInt64List) {
        put_int64_list(list->bytes, feature, to[i]);
      } else {
        is_put = false;
      }
    }
    if (!is_put) throw IoError(format(feature.name, ": expected a list of values, received none"));
  }
}

}  // namespace stoker::data
