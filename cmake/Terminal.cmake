# ncurses with wide characters, for the live view in the terminal. An installed Stoker includes this
# file too.
if(NOT TARGET stoker::curses)
  set(CURSES_NEED_NCURSES TRUE)
  set(CURSES_NEED_WIDE TRUE)
  find_package(Curses QUIET)
  if(NOT CURSES_FOUND)
    message(FATAL_ERROR "Stoker needs ncurses with wide characters (Debian: libncurses-dev).")
  endif()
  # The module also finds the library for forms.
  list(FILTER CURSES_LIBRARIES EXCLUDE REGEX "form")
  add_library(stoker::curses INTERFACE IMPORTED GLOBAL)
  target_include_directories(stoker::curses INTERFACE ${CURSES_INCLUDE_DIRS})
  target_link_libraries(stoker::curses INTERFACE ${CURSES_LIBRARIES})
endif()
