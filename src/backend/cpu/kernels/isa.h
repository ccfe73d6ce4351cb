// The declarations that the kernel files of one instruction set share.
#pragma once

#include "backend/cpu/kernels/kernels.h"

namespace stoker::backend::cpu::STOKER_ISA {

void evaluate(const TileProgramView& program, const TileArguments& arguments, std::int64_t begin,
              std::int64_t end);
double reduce(Reduction kind, const float* x, std::int64_t count);
void reduce_rows(Reduction kind, float* into, const float* x, std::int64_t rows,
                 std::int64_t columns);
void softmax(const float* x, float* y, std::int64_t rows, std::int64_t columns, bool log);
std::int64_t cross_entropy_sparse(const float* logits, const std::int32_t* labels, float* loss,
                                  float* gradient, std::int64_t rows, std::int64_t columns);
void cross_entropy_dense(const float* logits, const float* labels, float* loss, float* gradient,
                         std::int64_t rows, std::int64_t columns);
void matmul(const SmallMatMul& arguments);
void layer_norm(const LayerNorm& arguments, std::int64_t begin, std::int64_t end);
void layer_norm_backward(const LayerNorm& arguments, std::int64_t begin, std::int64_t end);
void attention(const Attention& arguments, std::int64_t begin, std::int64_t end, float* scratch);
void attention_queries(const Attention& arguments, std::int64_t begin, std::int64_t end,
                       float* scratch);
void attention_keys(const Attention& arguments, std::int64_t begin, std::int64_t end,
                    float* scratch);
void depthwise(const Depthwise& sizes, const float* x, const float* kernel, const float* bias,
               bool with_relu, float* y, std::int64_t begin, std::int64_t end);
void depthwise_data(const Depthwise& sizes, const float* dy, const float* kernel, float* dx,
                    std::int64_t begin, std::int64_t end);
void depthwise_weights(const Depthwise& sizes, const float* x, const float* dy, float* dkernel,
                       float* dbias, std::int64_t begin, std::int64_t end);
void pack(const float* matrix, std::int64_t k, std::int64_t n, std::int64_t stride, float* packed);
void recurrence(const RecurrenceForward& arguments, std::int64_t begin, std::int64_t end);
void recurrence_backward(const RecurrenceBackward& arguments, std::int64_t begin, std::int64_t end);

}  // namespace stoker::backend::cpu::STOKER_ISA
