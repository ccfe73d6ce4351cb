# libsndfile, for WAV and FLAC. Debian's package has a file for pkg-config only, so the library is
# looked for directly. An installed Stoker includes this file too.
if(NOT TARGET stoker::sndfile)
  find_path(stoker_sndfile_include sndfile.h)
  find_library(stoker_sndfile_library NAMES sndfile)
  mark_as_advanced(stoker_sndfile_include stoker_sndfile_library)
  if(NOT stoker_sndfile_include OR NOT stoker_sndfile_library)
    message(FATAL_ERROR "Stoker needs libsndfile (Debian: libsndfile1-dev).")
  endif()
  add_library(stoker::sndfile UNKNOWN IMPORTED GLOBAL)
  set_target_properties(stoker::sndfile PROPERTIES
    IMPORTED_LOCATION "${stoker_sndfile_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${stoker_sndfile_include}")
endif()
