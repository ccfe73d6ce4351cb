#include "data/records/sharded.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <utility>

#include "core/foreign.h"
#include "core/format.h"
#include "data/limits.h"
#include "stoker/error.h"

namespace stoker {
namespace {

constexpr std::size_t kMostShards = std::size_t{1} << 20;

[[noreturn]] void refuse_braces(const std::string& name) {
  throw ValueError(format("expand_shards: expected {first..last} or {word,word} in \"", name,
                          "\", and at most 2^20 names, received other braces"));
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 18 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

std::vector<std::string> choices_of(const std::string& inside, const std::string& name) {
  std::vector<std::string> choices;
  const std::size_t dots = inside.find("..");
  if (dots != std::string::npos) {
    const std::string first = inside.substr(0, dots), last = inside.substr(dots + 2);
    if (!is_number(first) || !is_number(last)) refuse_braces(name);
    const std::uint64_t begin = std::stoull(first), end = std::stoull(last);
    if (end < begin || end - begin >= kMostShards) refuse_braces(name);
    const std::size_t digits = first.size() > 1 && first[0] == '0' ? first.size() : 0;
    for (std::uint64_t n = begin; n <= end; ++n) {
      std::string text = std::to_string(n);
      if (text.size() < digits) text.insert(0, digits - text.size(), '0');
      choices.push_back(std::move(text));
    }
    return choices;
  }
  if (inside.find(',') == std::string::npos) refuse_braces(name);
  for (std::size_t begin = 0; begin <= inside.size();) {
    const std::size_t end = std::min(inside.find(',', begin), inside.size());
    choices.push_back(inside.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

}  // namespace

std::vector<std::string> expand_shards(const std::string& name) {
  std::vector<std::string> names{""};
  std::size_t at = 0;
  while (at < name.size()) {
    const std::size_t open = std::min(name.find('{', at), name.size());
    for (std::string& each : names) each.append(name, at, open - at);
    if (open == name.size()) break;
    const std::size_t close = name.find('}', open);
    if (close == std::string::npos) refuse_braces(name);
    const auto choices = choices_of(name.substr(open + 1, close - open - 1), name);
    if (choices.size() * names.size() > kMostShards) refuse_braces(name);
    std::vector<std::string> longer;
    for (const std::string& each : names) {
      for (const std::string& choice : choices) longer.push_back(each + choice);
    }
    names = std::move(longer);
    at = close + 1;
  }
  return names;
}

}  // namespace stoker

namespace stoker::data {
namespace {

std::vector<std::string> all_shards(const char* where, const std::vector<std::string>& names) {
  std::vector<std::string> all;
  for (const std::string& name : names) {
    for (std::string& shard : expand_shards(name)) all.push_back(std::move(shard));
  }
  if (all.empty()) throw ValueError(format(where, ": expected at least one shard, received none"));
  return all;
}

}  // namespace

std::shared_ptr<const InputFile> ShardFiles::open(std::size_t shard) const {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : open_) {
    if (entry.shard != shard) continue;
    entry.asked = ++calls_;
    return entry.file;
  }
  auto file = std::make_shared<const InputFile>(paths_[shard]);
  if (open_.size() == kMostOpen) {
    open_.erase(std::ranges::min_element(open_, {}, &Entry::asked));
  }
  open_.push_back({shard, ++calls_, file});
  return file;
}

std::span<const std::byte> FileWindow::at(std::uint64_t offset, std::size_t bytes) {
  if (offset < begin_ || offset + bytes > begin_ + filled_) {
    // Where pieces lie close together, many of them are read at once.
    constexpr std::size_t kClose = std::size_t{1} << 13;
    const bool is_close = offset >= last_ && offset - last_ < kClose;
    const std::size_t wanted = std::max(bytes, is_close ? std::size_t{1} << 16 : bytes);
    memory_.resize(std::max(memory_.size(), wanted));
    begin_ = offset;
    filled_ = file_.read_at(offset, std::span(memory_).first(wanted));
  }
  last_ = offset;
  const auto skipped = static_cast<std::size_t>(offset - begin_);
  return std::span<const std::byte>(memory_).subspan(skipped, std::min(bytes, filled_ - skipped));
}

std::uint64_t ShardedRecords::next_number() {
  static std::atomic<std::uint64_t> made{0};
  return ++made;
}

ShardedRecords::ShardedRecords(const char* where, const std::vector<std::string>& shards,
                               const RecordOptions& options)
    : where_(where),
      options_(options),
      files_(all_shards(where, shards)),
      shard_orders_(static_cast<std::int64_t>(files_.paths().size()), options.seed) {
  const MemoryLimit limits(where, options.limits, 0);  // throws for limits that make no sense
  check_limits(options.image_limits);
}

void ShardedRecords::index_shards(const Index& index, const IsPlain& is_plain) {
  const std::size_t count = files_.paths().size();
  bool any_gzip = false;
  for (std::size_t shard = 0; shard < count && !any_gzip; ++shard) {
    const auto file = files_.open(shard);
    std::array<std::byte, 16> first;
    const std::size_t read = file->read_at(0, first);
    const bool looks_gzipped =
        read >= 2 && first[0] == std::byte{0x1f} && first[1] == std::byte{0x8b};
    any_gzip = looks_gzipped && !is_plain(std::span(first).first(read));
  }
  is_indexed_ = !any_gzip;
  if (any_gzip) return;
  std::int64_t end = 0;
  for (std::size_t shard = 0; shard < count; ++shard) {
    with_own_errors(files_.paths()[shard], [&] {
      const auto file = files_.open(shard);
      end += static_cast<std::int64_t>(index(*file));
    });
    ends_.push_back(end);
    if (end > std::numeric_limits<std::int32_t>::max()) {
      throw ValueError(format(where_, ": expected fewer than 2^31 records in all, received more"));
    }
  }
  if (!options_.shuffle_shards) return;
  record_orders_.emplace(end, [this](std::vector<std::int64_t>& rows, std::int64_t epoch) {
    const Permutations::Order shards = shard_orders_.of_epoch(epoch);
    std::size_t at = 0;
    for (const std::int64_t shard : shards.rows()) {
      const auto s = static_cast<std::size_t>(shard);
      for (std::int64_t n = s == 0 ? 0 : ends_[s - 1]; n < ends_[s]; ++n) rows[at++] = n;
    }
  });
}

std::optional<std::int32_t> ShardedRecords::count() const {
  if (!is_indexed_) return std::nullopt;
  return static_cast<std::int32_t>(ends_.back());
}

std::int32_t ShardedRecords::at_place(std::int32_t place, std::int64_t epoch) const {
  const Permutations::Order order = record_orders_->of_epoch(epoch);
  return static_cast<std::int32_t>(order.rows()[static_cast<std::size_t>(place)]);
}

std::size_t ShardedRecords::shard_of(std::int32_t number) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(ends_, std::int64_t{number}) -
                                  ends_.begin());
}

void ShardedRecords::fail(std::size_t shard, std::uint64_t offset, const std::string& what) const {
  throw IoError(format(files_.paths()[shard], ", offset ", offset, ": ", what));
}

std::span<const std::byte> ShardedRecords::fetch(std::size_t shard,
                                                 const RecordPlace& place) const {
  if (place.bytes > options_.limits.max_bytes) {
    fail(shard, place.offset,
         format("expected a record of at most ", bytes_text(options_.limits.max_bytes),
                " bytes (ReadLimits::max_bytes), received ", place.bytes));
  }
  // Of records that are read in order, one call reads several: twice as many each time.
  struct Window {
    std::uint64_t source = 0;
    std::size_t shard = 0;
    std::uint64_t begin = 0;
    std::size_t filled = 0;
    std::uint64_t end = 0;  // of the part that was asked for last
    int run = 0;            // parts that followed each other
    std::vector<std::byte> memory;
  };
  thread_local Window window;
  constexpr std::uint64_t kNear = 4096;  // between parts that follow each other
  constexpr std::size_t kMostAhead = std::size_t{1} << 18;
  constexpr int kMostDoubled = 6;
  const auto bytes = static_cast<std::size_t>(place.bytes);
  const bool is_same = window.source == number_ && window.shard == shard;
  const bool follows = is_same && place.offset >= window.end && place.offset - window.end <= kNear;
  window.run = follows ? std::min(window.run + 1, kMostDoubled) : 0;
  window.end = place.offset + bytes;
  if (!is_same || place.offset < window.begin ||
      place.offset + bytes > window.begin + window.filled) {
    const std::size_t wanted =
        bytes < kMostAhead ? std::min(bytes << window.run, kMostAhead) : bytes;
    if (window.memory.size() < wanted) window.memory.resize(wanted);
    window.filled = 0;
    const auto file = files_.open(shard);
    window.filled = file->read_at(place.offset, std::span(window.memory).first(wanted));
    window.source = number_;
    window.shard = shard;
    window.begin = place.offset;
    if (window.filled < bytes) {
      fail(shard, place.offset,
           format("truncated: expected ", bytes, " bytes, received ", window.filled));
    }
  }
  return std::span<const std::byte>(window.memory)
      .subspan(static_cast<std::size_t>(place.offset - window.begin), bytes);
}

// ---- Shards that are gzipped ----
class ShardedRecords::Stream final : public detail::RecordStream {
 public:
  Stream(const ShardedRecords& records, std::vector<std::int64_t> order)
      : records_(records), order_(std::move(order)) {}

  bool next(Components to) override {
    for (;;) {
      if (!reader_) {
        if (opened_ == order_.size()) return false;
        const auto shard = static_cast<std::size_t>(order_[opened_++]);
        reader_ = records_.read_shard(records_.files_.paths()[shard]);
      }
      try {
        if (reader_->next(to)) return true;
        reader_.reset();
      } catch (...) {
        if (reader_->is_lost()) reader_.reset();
        throw;
      }
    }
  }

 private:
  const ShardedRecords& records_;
  const std::vector<std::int64_t> order_;
  std::size_t opened_ = 0;
  std::unique_ptr<ShardReader> reader_;
};

std::unique_ptr<detail::RecordStream> ShardedRecords::begin(std::int64_t epoch) const {
  std::vector<std::int64_t> order(files_.paths().size());
  if (options_.shuffle_shards) {
    const Permutations::Order shuffled = shard_orders_.of_epoch(epoch);
    order.assign(shuffled.rows().begin(), shuffled.rows().end());
  } else {
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  }
  return std::make_unique<Stream>(*this, std::move(order));
}

}  // namespace stoker::data
