# stoker_compile_options(<target>): language level, warnings and sanitizers of all our code.
# stoker_add_programs(<glob> [libraries...]): one executable for each file.

function(stoker_compile_options target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON)
  # nvcc hands its own intermediate code to the host compiler, which is not ours to warn about.
  set(host "$<COMPILE_LANGUAGE:C,CXX>")
  target_compile_options(${target} PRIVATE "$<${host}:-Wall;-Wextra;-Wpedantic>")
  if(STOKER_WERROR)
    target_compile_options(${target} PRIVATE "$<${host}:-Werror>")
  endif()
  if(STOKER_SANITIZE)
    target_compile_options(${target} PRIVATE
      "$<${host}:-fsanitize=${STOKER_SANITIZE};-fno-sanitize-recover=all;-fno-omit-frame-pointer>")
    # Public: whatever links an instrumented library needs the sanitizer's runtime.
    target_link_options(${target} PUBLIC -fsanitize=${STOKER_SANITIZE})
  endif()
endfunction()

function(stoker_add_programs pattern)
  file(GLOB programs CONFIGURE_DEPENDS ${pattern})
  foreach(program IN LISTS programs)
    get_filename_component(name ${program} NAME_WE)
    add_executable(${name} ${program})
    target_link_libraries(${name} PRIVATE stoker::stoker ${ARGN})
    stoker_compile_options(${name})
  endforeach()
endfunction()
