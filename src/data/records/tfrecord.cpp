// TFRecord's framing. Source: tensorflow/core/lib/io/record_reader.cc: length, checksum of the
// length, data, checksum of the data, all little-endian.
#include "stoker/tfrecord.h"

#include <cstring>
#include <utility>

#include "core/format.h"
#include "data/limits.h"
#include "data/records/content.h"
#include "data/records/example.h"
#include "data/records/sharded.h"
#include "io/crc32c.h"
#include "stoker/error.h"

namespace stoker {
namespace data {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kTrailerBytes = 4;

template <class T>
T number_at(Bytes bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

bool is_header(Bytes bytes) {
  return bytes.size() >= kHeaderBytes &&
         io::masked_crc32c(bytes.first(8)) == number_at<std::uint32_t>(bytes, 8);
}

// Makes components of the bytes of a record.
using Decode = std::function<void(Bytes record, Components to)>;

class TFRecords final : public ShardedRecords {
 public:
  TFRecords(const char* where, const std::vector<std::string>& shards, Decode decode,
            const RecordOptions& options)
      : ShardedRecords(where, shards, options), decode_(std::move(decode)) {
    index_shards([this](const InputFile& file) { return index(file); }, is_header);
  }

  void read(std::int32_t number, Components to) const override {
    const std::size_t shard = shard_of(number);
    const RecordPlace& place = places_[static_cast<std::size_t>(number)];
    const Bytes bytes = fetch(shard, {place.offset, place.bytes + kTrailerBytes});
    decode(files_.paths()[shard], place.offset, bytes, to);
  }

 protected:
  std::unique_ptr<ShardReader> read_shard(const std::string& path) const override {
    return std::make_unique<Reader>(*this, path);
  }

 private:
  class Reader final : public ShardReader {
   public:
    Reader(const TFRecords& records, const std::string& path)
        : records_(records), path_(path), source_(path) {}

    bool next(Components to) override {
      is_lost_ = true;
      const std::uint64_t offset = offset_;
      std::array<std::byte, kHeaderBytes> header;
      const std::size_t read = source_.read(header);
      if (read == 0) return false;
      if (!is_header(std::span(header).first(read))) records_.refuse_header(path_, offset, read);
      const auto bytes = number_at<std::uint64_t>(header, 0);
      const std::uint64_t most = records_.options_.limits.max_bytes;
      if (bytes > most) records_.refuse_size(path_, offset, bytes);
      const std::uint64_t whole = bytes + kTrailerBytes;
      // Memory grows with what is there, whatever the length says.
      memory_.clear();
      while (memory_.size() < whole) {
        constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
        const std::size_t held = memory_.size();
        memory_.resize(held + static_cast<std::size_t>(std::min(kPiece, whole - held)));
        if (held + source_.read(std::span(memory_).subspan(held)) < memory_.size()) {
          throw IoError(format(path_, ", offset ", offset, ": truncated: expected ", bytes,
                               " bytes and a checksum"));
        }
      }
      offset_ += kHeaderBytes + whole;
      is_lost_ = false;
      records_.decode(path_, offset + kHeaderBytes, memory_, to);
      return true;
    }

   private:
    const TFRecords& records_;
    const std::string path_;
    ByteSource source_;
    std::uint64_t offset_ = 0;
    std::vector<std::byte> memory_;
  };

  [[noreturn]] void refuse_header(const std::string& path, std::uint64_t offset,
                                  std::size_t bytes) const {
    throw IoError(format(
        path, ", offset ", offset, ": expected the length of a record, received ",
        bytes < kHeaderBytes ? "the end of the file within it" : "one with a wrong checksum"));
  }
  [[noreturn]] void refuse_size(const std::string& path, std::uint64_t offset,
                                std::uint64_t bytes) const {
    throw IoError(format(path, ", offset ", offset, ": expected a record of at most ",
                         bytes_text(options_.limits.max_bytes),
                         " bytes (ReadLimits::max_bytes), received ", bytes));
  }

  std::size_t index(const InputFile& file) {
    FileWindow window(file);
    const std::size_t before = places_.size();
    for (std::uint64_t at = 0; at < file.size();) {
      const Bytes header = window.at(at, kHeaderBytes);
      if (!is_header(header)) refuse_header(file.path(), at, header.size());
      const auto bytes = number_at<std::uint64_t>(header, 0);
      const std::uint64_t left = file.size() - at - kHeaderBytes;
      if (left < kTrailerBytes || bytes > left - kTrailerBytes) {
        throw IoError(format(file.path(), ", offset ", at, ": truncated: expected a record of ",
                             bytes, " bytes and a checksum, received ", left, " bytes"));
      }
      places_.push_back({at + kHeaderBytes, bytes});
      at += kHeaderBytes + bytes + kTrailerBytes;
    }
    return places_.size() - before;
  }

  // `bytes` end with the checksum of those before it.
  void decode(const std::string& path, std::uint64_t offset, Bytes bytes, Components to) const {
    const Bytes record = bytes.first(bytes.size() - kTrailerBytes);
    if (io::masked_crc32c(record) != number_at<std::uint32_t>(bytes, record.size())) {
      throw IoError(format(path, ", offset ", offset, ": expected a record of ", record.size(),
                           " bytes with its checksum, received another checksum"));
    }
    try {
      decode_(record, to);
    } catch (const Error& error) {
      // A message that names the place costs time, and is made where it is needed.
      throw IoError(format(path, ", offset ", offset, ": ", error.what()));
    }
  }

  const Decode decode_;
  std::vector<RecordPlace> places_;
};

}  // namespace
}  // namespace data

namespace detail {

std::shared_ptr<const Records> open_examples(const std::vector<std::string>& shards,
                                             std::span<const ExampleFeature> features,
                                             std::span<const DType> dtypes,
                                             const RecordOptions& options) {
  std::vector<data::WantedFeature> wanted;
  for (std::size_t i = 0; i < features.size(); ++i) {
    const data::Declared declared{features[i].shape, dtypes[i]};
    data::check_declared("tfrecord_examples", features[i].name, declared, features[i].is_image);
    wanted.push_back({features[i].name, declared, features[i].is_image});
  }
  return std::make_shared<data::TFRecords>(
      "tfrecord_examples", shards,
      [wanted = std::move(wanted), limits = options.image_limits](
          data::Bytes record, Components to) { data::put_example(record, wanted, limits, to); },
      options);
}

}  // namespace detail

Dataset<std::uint8_t> tfrecord_records(const std::vector<std::string>& shards,
                                       const RecordOptions& options) {
  const data::Declared declared{Shape{Shape::kUnknown}, DType::uint8};
  const auto records = std::make_shared<data::TFRecords>(
      "tfrecord_records", shards,
      [declared](data::Bytes record, detail::Components to) {
        data::put_raw("record", record, declared, to[0]);
      },
      options);
  return detail::dataset_of<std::uint8_t>(records, {declared.shape}, options, "tfrecord");
}

}  // namespace stoker
