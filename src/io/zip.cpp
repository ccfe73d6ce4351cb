#include "io/zip.h"

#include <isa-l/crc.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "core/format.h"
#include "core/input_file.h"
#include "stoker/error.h"

namespace stoker::io {

namespace {

// Deflate packs at most this many bytes into one.
constexpr std::uint64_t kMostDeflated = 1032;

std::string reason_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

}  // namespace

// ---- Reading -----------------------------------------------------------------------------------
struct ZipReader::Impl {
  std::string path;
  std::unique_ptr<zip_t, decltype(&zip_discard)> archive{nullptr, zip_discard};
  std::vector<ZipMember> members{};

  [[noreturn]] void fail(const std::string& what) const { throw IoError(format(path, ": ", what)); }
};

ZipReader::ZipReader(const std::filesystem::path& path, std::size_t most_members)
    : impl_(std::make_unique<Impl>()) {
  impl_->path = path.native();
  const std::uint64_t file_bytes = InputFile(path).size();  // refuses what is no regular file
  int code = 0;
  impl_->archive.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!impl_->archive) {
    impl_->fail(format("expected a zip archive, received another or a damaged file (",
                       reason_of(code), ")"));
  }
  zip_t* archive = impl_->archive.get();
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  if (count < 0 || static_cast<std::uint64_t>(count) > most_members) {
    impl_->fail(format("expected at most ", most_members, " members, received ", count));
  }
  std::set<std::string> names;
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    zip_stat_t found;
    zip_stat_init(&found);
    constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                     ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD |
                                     ZIP_STAT_CRC;
    if (zip_stat_index(archive, i, 0, &found) != 0 || (found.valid & kNeeded) != kNeeded) {
      impl_->fail(format("member ", i, ": could not look at it: ", zip_strerror(archive)));
    }
    ZipMember member{found.name, found.size, found.comp_size, i, found.comp_method == ZIP_CM_STORE,
                     found.crc};
    const std::string place = format("member \"", member.name.substr(0, 200), "\": ");
    if (!names.insert(member.name).second) {
      impl_->fail(format(place, "expected it once, received two of one name"));
    }
    if (found.encryption_method != ZIP_EM_NONE) {
      impl_->fail(format(place, "expected plain members, received an encrypted one"));
    }
    if (found.comp_method != ZIP_CM_STORE && found.comp_method != ZIP_CM_DEFLATE) {
      impl_->fail(
          format(place, "expected it stored or deflated, received method ", found.comp_method));
    }
    if (member.packed > file_bytes ||
        (member.is_stored ? member.bytes != member.packed
                          : member.bytes / kMostDeflated > member.packed)) {
      impl_->fail(format(place, "declares ", member.bytes, " bytes, but the file holds ",
                         member.packed, " of it, which cannot give so many"));
    }
    impl_->members.push_back(std::move(member));
  }
}

ZipReader::~ZipReader() = default;

const std::vector<ZipMember>& ZipReader::members() const { return impl_->members; }

const ZipMember* ZipReader::find(std::string_view name) const {
  const auto found = std::ranges::find(impl_->members, name, &ZipMember::name);
  return found == impl_->members.end() ? nullptr : &*found;
}

ZipContents ZipReader::read(const ZipMember& member, std::uint64_t most) const {
  const std::string place = format("member \"", member.name, "\": ");
  if (member.bytes > most || member.bytes > std::numeric_limits<std::size_t>::max() / 2) {
    impl_->fail(format(place, "expected at most ", most, " bytes, received ", member.bytes));
  }
  ZipContents contents;
  contents.size = static_cast<std::size_t>(member.bytes);
  std::unique_ptr<std::byte[]> memory = std::make_unique_for_overwrite<std::byte[]>(contents.size);
  const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> file(
      zip_fopen_index(impl_->archive.get(), member.index, 0), zip_fclose);
  if (!file) {
    impl_->fail(format(place, "could not open it: ", zip_strerror(impl_->archive.get())));
  }
  std::size_t done = 0;
  // The checksum is compared when the end is read, so one byte more than expected is asked for.
  for (;;) {
    std::byte beyond{};
    const bool is_full = done == contents.size;
    const zip_int64_t count =
        is_full ? zip_fread(file.get(), &beyond, 1)
                : zip_fread(file.get(), memory.get() + done, contents.size - done);
    if (count < 0) {
      impl_->fail(format(place, "could not read it: ", zip_file_strerror(file.get())));
    }
    if (is_full && count > 0) {
      impl_->fail(format(place, "expected ", contents.size, " bytes, received more"));
    }
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  if (done != contents.size) {
    impl_->fail(format(place, "expected ", contents.size, " bytes, received ", done));
  }
  contents.memory = {memory.release(), std::default_delete<const std::byte[]>()};
  return contents;
}

// ---- Mapping -----------------------------------------------------------------------------------
namespace {

// Numbers of a record, little-endian. Zero beyond the end.
std::uint64_t number_at(std::span<const std::byte> bytes, std::uint64_t at, std::uint64_t count) {
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < count && at + i < bytes.size(); ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(at + i)]) << (8 * i);
  }
  return value;
}

