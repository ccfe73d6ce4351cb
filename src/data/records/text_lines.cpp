#include "stoker/text_lines.h"

#include <algorithm>
#include <cstring>

#include "core/format.h"
#include "data/limits.h"
#include "data/records/content.h"
#include "data/records/sharded.h"
#include "stoker/error.h"

namespace stoker {
namespace data {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 18;

Bytes without_return(Bytes line) {
  return !line.empty() && line.back() == std::byte{'\r'} ? line.first(line.size() - 1) : line;
}

class TextLines final : public ShardedRecords {
 public:
  TextLines(const std::vector<std::string>& files, const RecordOptions& options)
      : ShardedRecords("text_lines", files, options) {
    index_shards([this](const InputFile& file) { return index(file); },
                 [](std::span<const std::byte>) { return false; });
  }

  void read(std::int32_t number, Components to) const override {
    const auto n = static_cast<std::size_t>(number);
    const std::size_t shard = shard_of(number);
    // Each shard has one offset more than lines. A line ends a byte before the next one begins.
    const std::uint64_t begin = begins_[n + shard];
    put(fetch(shard, {begin, begins_[n + shard + 1] - 1 - begin}), to);
  }

 protected:
  std::unique_ptr<ShardReader> read_shard(const std::string& path) const override {
    return std::make_unique<Reader>(*this, path);
  }

 private:
  class Reader final : public ShardReader {
   public:
    Reader(const TextLines& lines, const std::string& path)
        : lines_(lines), path_(path), source_(path), piece_(kPieceBytes) {}

    bool next(Components to) override {
      is_lost_ = true;
      line_.clear();
      bool any = false;
      for (;;) {
        if (at_ == filled_) {
          filled_ = source_.read(piece_);
          at_ = 0;
          if (filled_ == 0) break;
        }
        any = true;
        const Bytes left = Bytes(piece_).subspan(at_, filled_ - at_);
        const auto end = std::ranges::find(left, std::byte{'\n'});
        line_.insert(line_.end(), left.begin(), end);
        const auto taken = static_cast<std::size_t>(end - left.begin());
        offset_ += taken;
        if (line_.size() > lines_.options_.limits.max_bytes) {
          throw IoError(format(path_, ", offset ", offset_ - line_.size(),
                               ": expected lines of at most ",
                               bytes_text(lines_.options_.limits.max_bytes),
                               " bytes (ReadLimits::max_bytes), received a longer one"));
        }
        at_ += taken;
        if (end == left.end()) continue;
        ++at_;
        ++offset_;
        break;
      }
      is_lost_ = false;
      if (!any) return false;
      put(line_, to);
      return true;
    }

   private:
    const TextLines& lines_;
    const std::string path_;
    ByteSource source_;
    std::vector<std::byte> piece_;
    std::size_t at_ = 0;
    std::size_t filled_ = 0;
    std::uint64_t offset_ = 0;
    std::vector<std::byte> line_;
  };

  static void put(Bytes line, Components to) {
    static const Declared declared{Shape{Shape::kUnknown}, DType::uint8};
    put_raw("line", without_return(line), declared, to[0]);
  }

  std::size_t index(const InputFile& file) {
    std::vector<std::byte> piece(kPieceBytes);
    const std::size_t before = begins_.size();
    std::uint64_t begin = 0;  // of the line at hand
    begins_.push_back(begin);
    std::uint64_t offset = 0;
    while (const std::size_t bytes = file.read_at(offset, piece)) {
      const std::byte* at = piece.data();
      const std::byte* const end = at + bytes;
      while (const void* found = std::memchr(at, '\n', static_cast<std::size_t>(end - at))) {
        at = static_cast<const std::byte*>(found) + 1;
        begin = offset + static_cast<std::uint64_t>(at - piece.data());
        begins_.push_back(begin);
        if (at == end) break;
      }
      offset += bytes;
    }
    // The last line may lack its end.
    if (begin < offset) begins_.push_back(offset + 1);
    return begins_.size() - before - 1;
  }

  std::vector<std::uint64_t> begins_;
};

}  // namespace
}  // namespace data

Dataset<std::uint8_t> text_lines(const std::vector<std::string>& files,
                                 const RecordOptions& options) {
  return detail::dataset_of<std::uint8_t>(std::make_shared<data::TextLines>(files, options),
                                          {Shape{Shape::kUnknown}}, options, "text_lines");
}

}  // namespace stoker
