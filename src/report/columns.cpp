#include "report/columns.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>

namespace stoker::report {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// wcwidth() answers for the locale of its thread, and a program's is "C" unless it says otherwise.
int width_in_utf8(char32_t character) {
  static const locale_t utf8 = [] {
    for (const char* name : {"C.UTF-8", "C.utf8", "en_US.UTF-8"}) {
      if (const locale_t found = newlocale(LC_CTYPE_MASK, name, nullptr)) return found;
    }
    return static_cast<locale_t>(nullptr);
  }();
  if (utf8 == nullptr) return 1;
  const locale_t before = uselocale(utf8);
  const int width = wcwidth(static_cast<wchar_t>(character));
  uselocale(before);
  return width;
}

bool is_control(char32_t character) { return character < 0x20 || character == 0x7F; }

// Whether the character changes the direction of the text around it, or separates lines.
bool changes_layout(char32_t character) {
  return character == 0x061C || character == 0x200E || character == 0x200F ||
         (character >= 0x2028 && character <= 0x202E) ||
         (character >= 0x2066 && character <= 0x2069);
}

void append_caret(std::string& to, char32_t control) {
  to += '^';
  to += static_cast<char>(control ^ 0x40);
}

}  // namespace

char32_t take_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(0);
  const std::size_t size = first < 0x80                     ? 1
                           : first >= 0xC2 && first <= 0xDF ? 2
                           : (first & 0xF0) == 0xE0         ? 3
                           : first >= 0xF0 && first <= 0xF4 ? 4
                                                            : 0;
  char32_t character = size == 1 ? first : first & (0xFFU >> (size + 1));
  bool is_whole = size > 0;
  for (std::size_t i = 1; i < size && is_whole; ++i) {
    is_whole = (byte(i) & 0xC0) == 0x80;
    character = character << 6 | (byte(i) & 0x3F);
  }
  const bool is_overlong = (size == 3 && character < 0x800) || (size == 4 && character < 0x10000);
  const bool is_surrogate = character >= 0xD800 && character <= 0xDFFF;
  if (!is_whole || is_overlong || is_surrogate || character > 0x10FFFF) {
    text.remove_prefix(1);
    return kReplacement;
  }
  text.remove_prefix(size);
  return character;
}

int columns_of(char32_t character) {
  if (character < 0x7F) return character < 0x20 ? -1 : 1;
  return width_in_utf8(character);
}

int columns_of(std::string_view text) {
  int columns = 0;
  while (!text.empty()) columns += std::max(0, columns_of(take_character(text)));
  return columns;
}

std::string printable(std::string_view text, bool is_unicode) {
  std::string shown;
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t character = take_character(text);
    if (is_control(character)) {
      append_caret(shown, character);
    } else if (character < 0x7F) {
      shown += static_cast<char>(character);
    } else if (!is_unicode) {
      shown += '?';
    } else if (character == kReplacement || changes_layout(character) ||
               columns_of(character) < 0) {
      shown += "\uFFFD";
    } else {
      shown += before.substr(0, before.size() - text.size());
    }
  }
  return shown;
}

std::string without_controls(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_control(byte)) {
      append_caret(shown, byte);
    } else {
      shown += c;
    }
  }
  return shown;
}

std::string shortened(std::string_view text, int columns, bool is_unicode) {
  if (columns_of(text) <= columns) return std::string(text);
  const std::string_view ellipsis = is_unicode ? "…" : "...";
  int left = columns - columns_of(ellipsis);
  if (left < 0) return std::string(static_cast<std::size_t>(std::max(0, columns)), '.');
  std::string_view rest = text;
  std::size_t size = 0;
  while (!rest.empty()) {
    left -= std::max(0, columns_of(take_character(rest)));
    if (left < 0) break;
    size = text.size() - rest.size();
  }
  return std::string(text.substr(0, size)) + std::string(ellipsis);
}

}  // namespace stoker::report
