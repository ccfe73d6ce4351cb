// The frame of a step, and what moves rows as they are.
#include "backend/cuda/ops/advance.cuh"
#include "backend/cuda/ops/embedding.cuh"
#include "backend/cuda/frame/gather_rows.cuh"
#include "backend/cuda/frame/ingest.cuh"
#include "backend/cuda/ops/slice.cuh"
