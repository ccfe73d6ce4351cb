#include "report/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>
#include <string_view>

namespace stoker::report {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The order of setlocale(3).
bool locale_is_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value(variable(name));
    if (value.empty()) continue;
    std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::toupper(c); });
    return value.find("UTF-8") != std::string::npos || value.find("UTF8") != std::string::npos;
  }
  return false;
}

int number_of(const char* name) {
  constexpr int kMost = 9999;
  const int value = std::atoi(std::string(variable(name)).c_str());
  return value > 0 && value <= kMost ? value : 0;
}

}  // namespace

Terminal terminal_at(int descriptor) {
  Terminal terminal{.is_unicode = locale_is_unicode(), .has_color = variable("NO_COLOR").empty()};
  const std::string_view kind = variable("TERM");
  if (isatty(descriptor) != 0 && !kind.empty() && kind != "dumb") terminal.descriptor = descriptor;
  return terminal;
}

TerminalSize size_of(const Terminal& terminal) {
  winsize found{};
  if (ioctl(terminal.descriptor, TIOCGWINSZ, &found) != 0) found = {};
  TerminalSize size{.columns = found.ws_col, .rows = found.ws_row};
  if (size.columns == 0) size.columns = number_of("COLUMNS");
  if (size.rows == 0) size.rows = number_of("LINES");
  const TerminalSize usual;
  if (size.columns == 0) size.columns = usual.columns;
  if (size.rows == 0) size.rows = usual.rows;
  return size;
}

}  // namespace stoker::report
