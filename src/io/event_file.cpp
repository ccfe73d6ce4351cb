#include "io/event_file.h"

#include <fcntl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "core/utf8.h"
#include "io/crc32c.h"
#include "io/protobuf.h"
#include "stoker/error.h"

namespace stoker::io {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers in records are little-endian");

// Event
constexpr std::uint32_t kWallTime = 1;
constexpr std::uint32_t kStep = 2;
constexpr std::uint32_t kFileVersion = 3;
constexpr std::uint32_t kSummary = 5;
// Summary, and Summary.Value
constexpr std::uint32_t kValue = 1;
constexpr std::uint32_t kTag = 1;
constexpr std::uint32_t kTensor = 8;
constexpr std::uint32_t kMetadata = 9;
// SummaryMetadata, and SummaryMetadata.PluginData
constexpr std::uint32_t kPluginData = 1;
constexpr std::uint32_t kDataClass = 4;
constexpr std::uint32_t kPluginName = 1;
constexpr std::uint32_t kPluginContent = 2;
// TensorProto, TensorShapeProto and its Dim
constexpr std::uint32_t kDType = 1;
constexpr std::uint32_t kTensorShape = 2;
constexpr std::uint32_t kTensorContent = 4;
constexpr std::uint32_t kFloatValue = 5;
constexpr std::uint32_t kStringValue = 8;
constexpr std::uint32_t kDim = 2;
constexpr std::uint32_t kSize = 1;
// DataType
constexpr std::int64_t kFloat = 1;
constexpr std::int64_t kDouble = 2;
constexpr std::int64_t kString = 7;
// DataClass
constexpr std::int64_t kScalarClass = 1;
constexpr std::int64_t kTensorClass = 2;
constexpr std::int64_t kBlobClass = 3;

// What has gathered in memory is written when it is as large as this.
constexpr std::size_t kMostBuffered = std::size_t{1} << 18;

ProtoWriter metadata_of(const char* plugin, std::int64_t data_class, const char* content = "") {
  ProtoWriter data;
  data.text(kPluginName, plugin);
  if (*content != '\0') data.text(kPluginContent, content);
  ProtoWriter metadata;
  metadata.message(kPluginData, data).integer(kDataClass, data_class);
  return metadata;
}

ProtoWriter tensor_of(std::int64_t dtype, std::initializer_list<std::int64_t> shape) {
  ProtoWriter extents;
  for (const std::int64_t extent : shape) {
    extents.message(kDim, ProtoWriter().integer(kSize, extent));
  }
  ProtoWriter tensor;
  tensor.integer(kDType, dtype).message(kTensorShape, extents);
  return tensor;
}

double seconds_now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  std::string host = name.data();
  std::ranges::replace(host, '/', '_');
  return host;
}

std::uint32_t masked_crc(std::string_view bytes) {
  return masked_crc32c(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

template <class T>
void append_raw(std::string& to, T value) {
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  to.append(bytes.data(), bytes.size());
}

}  // namespace

std::vector<Bucket> buckets_of(std::span<const float> values) {
  constexpr std::size_t kBuckets = 30;
  std::vector<Bucket> buckets(kBuckets);
  double low = 0.0;
  double high = 0.0;
  double count = 0.0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    low = count == 0.0 ? value : std::min<double>(low, value);
    high = count == 0.0 ? value : std::max<double>(high, value);
    ++count;
  }
  if (count == 0.0) return buckets;
  const double width = (high - low) / static_cast<double>(kBuckets);
  for (std::size_t i = 0; i < kBuckets; ++i) {
    buckets[i].left = low + width * static_cast<double>(i);
    buckets[i].right = i + 1 == kBuckets ? high : low + width * static_cast<double>(i + 1);
  }
  if (low == high) {
    buckets.back().count = count;
    return buckets;
  }
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const auto index = static_cast<std::size_t>((value - low) / width);
    ++buckets[std::min(index, kBuckets - 1)].count;
  }
  return buckets;
}

