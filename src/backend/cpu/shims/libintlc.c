// Stands in for libintlc.so.5 of Intel's compiler runtime, of which the prebuilt libdnnl uses these
// two functions. They behave as memcpy and memset; glibc's are as fast.

#include <stddef.h>
#include <string.h>

void* _intel_fast_memcpy(void* destination, const void* source, size_t bytes) {
  return memcpy(destination, source, bytes);
}

void* _intel_fast_memset(void* destination, int value, size_t bytes) {
  return memset(destination, value, bytes);
}
