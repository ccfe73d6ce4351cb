# libdeflate, for PNG. Debian's package has a file for pkg-config only, so the library is looked for
# directly. An installed Stoker includes this file too.
if(NOT TARGET stoker::deflate)
  find_path(stoker_deflate_include libdeflate.h)
  find_library(stoker_deflate_library NAMES deflate)
  mark_as_advanced(stoker_deflate_include stoker_deflate_library)
  if(NOT stoker_deflate_include OR NOT stoker_deflate_library)
    message(FATAL_ERROR "Stoker needs libdeflate (Debian: libdeflate-dev).")
  endif()
  add_library(stoker::deflate UNKNOWN IMPORTED GLOBAL)
  set_target_properties(stoker::deflate PROPERTIES
    IMPORTED_LOCATION "${stoker_deflate_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${stoker_deflate_include}")
endif()