EventFile::EventFile(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw IoError(
        format("Writing ", folder.native(), ": could not make the folder: ", error.message()));
  }
  static std::atomic<std::uint64_t> files{0};
  const double now = seconds_now();
  do {
    // Readers take the files of a folder in the order of their names.
    std::array<char, 32> seconds{};
    std::array<char, 32> number{};
    std::snprintf(seconds.data(), seconds.size(), "%010lld", static_cast<long long>(now));
    std::snprintf(number.data(), number.size(), "%04llu", static_cast<unsigned long long>(files++));
    path_ = folder / format("events.out.tfevents.", seconds.data(), '.', host_name(), '.', getpid(),
                            '.', number.data(), ".v2");
    descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
  if (descriptor_ < 0) fail("create it");
  ProtoWriter event;
  event.number(kWallTime, now).text(kFileVersion, "brain.Event:2");
  add_record(event.bytes());
}

EventFile::~EventFile() {
  try {
    flush();
  } catch (const IoError&) {
  }
  close(descriptor_);
}

void EventFile::scalar(std::int64_t step, std::string_view tag, double value) {
  static const ProtoWriter metadata = metadata_of("scalars", kScalarClass);
  add_summary(step, tag, metadata,
              tensor_of(kFloat, {}).number(kFloatValue, static_cast<float>(value)));
}

void EventFile::histogram(std::int64_t step, std::string_view tag, std::span<const float> values) {
  static const ProtoWriter metadata = metadata_of("histograms", kTensorClass);
  const std::vector<Bucket> buckets = buckets_of(values);
  static_assert(sizeof(Bucket) == 3 * sizeof(double));
  const auto bytes = std::as_bytes(std::span(buckets));
  add_summary(step, tag, metadata,
              tensor_of(kDouble, {static_cast<std::int64_t>(buckets.size()), 3})
                  .begin_bytes(kTensorContent, bytes.size())
                  .raw(bytes));
}

void EventFile::images(std::int64_t step, std::string_view tag, std::int64_t width,
                       std::int64_t height, std::span<const std::string> pngs) {
  static const ProtoWriter metadata = metadata_of("images", kBlobClass);
  ProtoWriter tensor = tensor_of(kString, {static_cast<std::int64_t>(pngs.size()) + 2});
  tensor.text(kStringValue, format(width)).text(kStringValue, format(height));
  for (const std::string& png : pngs) tensor.text(kStringValue, png);
  add_summary(step, tag, metadata, tensor);
}

void EventFile::text(std::int64_t step, std::string_view tag, std::string_view markdown) {
  static const ProtoWriter metadata = metadata_of("text", kTensorClass);
  add_summary(step, tag, metadata, tensor_of(kString, {}).text(kStringValue, valid_utf8(markdown)));
}

// Of version 1, as Keras writes it.
void EventFile::keras_model(std::int64_t step, std::string_view tag, std::string_view json) {
  static const ProtoWriter metadata = metadata_of("graph_keras_model", kBlobClass, "1");
  add_summary(step, tag, metadata, tensor_of(kString, {1}).text(kStringValue, valid_utf8(json)));
}

void EventFile::add_summary(std::int64_t step, std::string_view tag, const ProtoWriter& metadata,
                            const ProtoWriter& tensor) {
  ProtoWriter value;
  value.text(kTag, valid_utf8(tag)).message(kTensor, tensor).message(kMetadata, metadata);
  ProtoWriter event;
  event.number(kWallTime, seconds_now())
      .integer(kStep, step)
      .message(kSummary, ProtoWriter().message(kValue, value));
  add_record(event.bytes());
}

void EventFile::add_record(std::string_view bytes) {
  const std::size_t begin = buffer_.size();
  append_raw(buffer_, std::uint64_t{bytes.size()});
  append_raw(buffer_, masked_crc(std::string_view(buffer_).substr(begin)));
  buffer_ += bytes;
  append_raw(buffer_, masked_crc(bytes));
  if (buffer_.size() >= kMostBuffered) flush();
}

void EventFile::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int reason = errno;
      // A part of a record would end the file for its readers, also where the next write succeeds.
      if (ftruncate(descriptor_, written_) == 0) lseek(descriptor_, written_, SEEK_SET);
      buffer_.clear();
      errno = reason;
      fail("write it");
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  written_ += static_cast<std::int64_t>(buffer_.size());
  buffer_.clear();
}

void EventFile::fail(const char* action) const {
  throw IoError(format("Writing ", path_.native(), ": could not ", action, ": ",
                       std::generic_category().message(errno)));
}

}  // namespace stoker::io
