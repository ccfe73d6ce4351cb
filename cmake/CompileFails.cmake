# stoker_add_compile_fails_test(<folder> <source>)
# A source that must be refused by the compiler, with the message that its first line names:
#   // expect: <regular expression of CMake>

function(stoker_add_compile_fails_test folder source)
  file(STRINGS ${source} first_line LIMIT_COUNT 1)
  if(NOT first_line MATCHES "^// expect: (.+)$")
    message(FATAL_ERROR "${source}: expected the first line to be `// expect: <message>`, "
      "received `${first_line}`.")
  endif()
  set(expected ${CMAKE_MATCH_1})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  get_filename_component(name ${source} NAME_WE)
  add_test(NAME ${folder}.${name}
    COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only
      -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/src ${source})
  # With this property ctest looks at the output only: the test passes when it has the message.
  set_tests_properties(${folder}.${name} PROPERTIES PASS_REGULAR_EXPRESSION "error: [^\n]*${expected}")
endfunction()
