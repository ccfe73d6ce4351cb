// What the sources of records have in common: shards, their order in an epoch, open files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/input_file.h"
#include "data/byte_source.h"
#include "data/permutation.h"
#include "stoker/detail/records.h"

namespace stoker::data {

using detail::Components;

// Where a record lies.
struct RecordPlace {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

// The records of a gzipped shard, one after another.
class ShardReader {
 public:
  virtual ~ShardReader() = default;
  virtual bool next(Components to) = 0;
  // Returns whether what comes next can't be told any more, after an exception.
  bool is_lost() const { return is_lost_; }

 protected:
  bool is_lost_ = false;
};

// Shards that may be read by several threads at a time. A few of them are kept open.
class ShardFiles {
 public:
  explicit ShardFiles(std::vector<std::string> paths) : paths_(std::move(paths)) {}
  const std::vector<std::string>& paths() const { return paths_; }
  std::shared_ptr<const InputFile> open(std::size_t shard) const;

 private:
  static constexpr std::size_t kMostOpen = 64;
  struct Entry {
    std::size_t shard = 0;
    std::uint64_t asked = 0;
    std::shared_ptr<const InputFile> file;
  };
  const std::vector<std::string> paths_;
  mutable std::mutex mutex_;
  mutable std::uint64_t calls_ = 0;
  mutable std::vector<Entry> open_;
};

// Reads small pieces of a file that follow each other, without a call of the system for each.
class FileWindow {
 public:
  explicit FileWindow(const InputFile& file) : file_(file) {}
  // Returns `bytes` from this offset on, or those up to the end of the file, until the next call.
  std::span<const std::byte> at(std::uint64_t offset, std::size_t bytes);

 private:
  const InputFile& file_;
  std::vector<std::byte> memory_;
  std::uint64_t begin_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t last_ = 0;
};

// The part of a source of records that doesn't depend on the format. A derived class finds the
// records of each shard when it is made, by calling index_shards(), or leaves them to a stream.
class ShardedRecords : public detail::Records {
 public:
  ShardedRecords(const char* where, const std::vector<std::string>& shards,
                 const RecordOptions& options);

  std::optional<std::int32_t> count() const override;
  std::unique_ptr<detail::RecordStream> begin(std::int64_t epoch) const override;
  bool shuffles() const override { return options_.shuffle_shards; }
  std::int32_t at_place(std::int32_t place, std::int64_t epoch) const override;

 protected:
  // Opens a shard to be read as a stream.
  virtual std::unique_ptr<ShardReader> read_shard(const std::string& path) const = 0;
  // Returns how many records the file has, which it keeps the places of.
  using Index = std::function<std::size_t(const InputFile& file)>;
  // Calls `index` for each shard if none is gzipped, and else for none. `is_plain` says of the
  // first bytes of a file that they are no gzip's, whatever they look like.
  using IsPlain = std::function<bool(std::span<const std::byte> first)>;
  void index_shards(const Index& index, const IsPlain& is_plain);
  // Returns the shard of a record.
  std::size_t shard_of(std::int32_t number) const;
  [[noreturn]] void fail(std::size_t shard, std::uint64_t offset, const std::string& what) const;
  // Reads a part of a shard into memory of the thread's, until its next call.
  std::span<const std::byte> fetch(std::size_t shard, const RecordPlace& place) const;

  const char* where_;
  RecordOptions options_;
  ShardFiles files_;

 private:
  class Stream;
  static std::uint64_t next_number();
  const std::uint64_t number_ = next_number();  // tells sources apart where threads keep memory
  bool is_indexed_ = false;
  std::vector<std::int64_t> ends_;  // of shards, in records
  mutable Permutations shard_orders_;
  mutable std::optional<Permutations> record_orders_;
};

}  // namespace stoker::data
