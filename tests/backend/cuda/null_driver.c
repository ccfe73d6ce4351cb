// A libcuda.so.1 for machines without a GPU: it finds no device and launches nothing, but loads any
// code it is given. With it cuDNN finishes plans whose kernels it compiles at run time; without one
// it offers precompiled convolutions only. For dnn_plans_test; never beside a program that
// computes.
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>

// cuda.h maps these names to newer versions of the functions; cuDNN looks up both.
#undef cuGetProcAddress
#undef cuCtxPushCurrent
#undef cuCtxPopCurrent
#undef cuLinkCreate
#undef cuLinkAddData

static int something;  // that handles can point to

#define SUCCEEDS(function, parameters, body) \
  CUresult CUDAAPI function parameters {     \
    body;                                    \
    return CUDA_SUCCESS;                     \
  }
#define FAILS(function, parameters, error) \
  CUresult CUDAAPI function parameters { return error; }

#pragma GCC diagnostic ignored "-Wunused-parameter"

// ---- The device that is not there ----
FAILS(cuInit, (unsigned flags), CUDA_ERROR_NO_DEVICE)
SUCCEEDS(cuDriverGetVersion, (int* version), *version = CUDA_VERSION)
CUresult CUDAAPI cuDeviceGetCount(int* count) {
  *count = 0;
  return CUDA_ERROR_NO_DEVICE;
}
SUCCEEDS(cuDeviceGet, (CUdevice * device, int ordinal), *device = 0)
SUCCEEDS(cuGetErrorString, (CUresult error, const char** text), *text = "null driver")
SUCCEEDS(cuGetErrorName, (CUresult error, const char** text), *text = "CUDA_NULL_DRIVER")

// ---- Contexts ----
SUCCEEDS(cuCtxGetCurrent, (CUcontext * context), *context = (CUcontext)&something)
SUCCEEDS(cuStreamGetCtx, (CUstream stream, CUcontext* context), *context = (CUcontext)&something)
SUCCEEDS(cuCtxPushCurrent, (CUcontext context), )
SUCCEEDS(cuCtxPushCurrent_v2, (CUcontext context), )
SUCCEEDS(cuCtxPopCurrent, (CUcontext * context), if (context) * context = (CUcontext)&something)
SUCCEEDS(cuCtxPopCurrent_v2, (CUcontext * context), if (context) * context = (CUcontext)&something)
SUCCEEDS(cuCtxGetLimit, (size_t * value, CUlimit limit), *value = 1024)
SUCCEEDS(cuCtxSetLimit, (CUlimit limit, size_t value), )

// ---- Code ----
SUCCEEDS(cuLibraryLoadData,
         (CUlibrary * library, const void* code, CUjit_option* jit, void** jit_values,
          unsigned jit_count, CUlibraryOption* options, void** values, unsigned count),
         *library = (CUlibrary)&something)
SUCCEEDS(cuLibraryLoadFromFile,
         (CUlibrary * library, const char* path, CUjit_option* jit, void** jit_values,
          unsigned jit_count, CUlibraryOption* options, void** values, unsigned count),
         *library = (CUlibrary)&something)
SUCCEEDS(cuLibraryUnload, (CUlibrary library), )
SUCCEEDS(cuLibraryGetKernel, (CUkernel * kernel, CUlibrary library, const char* name),
         *kernel = (CUkernel)&something)
SUCCEEDS(cuKernelGetFunction, (CUfunction * function, CUkernel kernel),
         *function = (CUfunction)kernel)
SUCCEEDS(cuKernelSetAttribute, (CUfunction_attribute a, int value, CUkernel k, CUdevice d), )
SUCCEEDS(cuKernelGetAttribute, (int* value, CUfunction_attribute a, CUkernel k, CUdevice d),
         *value = 0)
SUCCEEDS(cuFuncSetAttribute, (CUfunction function, CUfunction_attribute a, int value), )
SUCCEEDS(cuFuncGetAttribute, (int* value, CUfunction_attribute a, CUfunction function), *value = 0)
SUCCEEDS(cuOccupancyMaxActiveBlocksPerMultiprocessor,
         (int* blocks, CUfunction function, int block_size, size_t shared_bytes), *blocks = 1)
SUCCEEDS(cuOccupancyMaxActiveClusters, (int* n, CUfunction f, const CUlaunchConfig* config),
         *n = 66)
SUCCEEDS(cuOccupancyMaxPotentialClusterSize, (int* n, CUfunction f, const CUlaunchConfig* config),
         *n = 16)

// ---- The linker ----
SUCCEEDS(cuLinkCreate, (unsigned n, CUjit_option* options, void** values, CUlinkState* state),
         *state = (CUlinkState)&something)
SUCCEEDS(cuLinkCreate_v2, (unsigned n, CUjit_option* options, void** values, CUlinkState* state),
         *state = (CUlinkState)&something)
SUCCEEDS(cuLinkAddData,
         (CUlinkState state, CUjitInputType type, void* data, size_t bytes, const char* name,
          unsigned n, CUjit_option* options, void** values), )
SUCCEEDS(cuLinkAddData_v2,
         (CUlinkState state, CUjitInputType type, void* data, size_t bytes, const char* name,
          unsigned n, CUjit_option* options, void** values), )
CUresult CUDAAPI cuLinkComplete(CUlinkState state, void** cubin, size_t* bytes) {
  static char nothing[64];
  *cubin = nothing;
  *bytes = sizeof nothing;
  return CUDA_SUCCESS;
}
SUCCEEDS(cuLinkDestroy, (CUlinkState state), )

// ---- Launches ----
FAILS(cuLaunchKernel,
      (CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
       unsigned shared_bytes, CUstream stream, void** parameters, void** extra),
      CUDA_ERROR_NOT_SUPPORTED)
FAILS(cuLaunchKernelEx,
      (const CUlaunchConfig* config, CUfunction f, void** parameters, void** extra),
      CUDA_ERROR_NOT_SUPPORTED)
FAILS(cuLaunchCooperativeKernel,
      (CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
       unsigned shared_bytes, CUstream stream, void** parameters),
      CUDA_ERROR_NOT_SUPPORTED)

// ---- Look-up ----
FAILS(cuGetExportTable, (const void** table, const CUuuid* id), CUDA_ERROR_NOT_FOUND)
CUresult CUDAAPI cuGetProcAddress_v2(const char* name, void** function, int version,
                                     cuuint64_t flags, CUdriverProcAddressQueryResult* result) {
  char versioned[256];
  snprintf(versioned, sizeof versioned, "%s_v2", name);
  void* self = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_NOW);
  *function = dlsym(self, versioned);
  if (!*function) *function = dlsym(self, name);
  if (result) {
    *result = *function ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  }
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
CUresult CUDAAPI cuGetProcAddress(const char* name, void** function, int version,
                                  cuuint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, NULL);
}
