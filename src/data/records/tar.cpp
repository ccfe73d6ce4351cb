#include "data/records/tar.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::data {
namespace {

// Names and pax headers are far shorter.
constexpr std::uint64_t kMostText = std::uint64_t{1} << 20;

// The fields of a header, as offset and length.
struct Part {
  std::size_t at;
  std::size_t bytes;
};
constexpr Part kName{0, 100};
constexpr Part kSize{124, 12};
constexpr Part kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Part kMagic{257, 5};
constexpr Part kPrefix{345, 155};

using Header = std::array<std::byte, 512>;

std::string_view text_in(const Header& header, Part part) {
  const std::string_view all(reinterpret_cast<const char*>(header.data()) + part.at, part.bytes);
  return all.substr(0, std::min(all.find('\0'), all.size()));
}

// Octal digits, or a number of base 256 whose first bit is set. Nothing for anything else.
std::optional<std::uint64_t> number_in(const Header& header, Part part) {
  const auto first = std::to_integer<std::uint8_t>(header[part.at]);
  std::uint64_t value = 0;
  if ((first & 0x80) != 0) {
    value = first & 0x7f;
    for (std::size_t i = 1; i < part.bytes; ++i) {
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | std::to_integer<std::uint64_t>(header[part.at + i]);
    }
    return value;
  }
  std::string_view digits = text_in(header, part);
  while (!digits.empty() && digits.front() == ' ') digits.remove_prefix(1);
  while (!digits.empty() && digits.back() == ' ') digits.remove_suffix(1);
  for (const char c : digits) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

bool has_checksum(const Header& header) {
  const auto stored = number_in(header, kChecksum);
  std::int64_t plain = 0, with_signs = 0;  // old programs added bytes with signs
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool is_own = i >= kChecksum.at && i < kChecksum.at + kChecksum.bytes;
    const auto byte = is_own ? std::uint8_t{' '} : std::to_integer<std::uint8_t>(header[i]);
    plain += byte;
    with_signs += static_cast<std::int8_t>(byte);
  }
  return stored && (static_cast<std::int64_t>(*stored) == plain ||
                    static_cast<std::int64_t>(*stored) == with_signs);
}

}  // namespace

void TarReader::fail(std::uint64_t offset, const std::string& what) const {
  throw IoError(format(path_, ", offset ", offset, ": ", what));
}

void TarReader::skip_rest() {
  const std::uint64_t bytes = left_ + padding_;
  if (bytes > 0 && !input_.skip(bytes)) {
    fail(header_, format("truncated: expected ", bytes, " bytes more of a member"));
  }
  offset_ += bytes;
  left_ = padding_ = 0;
}

void TarReader::read(std::span<std::byte> to) {
  if (to.size() > left_ || input_.read(to) != to.size()) {
    fail(header_, format("truncated: expected ", to.size(), " bytes more of a member"));
  }
  left_ -= to.size();
  offset_ += to.size();
}

std::string TarReader::text(std::uint64_t bytes) {
  if (bytes > kMostText) {
    fail(header_, format("expected names of at most ", kMostText, " bytes, received ", bytes));
  }
  std::string result(static_cast<std::size_t>(bytes), '\0');
  read(std::as_writable_bytes(std::span(result)));
  skip_rest();
  return result;
}

