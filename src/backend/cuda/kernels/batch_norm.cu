#include "backend/cuda/ops/batch_norm.cuh"
