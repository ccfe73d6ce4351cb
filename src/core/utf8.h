// UTF-8 for formats that take nothing else.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace stoker {

// Returns the text with U+FFFD in place of each byte that is no part of a valid sequence (Unicode
// 15, section 3.9, table 3-7).
std::string valid_utf8(std::string_view text);

// Returns the bytes of the character that begins the text, or 0 where no valid sequence does.
std::size_t utf8_length(std::string_view text);

}  // namespace stoker
