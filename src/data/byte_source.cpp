#include "data/byte_source.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::data {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;
// In deflate's best case two bits become 258 bytes (zlib's technical notes, "Maximum Compression
// Factor").
constexpr std::uint64_t kMaxExpansion = 1032;
// zlib takes the bits of the window, plus 16 for gzip's header and trailer, whose checksum it then
// verifies.
constexpr int kGzipWindow = 15 + 16;
constexpr std::byte kGzipMagic0{0x1f};
constexpr std::byte kGzipMagic1{0x8b};

}  // namespace

ByteSource::ByteSource(const std::filesystem::path& path) : path_(path.native()), file_(path) {
  std::array<std::byte, 2> magic{};
  is_gzip_ = file_.read(magic) == 2 && magic[0] == kGzipMagic0 && magic[1] == kGzipMagic1;
  file_.rewind();
  if (is_gzip_) {
    buffer_.resize(kBufferBytes);
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK) fail("could not start to unpack it");
    in_member_ = true;
  }
}

ByteSource::~ByteSource() {
  if (is_gzip_) inflateEnd(&stream_);
}

std::size_t ByteSource::read(std::span<std::byte> bytes) {
  return is_gzip_ ? read_gzip(bytes) : file_.read(bytes);
}

std::uint64_t ByteSource::max_bytes() const {
  return is_gzip_ ? file_.size() * kMaxExpansion : file_.size();
}

// Reads more compressed bytes. Returns false at the file's end.
bool ByteSource::refill() {
  stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
  stream_.avail_in = static_cast<uInt>(file_.read(buffer_));
  return stream_.avail_in > 0;
}

std::size_t ByteSource::read_gzip(std::span<std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    if (stream_.avail_in == 0 && !refill()) {
      if (in_member_) fail("expected more compressed data, but the file ends (truncated gzip)");
      break;
    }
    if (!in_member_) start_member();
    constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
    const auto room = static_cast<uInt>(std::min(bytes.size() - done, kMost));
    stream_.next_out = reinterpret_cast<Bytef*>(bytes.data() + done);
    stream_.avail_out = room;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    done += room - stream_.avail_out;
    if (result == Z_STREAM_END) {
      in_member_ = false;
    } else if (result == Z_MEM_ERROR) {
      fail("not enough memory to unpack it");
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      fail(format("damaged gzip data: ", stream_.msg != nullptr ? stream_.msg : "unknown reason"));
    }
  }
  return done;
}

// gzip allows several members one after another; zlib stops after each. Bytes that do not begin a
// member are refused by the next inflate, as a wrong header.
void ByteSource::start_member() {
  inflateReset(&stream_);
  in_member_ = true;
}

void ByteSource::fail(const std::string& what) const { throw IoError(format(path_, ": ", what)); }

}  // namespace stoker::data
