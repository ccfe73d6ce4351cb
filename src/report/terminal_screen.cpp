#include "report/terminal_screen.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cwchar>
#include <system_error>
#include <utility>

// X/Open's wide characters.
#define NCURSES_WIDECHAR 1
// Curses's macros for names such as "erase" and "move" would stand in the way of C++'s.
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <term.h>
#undef columns
#undef lines
#undef tab

#include "report/columns.h"

namespace stoker::report {
namespace {

// ncurses has one state for all threads.
std::atomic<bool> is_in_use{false};

// ncurses asks the locale of its thread how wide characters are, and how they are written.
class LocaleScope {
 public:
  explicit LocaleScope(locale_t locale)
      : before_(locale == nullptr ? nullptr : uselocale(locale)) {}
  ~LocaleScope() {
    if (before_ != nullptr) uselocale(before_);
  }
  LocaleScope(const LocaleScope&) = delete;
  LocaleScope& operator=(const LocaleScope&) = delete;

 private:
  locale_t before_;
};

// newterm() sets handlers of its own, which call what is not safe in handlers; TerminalGuard is
// there for that.
class KeptHandlers {
 public:
  KeptHandlers() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], nullptr, &before_[i]);
  }
  ~KeptHandlers() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  KeptHandlers(const KeptHandlers&) = delete;
  KeptHandlers& operator=(const KeptHandlers&) = delete;

 private:
  static constexpr std::array<int, 4> kSignals = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
  std::array<struct sigaction, kSignals.size()> before_;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File copy_of(int descriptor, const char* mode) {
  const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return nullptr;
  std::FILE* file = fdopen(copy, mode);
  if (file == nullptr) ::close(copy);
  return File(file);
}

std::string sequence(const char* name) {
  const char* found = tigetstr(name);
  // A terminal without it answers null, or -1 as a pointer where the name is not a string's.
  return found == nullptr || found == reinterpret_cast<const char*>(-1) ? "" : found;
}

std::wstring wide(std::string_view text) {
  std::wstring characters;
  while (!text.empty()) characters += static_cast<wchar_t>(take_character(text));
  return characters;
}

}  // namespace

struct TerminalScreen::Curses {
  Curses() = default;
  ~Curses() {
    if (screen != nullptr) {
      const LocaleScope scope(locale);
      delscreen(screen);
    }
    if (locale != nullptr) freelocale(locale);
    is_in_use = false;
  }
  Curses(const Curses&) = delete;
  Curses& operator=(const Curses&) = delete;

  attr_t attributes_of(Style style) const {
    if (style == Style::bold) return A_BOLD;
    if (style == Style::dim) return A_DIM;
    return A_NORMAL;
  }
  short color_of(Style style) const {
    return has_colors && style > Style::dim ? static_cast<short>(style) : short{0};
  }

  Terminal terminal;
  File out, in;
  SCREEN* screen = nullptr;
  locale_t locale = nullptr;
  bool has_colors = false;
  bool has_keyboard = false;
  bool repaints = false;
  TerminalSize drawn{};
};

