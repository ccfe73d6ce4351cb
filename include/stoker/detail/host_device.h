// Macros for functions that CPU code and CUDA kernels share. Headers that include no more than this
// and <cstdint> are free-standing: NVRTC, which has no standard library, compiles them too.
#pragma once

#if defined(__CUDACC__)
#define STOKER_HOST_DEVICE __host__ __device__
#define STOKER_ALWAYS_INLINE __forceinline__
#define STOKER_UNROLL _Pragma("unroll")
#else
#define STOKER_HOST_DEVICE
#define STOKER_ALWAYS_INLINE [[gnu::always_inline]] inline
#define STOKER_UNROLL
#endif