// Lines "<length> <key>=<value>\n", where the length is that of the line.
void TarReader::read_extended(std::uint64_t bytes, Extended& extended) {
  const std::string all = text(bytes);
  std::string_view left = all;
  while (!left.empty() && left.front() != '\0') {
    std::size_t length = 0, digits = 0;
    while (digits < left.size() && digits < 8 && left[digits] >= '0' && left[digits] <= '9') {
      length = 10 * length + static_cast<std::size_t>(left[digits++] - '0');
    }
    if (length <= digits + 1 || length > left.size() || left[digits] != ' ' ||
        left[length - 1] != '\n') {
      fail(header_, "expected lines of a pax header, received something else");
    }
    const std::string_view line = left.substr(digits + 1, length - digits - 2);
    left.remove_prefix(length);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) fail(header_, "expected a key in a line of a pax header");
    const std::string_view key = line.substr(0, equals), value = line.substr(equals + 1);
    if (key == "path") extended.name = std::string(value);
    if (key.starts_with("GNU.sparse.")) {
      fail(header_, "expected whole files, received a sparse one, which is not read");
    }
    if (key == "size") {
      std::uint64_t size = 0;
      if (value.empty() || value.size() > 18 ||
          value.find_first_not_of("0123456789") != std::string_view::npos) {
        fail(header_, "expected a number as size in a pax header");
      }
      for (const char c : value) size = 10 * size + static_cast<std::uint64_t>(c - '0');
      extended.bytes = size;
    }
  }
}

void TarReader::check_name(const std::string& name) const {
  if (name.empty() || name.find('\0') != std::string::npos) {
    fail(header_, "expected a member with a name");
  }
  if (name.front() == '/') {
    fail(header_,
         format("expected paths within the archive, received the absolute path \"", name, "\""));
  }
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (std::string_view(name).substr(begin, end - begin) == "..") {
      fail(header_, format("expected paths within the archive, received \"", name,
                           "\", which leads out of it"));
    }
    begin = end + 1;
  }
}

std::optional<TarMember> TarReader::next() {
  Extended extended;
  for (;;) {
    skip_rest();
    header_ = offset_;
    Header header;
    const std::size_t read = input_.read(header);
    offset_ += read;
    if (read < kBlock) {
      fail(header_, read == 0 && header_ > 0
                        ? "truncated: expected blocks of zeros at the end of the archive"
                        : "expected the header of a tar archive, received fewer than 512 bytes");
    }
    if (std::ranges::all_of(header, [](std::byte b) { return b == std::byte{0}; })) {
      return std::nullopt;
    }
    if (!has_checksum(header)) {
      fail(header_, "expected the header of a member, received one with a wrong checksum");
    }
    const auto size = number_in(header, kSize);
    if (!size) fail(header_, "expected a size in the header, received something else");
    const char type = static_cast<char>(header[kType]);
    const auto set_data = [&](std::uint64_t bytes) {
      if (bytes > std::uint64_t{1} << 62) fail(header_, "expected members of less than 2^62 bytes");
      left_ = bytes;
      padding_ = (kBlock - bytes % kBlock) % kBlock;
    };
    if (type == 'L' || type == 'x' || type == 'g' || type == 'K') {
      set_data(*size);
      if (type == 'L') {
        std::string name = text(*size);
        extended.name = name.substr(0, std::min(name.find('\0'), name.size()));
      } else if (type == 'x') {
        read_extended(*size, extended);
      } else {
        text(*size);  // names of links, which are refused, and what is said of all members
      }
      continue;
    }
    std::string name(text_in(header, kName));
    const bool is_ustar = text_in(header, kMagic).starts_with("ustar");
    const std::string_view prefix = text_in(header, kPrefix);
    // GNU's own format has other fields at that place, and says so by spaces behind the magic.
    if (is_ustar && header[kMagic.at + 5] == std::byte{0} && !prefix.empty()) {
      name = format(prefix, "/", name);
    }
    if (extended.name) name = *extended.name;
    const std::uint64_t bytes = extended.bytes.value_or(*size);
    extended = {};
    check_name(name);
    const bool is_folder = type == '5' || ((type == '0' || type == '\0') && name.back() == '/');
    if (is_folder) {
      set_data(type == '5' ? 0 : bytes);
      continue;
    }
    if (type != '0' && type != '\0' && type != '7') {
      fail(header_, format("expected regular files and folders, received \"", name, "\", which is ",
                           type == '1' || type == '2' ? "a link"
                           : type == 'S'              ? "a sparse file"
                                                      : "something else",
                           ", and is never followed"));
    }
    set_data(bytes);
    return TarMember{std::move(name), offset_, bytes};
  }
}

}  // namespace stoker::data
