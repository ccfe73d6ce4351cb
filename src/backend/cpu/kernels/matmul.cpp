// Small matrix products on Eigen, on one thread and without memory of their own.
#include <Eigen/Core>

#include "backend/cpu/kernels/isa.h"

namespace stoker::backend::cpu::STOKER_ISA {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMatrix = Eigen::Map<const RowMajor>;
using Matrix = Eigen::Map<RowMajor>;

// Below this many multiply-adds Eigen's blocked product costs more than plain dot products.
constexpr std::int64_t kBlockedProduct = 2048;

template <class A, class B>
void multiply(const A& a, const B& b, Matrix& y) {
  if (y.size() * a.cols() < kBlockedProduct) {
    y.noalias() = a.lazyProduct(b);
  } else {
    y.noalias() = a * b;
  }
}

}  // namespace

void matmul(const SmallMatMul& p) {
  Matrix y(p.y, p.m, p.n);
  if (p.transpose_a && p.transpose_b) {
    multiply(ConstMatrix(p.a, p.k, p.m).transpose(), ConstMatrix(p.b, p.n, p.k).transpose(), y);
  } else if (p.transpose_a) {
    multiply(ConstMatrix(p.a, p.k, p.m).transpose(), ConstMatrix(p.b, p.k, p.n), y);
  } else if (p.transpose_b) {
    multiply(ConstMatrix(p.a, p.m, p.k), ConstMatrix(p.b, p.n, p.k).transpose(), y);
  } else {
    multiply(ConstMatrix(p.a, p.m, p.k), ConstMatrix(p.b, p.k, p.n), y);
  }
  if (p.bias != nullptr) {
    y.rowwise() += Eigen::Map<const Eigen::RowVectorXf>(p.bias, p.n);
  }
  if (p.relu) y = y.cwiseMax(0.0f);
}

}  // namespace stoker::backend::cpu::STOKER_ISA
