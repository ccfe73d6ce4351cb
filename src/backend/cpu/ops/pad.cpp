// Op pad: a row of the result is filled whole, or is padding, a row of the input, and padding.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/parallel.h"

namespace stoker::backend::cpu {
namespace {

class PadKernel : public Kernel {
 public:
  explicit PadKernel(const KernelRequest& request)
      : input_(request.node.inputs[0]), output_(request.node.outputs[0]) {
    const graph::ValueType& type = request.input(0).type;
    const auto& attributes = ops::attributes_of<ops::PadAttributes>(request.node);
    element_bytes_ = static_cast<std::int64_t>(size_of(type.dtype));
    bits_ = ops::stored_bits(attributes.value, type.dtype);
    const ops::MergedPad merged = ops::merged_pad(type.shape, attributes);
    extents_ = merged.extents;
    before_ = merged.before;
    padded_ = extents_;
    for (std::size_t axis = 0; axis < padded_.rank(); ++axis) {
      padded_[axis] += before_[axis] + merged.after[axis];
    }
    if (padded_.elements() > 0) rows_ = padded_.elements() / padded_.back();
  }

  void run(const Run& run) override {
    const auto* from = static_cast<const std::byte*>(run.values[input_]);
    auto* to = static_cast<std::byte*>(run.values[output_]);
    const std::int64_t width = padded_.back(), inside = extents_.back();
    const std::int64_t left = before_.back();
    parallel_for(
        rows_, grain_for(2 * width * element_bytes_), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t row = begin; row < end; ++row) {
            std::byte* at = to + row * width * element_bytes_;
            const std::int64_t source = source_of(row);
            if (source < 0) {
              fill(at, width);
              continue;
            }
            fill(at, left);
            std::memcpy(at + left * element_bytes_, from + source * inside * element_bytes_,
                        static_cast<std::size_t>(inside * element_bytes_));
            fill(at + (left + inside) * element_bytes_, width - left - inside);
          }
        });
  }

 private:
  // Returns the row of the input that lies in a row of the result, or -1 where none does.
  std::int64_t source_of(std::int64_t row) const {
    std::int64_t source = 0;
    std::int64_t stride = 1;
    for (std::size_t axis = padded_.rank() - 1; axis-- > 0;) {
      const std::int64_t index = row % padded_[axis] - before_[axis];
      if (index < 0 || index >= extents_[axis]) return -1;
      source += index * stride;
      stride *= extents_[axis];
      row /= padded_[axis];
    }
    return source;
  }

  void fill(std::byte* at, std::int64_t elements) const {
    switch (element_bytes_) {
      case 4:
        std::fill_n(reinterpret_cast<std::uint32_t*>(at), elements, bits_);
        break;
      case 2:
        std::fill_n(reinterpret_cast<std::uint16_t*>(at), elements,
                    static_cast<std::uint16_t>(bits_));
        break;
      default:
        std::memset(at, static_cast<int>(bits_ & 0xffU), static_cast<std::size_t>(elements));
    }
  }

  Shape extents_, before_, padded_;
  std::int64_t rows_ = 0;
  std::int64_t element_bytes_;
  std::uint32_t bits_;
  graph::ValueId input_, output_;
};

}  // namespace

const CpuOp pad_on_cpu{&make<PadKernel>, &never_in_bfloat16};

}  // namespace stoker::backend::cpu
