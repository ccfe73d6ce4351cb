# stoker_precompile(<target> <library|test>): the headers that most files of such a target take in
# are compiled once, where STOKER_PRECOMPILE is ON. A file includes what it needs all the same, which
# builds without it check.

set(stoker_precompiled_standard
  <algorithm> <array> <atomic> <charconv> <chrono> <cmath> <condition_variable> <cstdint>
  <cstring> <filesystem> <fstream> <functional> <limits> <map> <memory> <mutex> <numeric>
  <optional> <random> <set> <span> <sstream> <stdexcept> <string> <string_view> <thread> <tuple>
  <unordered_map> <unordered_set> <utility> <variant> <vector>)

function(stoker_precompile target kind)
  if(NOT STOKER_PRECOMPILE OR NOT CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    return()
  endif()
  # A cache of compiled files knows nothing of such headers.
  set_property(TARGET ${target} PROPERTY CXX_COMPILER_LAUNCHER "")
  # GCC 12 sees overlaps and bounds that are wrong in the moves of some strings (its bug 105651), and
  # says so where the string comes from such a header. Other builds keep these warnings.
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict;-Wno-array-bounds>")
  set(headers ${stoker_precompiled_standard})
  if(kind STREQUAL test)
    # Half of the time of compiling a test is optimising it, and its own code decides nothing about
    # how fast it runs. Builds without this option, and every night's, optimise tests as users do.
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-Og>")
    list(APPEND headers <gtest/gtest.h>)
    # All tests share those of the first program.
    get_property(owner GLOBAL PROPERTY stoker_precompiled_tests)
    if(owner)
      target_precompile_headers(${target} REUSE_FROM ${owner})
      return()
    endif()
    set_property(GLOBAL PROPERTY stoker_precompiled_tests ${target})
  endif()
  target_precompile_headers(${target} PRIVATE ${headers})
endfunction()
