// Text as a terminal shows it: in columns, and without anything that the terminal would obey.
#pragma once

#include <string>
#include <string_view>

namespace stoker::report {

// Takes the next character off a text in UTF-8. A byte that begins none counts as U+FFFD.
char32_t take_character(std::string_view& text);

// Returns the columns of a character: 2 for those of East Asia and emoji, 0 for marks that combine
// with the one before, and -1 for what can't be shown. It does not depend on the program's locale.
int columns_of(char32_t character);
// Returns the columns of a text that printable() has made.
int columns_of(std::string_view text);

// Returns the text with control characters in caret notation ("^[" for an escape), so that a
// terminal shows them instead of obeying. What is no UTF-8, can't be shown, or would turn the
// direction of the text around is replaced by "�". For a terminal without Unicode all but ASCII is
// replaced by "?".
std::string printable(std::string_view text, bool is_unicode);
// Returns the same with control characters alone replaced, for files.
std::string without_controls(std::string_view text);

// Returns the beginning of a printable text that fits so many columns, with an ellipsis where that
// is not all of it.
std::string shortened(std::string_view text, int columns, bool is_unicode);

}  // namespace stoker::report
