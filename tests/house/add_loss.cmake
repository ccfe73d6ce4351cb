# A program with the sample loss of docs/adding-things.md, for add_loss.py: the loss's files and the
# table of all losses, compiled in a scratch copy that the test makes, with the library as it is.

set(script ${CMAKE_CURRENT_SOURCE_DIR}/add_loss.py)
set(scratch ${CMAKE_CURRENT_BINARY_DIR}/add_loss)
execute_process(COMMAND ${Python3_EXECUTABLE} ${script} --files ${PROJECT_SOURCE_DIR}
  OUTPUT_VARIABLE files OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${script} --files: ${files}")
endif()
string(REPLACE "\n" ";" files "${files}")
list(FILTER files INCLUDE REGEX "\\.cpp$")
list(APPEND files src/losses/loss.cpp)
list(TRANSFORM files PREPEND ${scratch}/)
add_executable(stoker_add_loss EXCLUDE_FROM_ALL ${files})
target_include_directories(stoker_add_loss BEFORE PRIVATE
  ${scratch}/src ${scratch}/include ${scratch}/tests)
target_link_libraries(stoker_add_loss PRIVATE stoker_test_support GTest::gtest_main)
stoker_compile_options(stoker_add_loss)
set_source_files_properties(${files} PROPERTIES GENERATED TRUE)

add_test(NAME house.add_loss
  COMMAND Python3::Interpreter ${script} ${PROJECT_SOURCE_DIR} ${scratch} ${PROJECT_BINARY_DIR})
set_tests_properties(house.add_loss PROPERTIES TIMEOUT 300 RESOURCE_LOCK build_tree)
