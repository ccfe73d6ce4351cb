// The frame of a step, and what moves rows as they are.
#include "backend/cuda/kernels/advance.cuh"
#include "backend/cuda/kernels/embedding.cuh"
#include "backend/cuda/kernels/gather_rows.cuh"
#include "backend/cuda/kernels/ingest.cuh"
#include "backend/cuda/kernels/slice.cuh"