std::unique_ptr<TerminalScreen> TerminalScreen::open(const Terminal& terminal,
                                                     bool guards_interrupt) {
  if (!terminal.is_there()) return nullptr;
  const pid_t group = tcgetpgrp(terminal.descriptor);
  if (group >= 0 && group != getpgrp()) return nullptr;
  if (is_in_use.exchange(true)) return nullptr;
  auto curses = std::make_unique<Curses>();
  curses->terminal = terminal;
  curses->out = copy_of(terminal.descriptor, "w");
  curses->has_keyboard = isatty(STDIN_FILENO) != 0;
  curses->in = copy_of(curses->has_keyboard ? STDIN_FILENO : terminal.descriptor, "r");
  if (!curses->out || !curses->in) return nullptr;
  // The descriptor that was given goes to the pipe of OutputCapture soon.
  curses->terminal.descriptor = fileno(curses->out.get());
  if (terminal.is_unicode) curses->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);

  TerminalModes modes{.descriptor = fileno(curses->out.get())};
  if (tcgetattr(modes.descriptor, &modes.before) != 0) return nullptr;
  const LocaleScope scope(curses->locale);
  {
    const KeptHandlers kept;
    curses->screen = newterm(nullptr, curses->out.get(), curses->in.get());
  }
  if (curses->screen == nullptr) return nullptr;
  if (sequence("cup").empty()) {  // It can't move the cursor.
    endwin();
    return nullptr;
  }
  cbreak();
  noecho();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  leaveok(stdscr, TRUE);
  curs_set(0);
  if (terminal.has_color && ::has_colors() && start_color() == OK && use_default_colors() == OK) {
    // In the order of Style.
    constexpr std::array<short, kStyles> kColors = {
        -1,           -1,        -1,         COLOR_GREEN,   COLOR_WHITE,
        COLOR_YELLOW, COLOR_RED, COLOR_BLUE, COLOR_MAGENTA, COLOR_CYAN};
    for (short pair = static_cast<short>(Style::green); pair < kStyles; ++pair) {
      init_pair(pair, kColors[static_cast<std::size_t>(pair)], -1);
    }
    curses->has_colors = true;
  }
  refresh();
  modes.enter = sequence("smcup") + sequence("smkx") + sequence("civis");
  modes.leave = sequence("sgr0") + sequence("cnorm") + sequence("rmkx") + sequence("rmcup");
  if (sequence("rmcup").empty()) modes.leave += "\r\n";
  tcgetattr(modes.descriptor, &modes.during);
  try {
    return std::unique_ptr<TerminalScreen>(
        new TerminalScreen(std::move(curses), modes, guards_interrupt));
  } catch (const std::system_error&) {
    endwin();
    return nullptr;
  }
}

TerminalScreen::TerminalScreen(std::unique_ptr<Curses> curses, const TerminalModes& modes,
                               bool guards_interrupt)
    : curses_(std::move(curses)), guard_(modes, output_, guards_interrupt) {}

TerminalScreen::~TerminalScreen() { close(); }

void TerminalScreen::close() {
  if (!std::exchange(is_open_, false)) return;
  const LocaleScope scope(curses_->locale);
  if (guard_.close()) endwin();
}

TerminalSize TerminalScreen::size() const { return size_of(curses_->terminal); }

int TerminalScreen::keyboard() const {
  return curses_->has_keyboard ? fileno(curses_->in.get()) : -1;
}

void TerminalScreen::repaint() { curses_->repaints = true; }

void TerminalScreen::draw(const std::vector<Line>& lines_to_show) {
  const TerminalGuard::Frame frame = guard_.begin_frame();
  if (frame == TerminalGuard::Frame::none) return;
  Curses& curses = *curses_;
  const LocaleScope scope(curses.locale);
  const TerminalSize now = size();
  if (now.columns != curses.drawn.columns || now.rows != curses.drawn.rows) {
    resizeterm(now.rows, now.columns);
    curses.drawn = now;
    curses.repaints = true;
  }
  if (frame == TerminalGuard::Frame::repaint || std::exchange(curses.repaints, false)) {
    clearok(curscr, TRUE);
  }
  erase();
  for (int row = 0; row < now.rows && row < static_cast<int>(lines_to_show.size()); ++row) {
    move(row, 0);
    for (const Piece& piece : lines_to_show[static_cast<std::size_t>(row)]) {
      attr_set(curses.attributes_of(piece.style), curses.color_of(piece.style), nullptr);
      addwstr(wide(piece.text).c_str());
    }
  }
  attr_set(A_NORMAL, 0, nullptr);
  refresh();
  guard_.end_frame();
}

char TerminalScreen::key() {
  if (!curses_->has_keyboard) return 0;
  const TerminalGuard::Frame frame = guard_.begin_frame();
  if (frame == TerminalGuard::Frame::none) return 0;
  if (frame == TerminalGuard::Frame::repaint) curses_->repaints = true;
  const int found = getch();
  guard_.end_frame();
  return found > 0 && found < 0x80 ? static_cast<char>(found) : '\0';
}

}  // namespace stoker::report
