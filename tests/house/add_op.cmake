# Programs with the sample op of docs/adding-things.md, for add_op.py: what the op's files make, and
# what holds a table of all ops, compiled in a scratch copy that the test makes, and linked with the
# library and the tests as they are.

set(scratch ${CMAKE_CURRENT_BINARY_DIR}/add_op)
set(page ${PROJECT_SOURCE_DIR}/docs/adding-things.md)
set(script ${CMAKE_CURRENT_SOURCE_DIR}/add_op.py)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page} ${script})

# stoker_add_op_list(<variable> <option>): what add_op.py prints, as sources of the scratch copy.
function(stoker_add_op_list variable option)
  execute_process(COMMAND ${Python3_EXECUTABLE} ${script} ${option} ${PROJECT_SOURCE_DIR}
    OUTPUT_VARIABLE lines OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${script} ${option}: ${lines}")
  endif()
  string(REPLACE "\n" ";" lines "${lines}")
  list(TRANSFORM lines PREPEND ${scratch}/)
  set(${variable} ${lines} PARENT_SCOPE)
endfunction()
stoker_add_op_list(files --files)
stoker_add_op_list(tables --tables)
set(sources ${files} ${tables})
list(FILTER sources INCLUDE REGEX "\\.cpp$")
set(cuda_sources ${sources})
list(FILTER sources EXCLUDE REGEX "/src/backend/cuda/")
list(FILTER cuda_sources INCLUDE REGEX "/src/backend/cuda/")

# The other tests of ops are those of the build.
set(recompiled ${tables})
list(FILTER recompiled INCLUDE REGEX "/tests/ops/")
list(TRANSFORM recompiled REPLACE ".*/([a-z_]+)[.]cpp$" "\\1")
list(JOIN recompiled "|" recompiled)
set(objects "$<FILTER:$<TARGET_OBJECTS:stoker_ops_tests>,EXCLUDE,/(${recompiled})[.]cpp>")

function(stoker_add_op_program program)
  add_executable(${program} EXCLUDE_FROM_ALL ${ARGN} ${objects})
  target_include_directories(${program} BEFORE PRIVATE
    ${scratch}/src ${scratch}/include ${scratch}/tests)
  stoker_compile_options(${program})
  set_source_files_properties(${ARGN} PROPERTIES GENERATED TRUE)
endfunction()

stoker_add_op_program(stoker_add_op_cpu ${sources})
target_link_libraries(stoker_add_op_cpu PRIVATE stoker_test_support GTest::gtest_main)
add_custom_target(stoker_add_op_base DEPENDS stoker stoker_ops_tests stoker_test_support_objects)
set(cuda "")
if(stoker_use_cuda)
  # The op's kernel, and the one that begins every step.
  set(kernels ${files})
  list(FILTER kernels INCLUDE REGEX "\\.cuh$")
  set(includes "#include \"backend/cuda/frame/ingest.cuh\"\n")
  set(own_includes "")
  foreach(kernel IN LISTS kernels)
    string(APPEND own_includes "#include \"${kernel}\"\n")
  endforeach()
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/add_op_generated)
  file(CONFIGURE OUTPUT ${generated}/emulated_kernels.h CONTENT "${includes}${own_includes}")
  file(CONFIGURE OUTPUT ${generated}/kernel.cu CONTENT "${own_includes}")
  set(emulation ${scratch}/tests/backend/cuda)
  stoker_add_op_program(stoker_add_op_cuda ${sources} ${cuda_sources}
    ${emulation}/emulation/main.cpp ${emulation}/emulation/kernels.cpp
    ${emulation}/emulated/every_op_test.cpp)
  target_sources(stoker_add_op_cuda PRIVATE ${generated}/kernel.cu)
  target_include_directories(stoker_add_op_cuda BEFORE PRIVATE ${generated})
  target_link_libraries(stoker_add_op_cuda PRIVATE stoker_emulation GTest::gtest)
  set_target_properties(stoker_add_op_cuda PROPERTIES CUDA_ARCHITECTURES 75-real)
  add_dependencies(stoker_add_op_base stoker_emulation)
  set(cuda --cuda)
endif()

add_test(NAME house.add_op_self_test COMMAND Python3::Interpreter ${script} --self-test)
add_test(NAME house.add_op
  COMMAND Python3::Interpreter ${script} ${PROJECT_SOURCE_DIR} ${scratch} ${PROJECT_BINARY_DIR} ${cuda})
set_tests_properties(house.add_op PROPERTIES TIMEOUT 900 RESOURCE_LOCK build_tree)