// Finds where the bytes of a stored member begin, which libzip does not tell. Nullopt for an
// archive with a comment, with sizes of 64 bits, or with anything else that is not plain.
std::optional<std::uint64_t> place_of(std::span<const std::byte> file, const ZipMember& member) {
  constexpr std::uint64_t kEnd = 22, kEntry = 46, kLocal = 30;
  if (file.size() < kEnd) return std::nullopt;
  const std::uint64_t end = file.size() - kEnd;
  const std::uint64_t count = number_at(file, end + 10, 2);
  const std::uint64_t begin = number_at(file, end + 16, 4);
  if (number_at(file, end, 4) != 0x06054b50 || begin > end || member.index >= count) {
    return std::nullopt;
  }
  std::uint64_t at = begin;
  for (std::uint64_t i = 0; i < member.index; ++i) {
    if (at + kEntry > end) return std::nullopt;
    at += kEntry + number_at(file, at + 28, 2) + number_at(file, at + 30, 2) +
          number_at(file, at + 32, 2);
  }
  const std::uint64_t name = number_at(file, at + 28, 2);
  if (at + kEntry + name > end || number_at(file, at, 4) != 0x02014b50 ||
      number_at(file, at + 10, 2) != 0 || number_at(file, at + 20, 4) != member.bytes ||
      number_at(file, at + 24, 4) != member.bytes || name != member.name.size() ||
      std::memcmp(file.data() + at + kEntry, member.name.data(), member.name.size()) != 0) {
    return std::nullopt;
  }
  const std::uint64_t local = number_at(file, at + 42, 4);
  if (local + kLocal > begin || number_at(file, local, 4) != 0x04034b50) return std::nullopt;
  const std::uint64_t data =
      local + kLocal + number_at(file, local + 26, 2) + number_at(file, local + 28, 2);
  if (data > begin || member.bytes > begin - data) return std::nullopt;
  return data;
}

// CRC-32 as zip archives have it. ISA-L's takes a fraction of the time that zlib's takes.
std::uint32_t checksum_of(std::uint32_t so_far, std::span<const std::byte> bytes) {
  return crc32_gzip_refl(so_far, reinterpret_cast<const unsigned char*>(bytes.data()),
                         bytes.size());
}

}  // namespace

ZipContents ZipReader::map(const ZipMember& member, std::uint64_t most) const {
  if (!member.is_stored || member.bytes == 0 || member.bytes > most) return read(member, most);
  const InputFile file(impl_->path);
  const std::shared_ptr<const std::byte> all = file.map();
  const std::span<const std::byte> bytes(all.get(), static_cast<std::size_t>(file.size()));
  const std::optional<std::uint64_t> place = place_of(bytes, member);
  if (!place) return read(member, most);
  ZipContents contents{{all, all.get() + *place}, static_cast<std::size_t>(member.bytes)};
  if (checksum_of(0, contents.bytes()) != member.checksum) {
    impl_->fail(format("member \"", member.name, "\": could not read it: its checksum is wrong"));
  }
  return contents;
}

