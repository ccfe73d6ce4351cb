// Op transpose. Where the last axis stays the last, whole runs of elements are copied. Otherwise
// squares are copied whose sides lie along the last axes of input and output, so that the cache
// lines of both are used whole.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

constexpr std::int64_t kSide = 32;

class TransposeKernel : public Kernel {
 public:
  explicit TransposeKernel(const KernelRequest& request)
      : input_(request.node.inputs[0]), output_(request.node.outputs[0]) {
    const graph::ValueType& type = request.input(0).type;
    element_bytes_ = static_cast<std::int64_t>(size_of(type.dtype));
    const auto merged = ops::merged_transpose(
        type.shape, ops::attributes_of<ops::TransposeAttributes>(request.node).order);
    extents_ = merged.extents;
    strides_ = merged.strides;
    if (extents_.rank() == 0) {
      extents_.push_back(1);
      strides_.push_back(1);
    }
    Shape& to = to_strides_;
    to = extents_;
    std::int64_t stride = 1;
    for (std::size_t axis = extents_.rank(); axis-- > 0; stride *= extents_[axis]) {
      to[axis] = stride;
    }
    last_ = extents_.rank() - 1;
    fastest_ =
        static_cast<std::size_t>(std::find(strides_.begin(), strides_.end(), 1) - strides_.begin());
    if (extents_.elements() == 0) return;
    rows_ = extents_.elements() / extents_[last_];
    if (fastest_ != last_) {
      bands_ = (extents_[fastest_] + kSide - 1) / kSide;
      rows_ = rows_ / extents_[fastest_] * bands_;
    }
  }

  void run(const Run& run) override {
    const auto* from = static_cast<const std::byte*>(run.values[input_]);
    auto* to = static_cast<std::byte*>(run.values[output_]);
    const std::int64_t height = fastest_ == last_ ? 1 : kSide;
    const auto grain = grain_for(2 * extents_[last_] * height * element_bytes_);
    parallel_for(rows_, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        if (fastest_ == last_) {
          copy_run(row, from, to);
        } else if (element_bytes_ == 4) {
          copy_band<std::uint32_t>(row, from, to);
        } else if (element_bytes_ == 2) {
          copy_band<std::uint16_t>(row, from, to);
        } else {
          copy_band<std::uint8_t>(row, from, to);
        }
      }
    });
  }

 private:
  struct Offsets {
    std::int64_t from = 0, to = 0;
  };
  // Returns where row number `row` of the axes other than `a` and `b` begins.
  Offsets offsets_of(std::int64_t row, std::size_t a, std::size_t b) const {
    Offsets offsets;
    for (std::size_t axis = extents_.rank(); axis-- > 0;) {
      if (axis == a || axis == b) continue;
      const std::int64_t index = row % extents_[axis];
      row /= extents_[axis];
      offsets.from += index * strides_[axis];
      offsets.to += index * to_strides_[axis];
    }
    return offsets;
  }

  void copy_run(std::int64_t row, const std::byte* from, std::byte* to) const {
    const Offsets at = offsets_of(row, last_, last_);
    std::memcpy(to + at.to * element_bytes_, from + at.from * element_bytes_,
                static_cast<std::size_t>(extents_[last_] * element_bytes_));
  }

  // Copies up to kSide places of the input's last axis, for all places of the output's.
  template <class Element>
  void copy_band(std::int64_t row, const std::byte* from_bytes, std::byte* to_bytes) const {
    const Offsets at = offsets_of(row / bands_, fastest_, last_);
    const std::int64_t first = row % bands_ * kSide;
    const std::int64_t end = std::min(first + kSide, extents_[fastest_]);
    const auto* from = reinterpret_cast<const Element*>(from_bytes) + at.from;
    auto* to = reinterpret_cast<Element*>(to_bytes) + at.to;
    const std::int64_t from_stride = strides_[last_], to_stride = to_strides_[fastest_];
    for (std::int64_t left = 0; left < extents_[last_]; left += kSide) {
      const std::int64_t right = std::min(left + kSide, extents_[last_]);
      for (std::int64_t i = first; i < end; ++i) {
        for (std::int64_t j = left; j < right; ++j) {
          to[i * to_stride + j] = from[i + j * from_stride];
        }
      }
    }
  }

  Shape extents_, strides_, to_strides_;  // by axis of the output
  std::size_t last_ = 0;                  // the output's last axis
  std::size_t fastest_ = 0;               // the input's last axis
  std::int64_t bands_ = 1;
  std::int64_t rows_ = 0;  // runs, or bands
  std::int64_t element_bytes_;
  graph::ValueId input_, output_;
};

}  // namespace

const CpuOp transpose_on_cpu{&make<TransposeKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
