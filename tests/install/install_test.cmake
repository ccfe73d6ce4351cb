# Run by ctest with cmake -P; the variables come from CMakeLists.txt beside this file.
# The prefix is moved after the install, so that nothing in it may remember where it was.

set(ENV{LD_LIBRARY_PATH} "")
set(prefix ${WORK_DIR}/prefix)
file(REMOVE_RECURSE ${WORK_DIR})

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "ended with ${result}: ${ARGV}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/first_prefix)
file(RENAME ${WORK_DIR}/first_prefix ${prefix})

set(flags "")
if(SANITIZE)
  set(flags "-fsanitize=${SANITIZE}")
endif()
# A stranger's project: its own CMakeLists.txt, the first example, and a program that needs the
# helper that was installed.
file(COPY ${CONSUMER_DIR}/CMakeLists.txt ${CONSUMER_DIR}/isolated.cpp
  ${CONSUMER_DIR}/own.cpp DESTINATION ${WORK_DIR}/consumer)
configure_file(${EXAMPLE} ${WORK_DIR}/consumer/main.cpp COPYONLY)
run(${CMAKE_COMMAND} -S ${WORK_DIR}/consumer -B ${WORK_DIR}/build -G ${CMAKE_GENERATOR}
  -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
  -DCMAKE_CXX_FLAGS=${flags}
  -DCMAKE_PREFIX_PATH=${prefix}
  # A machine without the toolkit that the library was built with.
  -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON
  -Ddnnl_DIR=${DNNL_DIR})  # of a system oneDNN; empty where ours is bundled
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/consumer)
run(${CMAKE_COMMAND} -E env STOKER_DEVICE=cpu ${WORK_DIR}/build/own)
if(NOT DNNL_DIR)  # The helper is found beside the oneDNN that was installed with it.
  run(${CMAKE_COMMAND} -E chdir ${WORK_DIR} ${WORK_DIR}/build/isolated)
endif()
