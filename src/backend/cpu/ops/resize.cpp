// Ops resize and resize_backward, on x [outer, from, inner] and y [outer, to, inner].
#include <algorithm>
#include <cstdint>
#include <vector>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"
#include "core/resize_tap.h"

namespace stoker::backend::cpu {
namespace {

struct Layout {
  std::int64_t outer = 1, inner = 1;
  std::int32_t from, to;
  bool is_linear;

  Layout(const Shape& x, const ops::ResizeAttributes& attributes)
      : from(static_cast<std::int32_t>(x[static_cast<std::size_t>(attributes.axis)])),
        to(static_cast<std::int32_t>(attributes.extent)),
        is_linear(attributes.is_linear) {
    for (std::size_t i = 0; i < x.rank(); ++i) {
      if (static_cast<std::int64_t>(i) < attributes.axis) outer *= x[i];
      if (static_cast<std::int64_t>(i) > attributes.axis) inner *= x[i];
    }
  }
  ResizeTap tap(std::int32_t i) const { return resize_tap(i, from, to, is_linear); }
};

class ResizeKernel : public Kernel {
 public:
  explicit ResizeKernel(const KernelRequest& request)
      : layout_(request.input(0).type.shape,
                ops::attributes_of<ops::ResizeAttributes>(request.node)),
        input_(request.node.inputs[0]),
        output_(request.node.outputs[0]) {
    for (std::int32_t i = 0; i < layout_.to; ++i) taps_.push_back(layout_.tap(i));
  }

  void run(const Run& run) override {
    const float* x = run.floats(input_);
    float* y = run.floats(output_);
    const Layout& at = layout_;
    parallel_for(at.outer * at.to, grain_for(12 * at.inner),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const ResizeTap& tap = taps_[static_cast<std::size_t>(row % at.to)];
                     const float* plane = x + row / at.to * at.from * at.inner;
                     blend(plane + tap.first * at.inner, plane + tap.second * at.inner, tap.weight,
                           y + row * at.inner);
                   }
                 });
  }

 private:
  void blend(const float* a, const float* b, float weight, float* y) const {
    if (weight == 0.0f) {
      std::copy_n(a, layout_.inner, y);
      return;
    }
    for (std::int64_t i = 0; i < layout_.inner; ++i) y[i] = a[i] + (b[i] - a[i]) * weight;
  }

  Layout layout_;
  std::vector<ResizeTap> taps_;
  graph::ValueId input_, output_;
};

class ResizeBackwardKernel : public Kernel {
 public:
  explicit ResizeBackwardKernel(const KernelRequest& request)
      : layout_(request.output(0).type.shape,
                ops::attributes_of<ops::ResizeAttributes>(request.node)),
        dy_(request.node.inputs[0]),
        dx_(request.node.outputs[0]) {
    for (std::int32_t i = 0; i < layout_.to; ++i) taps_.push_back(layout_.tap(i));
  }

  void run(const Run& run) override {
    const Layout& at = layout_;
    const std::int64_t bytes = 8 * at.inner * (2 + at.to / at.from);
    parallel_for(at.outer * at.from, grain_for(bytes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const auto i = static_cast<std::int32_t>(row % at.from);
        const float* plane = run.floats(dy_) + row / at.from * at.to * at.inner;
        sum(i, plane, run.floats(dx_) + row * at.inner);
      }
    });
  }

 private:
  // Sums what element i has given, in the order of the result.
  void sum(std::int32_t i, const float* dy, float* dx) const {
    std::fill_n(dx, layout_.inner, 0.0f);
    const ResizeRange range = resized_from(i, layout_.from, layout_.to);
    for (std::int32_t o = range.begin; o < range.end; ++o) {
      const ResizeTap& tap = taps_[static_cast<std::size_t>(o)];
      const float share =
          (tap.first == i ? 1.0f - tap.weight : 0.0f) + (tap.second == i ? tap.weight : 0.0f);
      if (share == 0.0f) continue;
      const float* row = dy + o * layout_.inner;
      for (std::int64_t k = 0; k < layout_.inner; ++k) dx[k] += row[k] * share;
    }
  }

  Layout layout_;
  std::vector<ResizeTap> taps_;
  graph::ValueId dy_, dx_;
};

}  // namespace

const CpuOp resize_on_cpu{&make<ResizeKernel>, &never_in_bfloat16};
const CpuOp resize_backward_on_cpu{&make<ResizeBackwardKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
