// A libcuda.so.1 for machines without a GPU: as much of CUDA's driver as the runtime asks for
// before it counts devices. FAKE_CUDA_VERSION is the version it claims (12040 for CUDA 12.4),
// FAKE_CUDA_ERROR the result of cuInit. With neither it is a working driver that has no device.
// Results are CUresult's numbers; nothing of CUDA's is included, so it compiles anywhere.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

enum { kSuccess = 0, kNoDevice = 100, kNotFound = 500 };
enum { kSymbolFound = 0, kSymbolNotFound = 1 };

static int number_from(const char* variable, int otherwise) {
  const char* text = getenv(variable);
  return text != NULL ? atoi(text) : otherwise;
}

int cuInit(unsigned flags) {
  (void)flags;
  return number_from("FAKE_CUDA_ERROR", kNoDevice);
}

int cuDriverGetVersion(int* version) {
  *version = number_from("FAKE_CUDA_VERSION", 13000);
  return kSuccess;
}

int cuDeviceGetCount(int* count) {
  *count = 0;
  return kSuccess;
}

int cuGetExportTable(const void** table, const void* id) {
  (void)id;
  *table = NULL;
  return kNotFound;
}

int cuGetProcAddress_v2(const char* symbol, void** function, int version, uint64_t flags,
                        int* status) {
  (void)version;
  (void)flags;
  void* self = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_NOW);
  *function = self != NULL ? dlsym(self, symbol) : NULL;
  if (status != NULL) *status = *function != NULL ? kSymbolFound : kSymbolNotFound;
  return *function != NULL ? kSuccess : kNotFound;
}

int cuGetProcAddress(const char* symbol, void** function, int version, uint64_t flags) {
  return cuGetProcAddress_v2(symbol, function, version, flags, NULL);
}
