#include "support/event_reader.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "io/protobuf.h"

namespace stoker::test {
namespace {

using io::ProtoField;
using io::ProtoReader;

// CRC-32C bit by bit, with the reflected polynomial 0x82f63b78, and TFRecord's mask.
std::uint32_t masked_crc(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

template <class T>
T number_at(std::string_view bytes, std::size_t at) {
  if (bytes.size() < at + sizeof(T)) {
    throw std::runtime_error("a record that ends too early, at byte " + std::to_string(at));
  }
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

void read_shape(std::string_view bytes, Event& event) {
  ProtoReader shape(bytes);
  while (const auto dim = shape.next()) {
    std::int64_t size = 0;
    ProtoReader fields(dim->bytes);
    while (const auto field = fields.next()) size = field->integer();
    event.shape.push_back(size);
  }
}

void read_tensor(std::string_view bytes, Event& event) {
  ProtoReader tensor(bytes);
  while (const auto field = tensor.next()) {
    switch (field->number) {
      case 1:
        event.dtype = field->integer();
        break;
      case 2:
        read_shape(field->bytes, event);
        break;
      case 4:
        for (std::size_t at = 0; at < field->bytes.size(); at += sizeof(double)) {
          event.numbers.push_back(number_at<double>(field->bytes, at));
        }
        break;
      case 5:
        event.numbers.push_back(field->as_float());
        break;
      case 8:
        event.strings.emplace_back(field->bytes);
        break;
      default:
        throw std::runtime_error("a field of a tensor that is not known");
    }
  }
}

void read_metadata(std::string_view bytes, Event& event) {
  ProtoReader metadata(bytes);
  while (const auto field = metadata.next()) {
    if (field->number == 4) event.data_class = field->integer();
    if (field->number != 1) continue;
    ProtoReader plugin(field->bytes);
    while (const auto part = plugin.next()) {
      (part->number == 1 ? event.plugin : event.plugin_content) = part->bytes;
    }
  }
}

Event read_event(std::string_view bytes) {
  Event event;
  ProtoReader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->number == 1) event.wall_time = field->as_double();
    if (field->number == 2) event.step = field->integer();
    if (field->number == 3) event.version = field->bytes;
    if (field->number != 5) continue;
    ProtoReader summary(field->bytes);
    while (const auto value = summary.next()) {
      ProtoReader parts(value->bytes);
      while (const auto part = parts.next()) {
        if (part->number == 1) event.tag = part->bytes;
        if (part->number == 8) read_tensor(part->bytes, event);
        if (part->number == 9) read_metadata(part->bytes, event);
      }
    }
  }
  return event;
}

}  // namespace

std::vector<Event> read_event_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  const std::string_view bytes = all;
  std::vector<Event> events;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto check = [&](std::string_view part, std::size_t crc) {
      if (number_at<std::uint32_t>(bytes, crc) == masked_crc(part)) return;
      throw std::runtime_error("a wrong checksum at byte " + std::to_string(crc));
    };
    const auto size = static_cast<std::size_t>(number_at<std::uint64_t>(bytes, at));
    check(bytes.substr(at, 8), at + 8);
    const std::string_view record = bytes.substr(at + 12, size);
    check(record, at + 12 + size);
    events.push_back(read_event(record));
    at += size + 16;
  }
  return events;
}

std::vector<std::filesystem::path> event_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::vector<Event> read_events(const std::filesystem::path& folder) {
  std::vector<Event> events;
  for (const auto& file : event_files(folder)) {
    std::vector<Event> of_file = read_event_file(file);
    if (of_file.empty() || of_file[0].version != "brain.Event:2") {
      throw std::runtime_error(file.string() + " does not begin with its version");
    }
    events.insert(events.end(), of_file.begin() + 1, of_file.end());
  }
  return events;
}

std::vector<std::pair<std::int64_t, double>> scalars_of(const std::vector<Event>& events,
                                                        const std::string& tag) {
  std::vector<std::pair<std::int64_t, double>> values;
  for (const Event& event : events) {
    if (event.tag == tag) values.emplace_back(event.step, event.numbers.at(0));
  }
  return values;
}

std::map<std::string, int> tags_of(const std::vector<Event>& events) {
  std::map<std::string, int> tags;
  for (const Event& event : events) ++tags[event.tag];
  return tags;
}

}  // namespace stoker::test
