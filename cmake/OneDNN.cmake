# Defines stoker::dnnl, in this order of preference:
#   1. STOKER_ONEDNN_ROOT, a prefix with include/ and lib/;
#   2. .deps/onednn, which scripts/setup fills from PyPI;
#   3. a oneDNN >= 3 of the system.
# The first two are bundled: linked into <build>/lib, installed into <libdir>/stoker.
# Why this oneDNN, and why the shims: docs/adr/0001-onednn-on-tbb-from-pypi.md.

set(STOKER_ONEDNN_BUNDLED FALSE)
set(stoker_onednn_root ${STOKER_ONEDNN_ROOT})
if(NOT stoker_onednn_root AND EXISTS ${PROJECT_SOURCE_DIR}/.deps/onednn/include)
  set(stoker_onednn_root ${PROJECT_SOURCE_DIR}/.deps/onednn)
endif()

if(stoker_onednn_root)
  set(STOKER_ONEDNN_BUNDLED TRUE)
  find_file(stoker_libdnnl libdnnl.so.3 PATHS ${stoker_onednn_root}
    PATH_SUFFIXES lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE}
    NO_DEFAULT_PATH NO_CACHE)
  if(NOT stoker_libdnnl)
    message(FATAL_ERROR "${stoker_onednn_root}: expected lib/libdnnl.so.3 (oneDNN 3), found none.")
  endif()
  file(REAL_PATH ${stoker_libdnnl} stoker_libdnnl)
  set(stoker_dnnl_include ${stoker_onednn_root}/include)
  execute_process(COMMAND ${CMAKE_READELF} -d ${stoker_libdnnl}
    OUTPUT_VARIABLE stoker_libdnnl_dynamic COMMAND_ERROR_IS_FATAL ANY)

  # $ORIGIN of a library is the folder of the name it was opened by, so the link is enough.
  set(stoker_dnnl_dir ${PROJECT_BINARY_DIR}/lib)
  file(MAKE_DIRECTORY ${stoker_dnnl_dir})
  file(CREATE_LINK ${stoker_libdnnl} ${stoker_dnnl_dir}/libdnnl.so.3 SYMBOLIC)
  add_library(stoker::dnnl SHARED IMPORTED GLOBAL)
  set_target_properties(stoker::dnnl PROPERTIES
    IMPORTED_LOCATION ${stoker_dnnl_dir}/libdnnl.so.3
    IMPORTED_SONAME libdnnl.so.3
    INTERFACE_INCLUDE_DIRECTORIES ${stoker_dnnl_include})

  # Stand-ins for what a oneDNN compiled by Intel's compiler wants of that compiler's runtime.
  set(stoker_shims "")
  foreach(shim IN ITEMS imf:libimf.so intlc:libintlc.so.5)
    string(REGEX MATCH "^([^:]+):(.+)$" _ ${shim})
    set(name ${CMAKE_MATCH_1})
    set(soname ${CMAKE_MATCH_2})
    string(FIND "${stoker_libdnnl_dynamic}" "[${soname}]" wanted)
    if(wanted EQUAL -1)
      continue()
    endif()
    add_library(stoker_${name} MODULE src/backend/cpu/shims/lib${name}.c)
    # -fno-builtin: memcpy stays a call of memcpy. --no-as-needed: libm is why libimf exists.
    target_compile_options(stoker_${name} PRIVATE -O2 -fno-builtin -Wall -Wextra)
    target_link_options(stoker_${name} PRIVATE
      -Wl,-soname,${soname} -Wl,--no-as-needed -Wl,-z,defs)
    if(name STREQUAL "imf")
      target_link_libraries(stoker_${name} PRIVATE m)
    endif()
    set_target_properties(stoker_${name} PROPERTIES
      PREFIX "" OUTPUT_NAME ${soname} SUFFIX ""
      LIBRARY_OUTPUT_DIRECTORY ${stoker_dnnl_dir})
    list(APPEND stoker_shims stoker_${name})
  endforeach()
  if(stoker_shims AND NOT stoker_libdnnl_dynamic MATCHES "R(UN)?PATH[^\n]*\\$ORIGIN")
    message(FATAL_ERROR
      "${stoker_libdnnl} needs libimf and libintlc beside it, and has no run path that finds them. "
      "Run scripts/setup, or: patchelf --set-rpath '$ORIGIN' ${stoker_libdnnl}")
  endif()
  if(stoker_shims)
    # Lets the linker see the shims while it links against libdnnl.
    set_property(TARGET stoker::dnnl APPEND PROPERTY
      INTERFACE_LINK_OPTIONS -Wl,-rpath-link,${stoker_dnnl_dir})
  endif()
else()
  find_package(dnnl 3 CONFIG QUIET)
  if(NOT dnnl_FOUND)
    message(FATAL_ERROR "No oneDNN 3 found. Run scripts/setup (it puts one into .deps/onednn), "
      "or set STOKER_ONEDNN_ROOT.")
  endif()
  add_library(stoker::dnnl INTERFACE IMPORTED GLOBAL)
  target_link_libraries(stoker::dnnl INTERFACE DNNL::dnnl)
  get_target_property(stoker_dnnl_include DNNL::dnnl INTERFACE_INCLUDE_DIRECTORIES)
endif()

# ---- The threading runtime ----
foreach(folder IN LISTS stoker_dnnl_include)
  if(EXISTS ${folder}/oneapi/dnnl/dnnl_config.h)
    file(STRINGS ${folder}/oneapi/dnnl/dnnl_config.h stoker_dnnl_runtime
      REGEX "#define DNNL_CPU_THREADING_RUNTIME DNNL_RUNTIME_")
  endif()
endforeach()
string(REGEX REPLACE ".*DNNL_RUNTIME_" "" stoker_dnnl_runtime "${stoker_dnnl_runtime}")
message(STATUS "oneDNN: ${stoker_onednn_root}${dnnl_DIR}, CPU runtime ${stoker_dnnl_runtime}")
if(NOT stoker_dnnl_runtime STREQUAL "TBB")
  message(WARNING
    "This oneDNN runs on '${stoker_dnnl_runtime}', not on TBB. Stoker will work, but a generator's "
    "threads that displace one of OpenMP's make each step wait at every barrier; convolutions 7 to "
    "14 times slower have been measured. scripts/setup provides a oneDNN on TBB.")
endif()
