# Defaults of a build of Stoker itself; a project that embeds Stoker keeps its own.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(STOKER_CCACHE ccache DOC "Compiler cache, used where there is one")
mark_as_advanced(STOKER_CCACHE)
if(STOKER_CCACHE)
  foreach(language C CXX)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${STOKER_CCACHE})
    endif()
  endforeach()
endif()
