// Ops warp and warp_backward.
#include <algorithm>
#include <cstdint>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"
#include "core/warp_tap.h"

namespace stoker::backend::cpu {
namespace {

struct Layout {
  std::int64_t batch, channels;
  std::int32_t height, width;        // of the input
  std::int32_t to_height, to_width;  // of the result
  bool is_linear;
  WarpFill fill;
  float value;

  Layout(const Shape& x, const ops::WarpAttributes& attributes)
      : batch(x[0]),
        channels(x[3]),
        height(static_cast<std::int32_t>(x[1])),
        width(static_cast<std::int32_t>(x[2])),
        to_height(static_cast<std::int32_t>(attributes.height)),
        to_width(static_cast<std::int32_t>(attributes.width)),
        is_linear(attributes.is_linear),
        fill(attributes.fill),
        value(attributes.fill_value) {}

  std::int64_t pixels() const { return std::int64_t{to_height} * to_width; }
  WarpTaps taps(const float* transform, std::int32_t row, std::int32_t column) const {
    return warp_taps(warp_point(transform, column, row), height, width, is_linear, fill);
  }
  // Returns where a tap's pixel is, or -1.
  std::int64_t place(const WarpTaps& taps, int row, int column) const {
    if (taps.rows[row] < 0 || taps.columns[column] < 0) return -1;
    return (std::int64_t{taps.rows[row]} * width + taps.columns[column]) * channels;
  }
};

class WarpKernel : public Kernel {
 public:
  explicit WarpKernel(const KernelRequest& request)
      : layout_(request.input(0).type.shape, ops::attributes_of<ops::WarpAttributes>(request.node)),
        input_(request.node.inputs[0]),
        transforms_(request.node.inputs[1]),
        output_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const Layout& at = layout_;
    const std::int64_t image = std::int64_t{at.height} * at.width * at.channels;
    const std::int64_t row_bytes = at.to_width * (32 + 20 * at.channels);
    parallel_for(at.batch * at.to_height, grain_for(row_bytes),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const std::int64_t n = row / at.to_height;
                     warp_row(run.floats(input_) + n * image, run.floats(transforms_) + n * 8,
                              static_cast<std::int32_t>(row % at.to_height),
                              run.floats(output_) + row * at.to_width * at.channels);
                   }
                 });
  }

 private:
  void warp_row(const float* x, const float* transform, std::int32_t row, float* y) const {
    const Layout& at = layout_;
    for (std::int32_t column = 0; column < at.to_width; ++column, y += at.channels) {
      const WarpTaps taps = at.taps(transform, row, column);
      std::fill_n(y, at.channels, 0.0f);
      for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 2; ++j) {
          const float share = taps.of_rows[i] * taps.of_columns[j];
          if (share == 0.0f) continue;
          const std::int64_t place = at.place(taps, i, j);
          for (std::int64_t c = 0; c < at.channels; ++c) {
            y[c] += share * (place < 0 ? at.value : x[place + c]);
          }
        }
      }
    }
  }

  Layout layout_;
  graph::ValueId input_, transforms_, output_;
};

// An image's gradients are added in the order of the result's pixels, by one thread.
class WarpBackwardKernel : public Kernel {
 public:
  explicit WarpBackwardKernel(const KernelRequest& request)
      : layout_(request.output(0).type.shape,
                ops::attributes_of<ops::WarpAttributes>(request.node)),
        dy_(request.node.inputs[0]),
        transforms_(request.node.inputs[1]),
        dx_(request.node.outputs[0]) {}

  void run(const Run& run) override {
    const Layout& at = layout_;
    const std::int64_t image = std::int64_t{at.height} * at.width * at.channels;
    parallel_for(at.batch, grain_for(at.pixels() * (32 + 20 * at.channels)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t n = begin; n < end; ++n) {
                     float* dx = run.floats(dx_) + n * image;
                     std::fill_n(dx, image, 0.0f);
                     add(run.floats(dy_) + n * at.pixels() * at.channels,
                         run.floats(transforms_) + n * 8, dx);
                   }
                 });
  }

 private:
  void add(const float* dy, const float* transform, float* dx) const {
    const Layout& at = layout_;
    for (std::int32_t row = 0; row < at.to_height; ++row) {
      for (std::int32_t column = 0; column < at.to_width; ++column, dy += at.channels) {
        const WarpTaps taps = at.taps(transform, row, column);
        for (int i = 0; i < 2; ++i) {
          for (int j = 0; j < 2; ++j) {
            const float share = taps.of_rows[i] * taps.of_columns[j];
            const std::int64_t place = at.place(taps, i, j);
            if (share == 0.0f || place < 0) continue;
            for (std::int64_t c = 0; c < at.channels; ++c) dx[place + c] += share * dy[c];
          }
        }
      }
    }
  }

  Layout layout_;
  graph::ValueId dy_, transforms_, dx_;
};

}  // namespace

const CpuOp warp_on_cpu{&make<WarpKernel>, &never_in_bfloat16};
const CpuOp warp_backward_on_cpu{&make<WarpBackwardKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
