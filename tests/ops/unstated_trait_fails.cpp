// expect: (Traits|Stated|no matching function for call to 'define_without_gradient')
#include "ops/common.h"

namespace stoker::ops {

// Nobody has said whether its kernels take any type.
const Op sample_op = define_without_gradient("sample", OpIndex::matmul, "it is a sample",
                                             {.writes_scalars = false, .multiply_adds = nullptr});

}  // namespace stoker::ops

int main() {}
