// What is known of the terminal that a display writes to.
#pragma once

namespace stoker::report {

struct Terminal {
  int descriptor = -1;     // of the output; below 0 where that is no terminal
  bool is_unicode = true;  // whether characters beyond ASCII are shown
  bool has_color = true;

  bool is_there() const { return descriptor >= 0; }
};

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};

// Looks at a descriptor and at the environment. A terminal that can do nothing but print (TERM is
// "dumb" or not set) counts as none. The locale says by its name whether characters beyond ASCII
// are shown (LC_ALL, LC_CTYPE, LANG: the first that is set), and NO_COLOR, where it is not empty,
// asks for no colours.
Terminal terminal_at(int descriptor);

// Returns the size at present. Where the terminal does not tell, it is that of COLUMNS and LINES,
// and 80 by 24 where the environment does not have them either.
TerminalSize size_of(const Terminal& terminal);

}  // namespace stoker::report
