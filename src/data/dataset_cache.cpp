// Files of Dataset::cache().
#include <zlib.h>

#include <array>
#include <bit>
#include <cstring>

#include "core/atomic_file.h"
#include "core/format.h"
#include "core/input_file.h"
#include "stoker/detail/dataset_cache.h"

namespace stoker::detail {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::array<char, 7> kMagic = {'S', 't', 'o', 'k', 'C', 'a', 'c'};
constexpr char kVersion = '2';  // the first one had no checksums
constexpr std::uint64_t kMaxSignature = 4096;
constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

struct CacheHeader {
  std::array<char, 7> magic = kMagic;
  char version = kVersion;
  std::uint64_t signature_bytes = 0;
  std::int64_t elements = 0;
  std::uint64_t bytes = 0;  // bytes of the elements, without their checksums
};
static_assert(sizeof(CacheHeader) == 32);

// The running checksum of a file. Each stored checksum covers everything before it, so that no
// element can take another one's place. The stored checksums themselves are left out, because a CRC
// that includes its own value no longer depends on what came before.
class Checksum {
 public:
  void add(const void* data, std::size_t size) {
    if (size > 0) value_ = crc32_z(value_, static_cast<const Bytef*>(data), size);
  }
  std::uint32_t value() const { return static_cast<std::uint32_t>(value_); }

 private:
  uLong value_ = crc32_z(0, nullptr, 0);
};

using StoredChecksum = std::uint32_t;

}  // namespace

// ---- Writing ----
struct CacheWriter::Impl {
  explicit Impl(const std::string& path) : file(path) { buffer.reserve(kBufferBytes); }

  void append(const void* data, std::size_t size) {
    const std::span bytes(static_cast<const std::byte*>(data), size);
    if (buffer.size() + size > kBufferBytes) flush();
    if (size > kBufferBytes) {
      file.write(bytes);
    } else {
      buffer.insert(buffer.end(), bytes.begin(), bytes.end());
    }
  }
  void flush() {
    file.write(buffer);
    buffer.clear();
  }

  AtomicFile file;
  Checksum checksum;
  std::vector<std::byte> buffer;
};

CacheWriter::CacheWriter(const std::string& path, const std::string& signature,
                         std::int64_t elements, std::uint64_t bytes)
    : impl_(std::make_unique<Impl>(path)) {
  CacheHeader header;
  header.signature_bytes = signature.size();
  header.elements = elements;
  header.bytes = bytes;
  write(&header, sizeof header);
  write(signature.data(), signature.size());
  end_element();
}
CacheWriter::~CacheWriter() = default;

void CacheWriter::write(const void* data, std::size_t size) {
  impl_->checksum.add(data, size);
  impl_->append(data, size);
}

void CacheWriter::end_element() {
  const StoredChecksum checksum = impl_->checksum.value();
  impl_->append(&checksum, sizeof checksum);
}

void CacheWriter::commit() {
  impl_->flush();
  impl_->file.commit();
}

// ---- Reading ----
struct CacheReader::Impl {
  Impl(std::string name, InputFile input) : path(std::move(name)), file(std::move(input)) {
    buffer.resize(kBufferBytes);
  }

  // Returns false if the file ends before that.
  bool take(void* data, std::size_t size) {
    auto* to = static_cast<std::byte*>(data);
    std::size_t wanted = size;
    while (wanted > 0) {
      if (at == filled && wanted >= buffer.size()) {
        const std::size_t count = file.read({to, wanted});
        if (count < wanted) return false;
        break;
      }
      if (at == filled) {
        filled = file.read(buffer);
        at = 0;
        if (filled == 0) return false;
      }
      const std::size_t count = std::min(wanted, filled - at);
      std::memcpy(to, buffer.data() + at, count);
      at += count;
      to += count;
      wanted -= count;
    }
    return true;
  }

  std::string path;
  InputFile file;
  Checksum checksum;
  std::vector<std::byte> buffer;
  std::size_t at = 0;
  std::size_t filled = 0;
  std::int64_t elements = 0;
  std::uint64_t left = 0;
};

CacheReader::CacheReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CacheReader::CacheReader(CacheReader&&) noexcept = default;
CacheReader::~CacheReader() = default;

std::optional<CacheReader> CacheReader::open(const std::string& path,
                                             const std::string& signature) {
  std::optional<InputFile> file = InputFile::open_existing(path);
  if (!file) return std::nullopt;
  const std::uint64_t size = file->size();
  CacheReader reader(std::make_unique<Impl>(path, std::move(*file)));
  Impl& impl = *reader.impl_;

  CacheHeader header;
  const bool has_header = impl.take(&header, sizeof header);
  if (!has_header || header.magic != kMagic) {
    throw IoError(format(path,
                         ": expected a cache that Dataset::cache() wrote, received another "
                         "file. Name one that does not exist yet"));
  }
  if (header.version != kVersion) {
    throw IoError(format(path, ": expected a cache of version ", kVersion, ", received version ",
                         header.version, ". Remove it; it will be made anew"));
  }
  if (header.signature_bytes > kMaxSignature || header.elements < 0) {
    reader.fail_damaged("its header makes no sense");
  }
  std::string found(header.signature_bytes, '\0');
  if (!impl.take(found.data(), found.size())) reader.fail_damaged("it ends in its header");
  impl.checksum.add(&header, sizeof header);
  impl.checksum.add(found.data(), found.size());
  impl.left = header.bytes;
  reader.end_element();
  if (found != signature) {
    throw IoError(format(path, ": a cache of elements ", found, ", expected ", signature,
                         ". Remove it, or name another file"));
  }
  // The header is intact, but the end of the file may still be missing.
  const std::uint64_t before = sizeof header + found.size() + sizeof(StoredChecksum);
  const auto elements = static_cast<std::uint64_t>(header.elements);
  if (size < before || elements > (size - before) / sizeof(StoredChecksum) ||
      size - before - elements * sizeof(StoredChecksum) != header.bytes) {
    reader.fail_damaged("its length is not what it says");
  }
  impl.elements = header.elements;
  return reader;
}

std::int64_t CacheReader::elements() const { return impl_->elements; }
std::uint64_t CacheReader::left() const { return impl_->left; }

void CacheReader::read(void* data, std::size_t size) {
  if (size > impl_->left || !impl_->take(data, size)) fail_damaged("it ends within an element");
  impl_->checksum.add(data, size);
  impl_->left -= size;
}

void CacheReader::end_element() {
  const StoredChecksum expected = impl_->checksum.value();
  StoredChecksum stored = 0;
  if (!impl_->take(&stored, sizeof stored)) fail_damaged("it ends within an element");
  if (stored != expected) fail_damaged("its checksum is wrong");
}

void CacheReader::end() {
  std::byte more{};
  if (impl_->left != 0 || impl_->take(&more, 1)) fail_damaged("there is more than its elements");
}

void CacheReader::fail_damaged(const std::string& why) const {
  throw IoError(format(impl_->path, ": a damaged cache: ", why, ". Remove it"));
}

}  // namespace stoker::detail
