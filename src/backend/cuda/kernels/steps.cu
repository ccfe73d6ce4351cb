// The frame of a step, slices, and batch norm.
#include "backend/cuda/kernels/advance.cuh"
#include "backend/cuda/kernels/batch_norm.cuh"
#include "backend/cuda/kernels/ingest.cuh"
#include "backend/cuda/kernels/slice.cuh"