// ---- Writing: APPNOTE.TXT of PKWARE, sections 4.3 and 4.5.3
// --------------------------------------
namespace {

constexpr std::uint64_t kLarge = 0xffffffff;  // Sizes and offsets from here on take 64 bits.
constexpr std::uint16_t kHasDescriptor = 1 << 3;
constexpr std::uint16_t kFirstOfJanuary1980 = (1 << 5) | 1;

class Record {
 public:
  Record& u16(std::uint64_t value) { return number(value, 2); }
  Record& u32(std::uint64_t value) { return number(value, 4); }
  Record& u64(std::uint64_t value) { return number(value, 8); }
  Record& text(std::string_view text) {
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  Record& number(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
    return *this;
  }
  std::vector<std::byte> bytes_;
};

std::uint64_t in_32_bits(std::uint64_t value) { return std::min(value, kLarge); }

}  // namespace

void ZipWriter::put(std::span<const std::byte> bytes) {
  sink_(bytes);
  written_ += bytes.size();
}

void ZipWriter::begin(const Entry& entry) {
  const bool is_large = entry.bytes >= kLarge;
  Record header;
  header.u32(0x04034b50).u16(is_large ? 45 : 20).u16(entry.has_descriptor ? kHasDescriptor : 0);
  header.u16(0).u16(0).u16(kFirstOfJanuary1980).u32(entry.checksum);
  const std::uint64_t size = entry.has_descriptor && !is_large ? 0 : in_32_bits(entry.bytes);
  header.u32(size).u32(size).u16(entry.name.size()).u16(is_large ? 20 : 0).text(entry.name);
  if (is_large) header.u16(1).u16(16).u64(0).u64(0);
  put(header.bytes());
}

void ZipWriter::member(const std::string& name, std::string_view contents) {
  const auto bytes = std::as_bytes(std::span(contents));
  Entry entry{name, written_, bytes.size(), checksum_of(0, bytes)};
  begin(entry);
  put(bytes);
  entries_.push_back(std::move(entry));
}

void ZipWriter::member(const std::string& name, std::uint64_t bytes,
                       const std::function<void(const Sink&)>& write) {
  Entry entry{name, written_, bytes, 0, true};
  begin(entry);
  std::uint64_t received = 0;
  write([&](std::span<const std::byte> piece) {
    entry.checksum = checksum_of(entry.checksum, piece);
    received += piece.size();
    put(piece);
  });
  if (received != bytes) {
    throw Error(format("zip member ", name, ": expected ", bytes, " bytes, received ", received));
  }
  Record descriptor;
  descriptor.u32(0x08074b50).u32(entry.checksum);
  if (bytes >= kLarge) {
    descriptor.u64(bytes).u64(bytes);
  } else {
    descriptor.u32(bytes).u32(bytes);
  }
  put(descriptor.bytes());
  entries_.push_back(std::move(entry));
}

void ZipWriter::close() {
  const std::uint64_t begin = written_;
  for (const Entry& entry : entries_) {
    Record extra;
    if (entry.bytes >= kLarge) extra.u64(entry.bytes).u64(entry.bytes);
    if (entry.offset >= kLarge) extra.u64(entry.offset);
    const std::size_t extra_bytes = extra.bytes().size();
    const bool is_large = extra_bytes > 0;
    Record header;
    header.u32(0x02014b50).u16(is_large ? 45 : 20).u16(is_large ? 45 : 20);
    header.u16(entry.has_descriptor ? kHasDescriptor : 0).u16(0).u16(0).u16(kFirstOfJanuary1980);
    header.u32(entry.checksum).u32(in_32_bits(entry.bytes)).u32(in_32_bits(entry.bytes));
    header.u16(entry.name.size()).u16(is_large ? extra_bytes + 4 : 0);
    header.u16(0).u16(0).u16(0).u32(0).u32(in_32_bits(entry.offset)).text(entry.name);
    if (is_large) header.u16(1).u16(extra_bytes);
    put(header.bytes());
    put(extra.bytes());
  }
  const std::uint64_t directory = written_ - begin;
  const std::uint64_t count = entries_.size();
  Record end;
  if (begin >= kLarge || directory >= kLarge) {
    const std::uint64_t at = written_;
    end.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(count).u64(count);
    end.u64(directory).u64(begin);
    end.u32(0x07064b50).u32(0).u64(at).u32(1);
  }
  end.u32(0x06054b50).u16(0).u16(0).u16(count).u16(count);
  end.u32(in_32_bits(directory)).u32(in_32_bits(begin)).u16(0);
  put(end.bytes());
}

}  // namespace stoker::io
