#include "layers/padding.h"

#include <algorithm>
#include <cctype>

#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::layers {

Padding parse_padding(const LayerBase& layer, const std::string& name, bool allow_causal) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "valid") return Padding::valid;
  if (lower == "same") return Padding::same;
  if (allow_causal && lower == "causal") return Padding::causal;
  throw ValueError(
      format(layer.label(), ": expected padding ",
             allow_causal ? "\"valid\", \"same\" or \"causal\"" : "\"valid\" or \"same\"",
             ", received \"", name, "\""));
}

std::array<std::int64_t, 2> same_padding(std::int64_t extent, std::int64_t reach,
                                         std::int64_t stride) {
  const std::int64_t windows = ops::ceil_div(extent, stride);
  const std::int64_t total = std::max<std::int64_t>((windows - 1) * stride + reach - extent, 0);
  return {total / 2, total - total / 2};
}

std::int64_t transposed_extent(std::int64_t extent, std::int64_t reach, std::int64_t stride,
                               Padding padding, std::optional<std::int64_t> output_padding) {
  if (!output_padding) {
    return padding == Padding::same ? extent * stride
                                    : (extent - 1) * stride + std::max(reach, stride);
  }
  const std::int64_t last = padding == Padding::same ? reach % 2 : reach;
  return (extent - 1) * stride + last + *output_padding;
}

}  // namespace stoker::layers
