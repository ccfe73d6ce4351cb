// Kernels on images, and the matrix product.
#include "backend/cuda/kernels/conv2d.cuh"
#include "backend/cuda/kernels/matmul.cuh"
#include "backend/cuda/kernels/pool2d.cuh"
