# Links src/backend/cuda and src/device/cuda or, where CUDA is absent or not wanted,
# src/backend/cuda_absent. Why cuDNN's headers come from where they do: docs/adr/0010.

set(stoker_use_cuda FALSE)
set(stoker_cuda_missing "")
set(stoker_cudnn_frontend ${PROJECT_SOURCE_DIR}/.deps/cudnn_frontend/include)

if(NOT STOKER_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit 13 QUIET)
  if(CUDAToolkit_FOUND)
    find_path(STOKER_CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS}
      DOC "Folder of cudnn.h")
    mark_as_advanced(STOKER_CUDNN_INCLUDE)
    if(NOT EXISTS "${CUDAToolkit_NVCC_EXECUTABLE}")
      set(stoker_cuda_missing "the CUDA toolkit's compiler, nvcc")
    elseif(NOT STOKER_CUDNN_INCLUDE)
      set(stoker_cuda_missing "cuDNN's header, cudnn.h")
    elseif(NOT EXISTS ${stoker_cudnn_frontend}/cudnn_frontend.h)
      set(stoker_cuda_missing "cudnn_frontend.h in .deps/cudnn_frontend (run scripts/setup)")
    else()
      set(stoker_use_cuda TRUE)
    endif()
  else()
    set(stoker_cuda_missing "a CUDA toolkit of version 13 or newer")
  endif()
  if(NOT stoker_use_cuda AND STOKER_CUDA STREQUAL "ON")
    message(FATAL_ERROR "STOKER_CUDA=ON, but this was not found: ${stoker_cuda_missing}.")
  endif()
endif()

if(stoker_use_cuda)
  # Machine code for these; whatever else is 9.0 or later compiles 9.0's PTX at its first start.
  set(STOKER_CUDA_ARCHITECTURES "75-real;80-real;86-real;89-real;90;100-real;120-real"
    CACHE STRING "GPU architectures to compile our own kernels for")
  set(CMAKE_CUDA_ARCHITECTURES ${STOKER_CUDA_ARCHITECTURES})
  if(NOT CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
  endif()
  enable_language(CUDA)
  set_target_properties(stoker PROPERTIES CUDA_ARCHITECTURES "${STOKER_CUDA_ARCHITECTURES}")
  message(STATUS "CUDA ${CUDAToolkit_VERSION}: ${STOKER_CUDA_ARCHITECTURES}")
  file(GLOB_RECURSE stoker_cuda_sources CONFIGURE_DEPENDS
    src/backend/cuda/*.cpp src/device/cuda/*.cpp)
  list(APPEND stoker_sources ${stoker_cuda_sources})
  # Our kernels, in four sources: nvcc spends more time on headers than on a kernel.
  file(GLOB stoker_kernels RELATIVE ${PROJECT_SOURCE_DIR}/src CONFIGURE_DEPENDS
    src/backend/cuda/ops/*.cuh src/backend/cuda/frame/*.cuh)
  set(stoker_kernel_groups "")
  foreach(group RANGE 3)
    set(stoker_includes_${group} "")
  endforeach()
  set(group 0)
  foreach(kernel IN LISTS stoker_kernels)
    string(APPEND stoker_includes_${group} "#include \"${kernel}\"\n")
    math(EXPR group "(${group} + 1) % 4")
  endforeach()
  foreach(group RANGE 3)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/generated/kernels_${group}.cu)
    file(CONFIGURE OUTPUT ${source} CONTENT "${stoker_includes_${group}}")
    list(APPEND stoker_kernel_groups ${source})
  endforeach()
  list(APPEND stoker_sources ${stoker_kernel_groups})
  # What generated kernels include, by name; NVRTC gets these texts from the library.
  set(stoker_device_headers
    include/stoker/detail/float_bits.h
    include/stoker/detail/host_device.h
    include/stoker/detail/philox.h
    src/plan/scalars.h
    src/backend/cuda/kernels/blocks.cuh
    src/backend/cuda/kernels/numbers.cuh
    src/backend/cuda/kernels/philox.cuh
    src/backend/cuda/kernels/pointwise_loops.cuh
    src/backend/cuda/kernels/reduce_loops.cuh
    src/backend/cuda/kernels/scalars.cuh
    src/backend/cuda/kernels/tiling.h
    src/backend/cuda/codegen/nvrtc/cstdint)
  list(TRANSFORM stoker_device_headers PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE stoker_device_files)
  list(TRANSFORM stoker_device_headers REPLACE "^(include|src/backend/cuda/codegen/nvrtc|src)/" ""
    OUTPUT_VARIABLE stoker_device_names)
  set(stoker_embedded ${CMAKE_CURRENT_BINARY_DIR}/generated/device_headers.cpp)
  stoker_embed_files(${stoker_embedded} HEADER backend/cuda/codegen/device_headers.h
    NAMESPACE stoker::backend::cuda TYPE DeviceHeader FUNCTION device_headers
    FILES ${stoker_device_files} NAMES ${stoker_device_names})
  list(APPEND stoker_sources ${stoker_embedded})
  # Half a minute of templates at -O2, which run once a plan.
  set_source_files_properties(src/backend/cuda/runtime/cudnn_plan.cpp PROPERTIES COMPILE_OPTIONS -O1)
  # Registers that do not suffice are a mistake, not a matter of speed.
  target_compile_options(stoker PRIVATE
    "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xptxas --warn-on-spills,--warning-as-error>")
  target_include_directories(stoker SYSTEM PRIVATE
    ${stoker_cudnn_frontend} ${STOKER_CUDNN_INCLUDE} ${CUDAToolkit_INCLUDE_DIRS})
  # Static: a program starts without any of CUDA on its machine. Everything else is loaded at run
  # time, by src/device/cuda/libraries.cpp.
  # It is installed beside libstoker, so that whoever links an installed Stoker needs no toolkit.
  get_target_property(stoker_cudart CUDA::cudart_static IMPORTED_LOCATION)
  add_library(stoker::cudart STATIC IMPORTED GLOBAL)
  set_target_properties(stoker::cudart PROPERTIES
    IMPORTED_LOCATION ${stoker_cudart}
    INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};rt")
  target_link_libraries(stoker PRIVATE stoker::cudart)
else()
  if(stoker_cuda_missing)
    message(STATUS "Without CUDA: there is no ${stoker_cuda_missing}")
  endif()
  file(GLOB_RECURSE stoker_cuda_absent CONFIGURE_DEPENDS src/backend/cuda_absent/*.cpp)
  list(APPEND stoker_sources ${stoker_cuda_absent})
endif()
