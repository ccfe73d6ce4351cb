// A libcudnn.so.8: as much of it as Stoker asks for.
#include <stddef.h>

size_t cudnnGetVersion(void) { return 8907; }
