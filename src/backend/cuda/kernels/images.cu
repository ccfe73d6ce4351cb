// Kernels on images, and the matrix product.
#include "backend/cuda/ops/conv2d.cuh"
#include "backend/cuda/ops/matmul.cuh"
#include "backend/cuda/ops/pool2d.cuh"
