// constant: numbers that are known when the graph is made.
#include <algorithm>

#include "core/fnv.h"
#include "ops/common.h"
#include "stoker/detail/float_bits.h"

namespace stoker::ops {
namespace {

// There are no inputs that could have one.
std::vector<Value> gradient(Graph&, NodeId, std::span<const Value>) { return {}; }

}  // namespace

const Op constant_op =
    define("constant", OpIndex::constant, gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

// The text tells constants apart, also long ones.
std::string ConstantAttributes::text() const {
  std::ostringstream out;
  constexpr std::size_t kShown = 4;
  for (std::size_t i = 0; i < std::min(values.size(), kShown); ++i) out << values[i] << ' ';
  std::uint32_t hash = kFnvBasis;
  for (const float value : values) hash = fnv1a(detail::bits_of(value), hash);
  out << "(" << values.size() << " numbers, " << std::hex << hash << ")";
  return out.str();
}

Value constant(Graph& graph, Shape shape, std::vector<float> values) {
  require(shape.elements() == static_cast<std::int64_t>(values.size()), graph,
          "constant: expected ", shape.elements(), " numbers for ", shape, ", received ",
          values.size());
  ConstantAttributes attributes;
  attributes.values = std::move(values);
  return graph.append(constant_op, {}, share(std::move(attributes)), {{DType::float32, shape}})[0];
}

}  // namespace stoker::ops
