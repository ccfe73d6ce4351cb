# Compiles src/backend/cpu/kernels/*.cpp once per instruction set; the library picks one at run time.
# Each copy lives in its own namespaces: ours is named by STOKER_ISA, Eigen's is renamed by a macro.
# tests/house/kernel_symbols.py holds that no symbol is shared, docs/adr/0002 says why.

set(stoker_isas baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND stoker_isas avx2 avx512)
endif()
set(stoker_isa_flags_baseline "")
set(stoker_isa_flags_avx2 -mavx2 -mfma -mf16c)
set(stoker_isa_flags_avx512
  -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mf16c -mprefer-vector-width=512)

file(GLOB stoker_kernel_sources CONFIGURE_DEPENDS src/backend/cpu/kernels/*.cpp)
set(stoker_kernel_libraries "")
if(stoker_kernel_sources)
  foreach(isa IN LISTS stoker_isas)
    set(library stoker_kernels_${isa})
    add_library(${library} OBJECT ${stoker_kernel_sources})
    target_include_directories(${library} PRIVATE src include)
    target_compile_definitions(${library} PRIVATE STOKER_ISA=${isa} Eigen=Eigen_${isa} NDEBUG)
    stoker_compile_options(${library})
    # Optimised in every build type: unoptimised Eigen is a hundred times slower, and what is not
    # inlined would become a symbol to collide on.
    target_compile_options(${library} PRIVATE
      -O3 -fno-math-errno -fno-trapping-math -fvisibility=hidden ${stoker_isa_flags_${isa}})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # GCC 12 takes _mm512_undefined_ps() of its own headers for a mistake (GCC bug 105593).
      target_compile_options(${library} PRIVATE -Wno-maybe-uninitialized -Wno-uninitialized)
    endif()
    target_link_libraries(${library} PRIVATE Eigen3::Eigen)
    list(APPEND stoker_kernel_libraries ${library})
    target_sources(stoker PRIVATE $<TARGET_OBJECTS:${library}>)
  endforeach()
endif()
if("avx2" IN_LIST stoker_isas)
  target_compile_definitions(stoker PRIVATE STOKER_X86_KERNELS=1)
endif()
