// expect: A Dataset's elements are float, int32_t, uint8_t, bfloat16 or float16
#include "stoker/dataset.h"

int main() { stoker::Dataset<double> doubles(nullptr); }
