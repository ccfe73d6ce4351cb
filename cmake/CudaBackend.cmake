# Links src/backend/cuda or, where that is absent or not wanted, src/backend/cuda_absent.

set(stoker_cuda_backend ${PROJECT_SOURCE_DIR}/src/backend/cuda)
set(stoker_use_cuda FALSE)
file(GLOB_RECURSE stoker_cuda_sources CONFIGURE_DEPENDS
  ${stoker_cuda_backend}/*.cpp ${stoker_cuda_backend}/*.cu src/device/cuda/*.cpp src/device/cuda/*.cu)

if(stoker_cuda_sources AND NOT STOKER_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND)
    set(stoker_use_cuda TRUE)
  elseif(STOKER_CUDA STREQUAL "ON")
    message(FATAL_ERROR "STOKER_CUDA=ON, but no CUDA toolkit was found.")
  endif()
elseif(STOKER_CUDA STREQUAL "ON")
  message(NOTICE "STOKER_CUDA=ON, but this version has no CUDA backend yet: building for the CPU.")
endif()

if(stoker_use_cuda)
  enable_language(CUDA)
  list(APPEND stoker_sources ${stoker_cuda_sources})
else()
  file(GLOB_RECURSE stoker_cuda_absent CONFIGURE_DEPENDS src/backend/cuda_absent/*.cpp)
  list(APPEND stoker_sources ${stoker_cuda_absent})
endif()
