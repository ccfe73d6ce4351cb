# The libraries behind model files: HDF5's serial C library, libzip, and ISA-L for checksums.
# Debian's own package file of libzip asks for programs that it does not install, CMake's module for
# HDF5 asks a compiler wrapper, and ISA-L has none, so they are looked for directly. An installed Stoker includes this file too.
if(NOT TARGET stoker::hdf5)
  find_path(stoker_hdf5_include hdf5.h PATH_SUFFIXES hdf5/serial)
  find_library(stoker_hdf5_library NAMES hdf5_serial hdf5 PATH_SUFFIXES hdf5/serial)
  mark_as_advanced(stoker_hdf5_include stoker_hdf5_library)
  if(NOT stoker_hdf5_include OR NOT stoker_hdf5_library)
    message(FATAL_ERROR "Stoker needs HDF5's C library (Debian: libhdf5-dev).")
  endif()
  add_library(stoker::hdf5 UNKNOWN IMPORTED GLOBAL)
  set_target_properties(stoker::hdf5 PROPERTIES
    IMPORTED_LOCATION "${stoker_hdf5_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${stoker_hdf5_include}")
endif()

if(NOT TARGET stoker::zip)
  find_path(stoker_zip_include zip.h)
  find_library(stoker_zip_library NAMES zip)
  mark_as_advanced(stoker_zip_include stoker_zip_library)
  if(NOT stoker_zip_include OR NOT stoker_zip_library)
    message(FATAL_ERROR "Stoker needs libzip (Debian: libzip-dev).")
  endif()
  add_library(stoker::zip UNKNOWN IMPORTED GLOBAL)
  set_target_properties(stoker::zip PROPERTIES
    IMPORTED_LOCATION "${stoker_zip_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${stoker_zip_include}")
endif()

if(NOT TARGET stoker::isal)
  find_path(stoker_isal_include isa-l/crc.h)
  find_library(stoker_isal_library NAMES isal)
  mark_as_advanced(stoker_isal_include stoker_isal_library)
  if(NOT stoker_isal_include OR NOT stoker_isal_library)
    message(FATAL_ERROR "Stoker needs ISA-L (Debian: libisal-dev).")
  endif()
  add_library(stoker::isal UNKNOWN IMPORTED GLOBAL)
  set_target_properties(stoker::isal PROPERTIES
    IMPORTED_LOCATION "${stoker_isal_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${stoker_isal_include}")
endif()
