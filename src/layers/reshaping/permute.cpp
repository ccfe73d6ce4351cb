// Permute: the axes of a sample in another order.
#include <algorithm>

#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

struct PermuteArguments {
  std::vector<std::int64_t> dims{};
  NameOptions options{};
};

void describe(Fields& fields, PermuteArguments& permute) {
  layers::describe_common(fields, permute.options);
  fields.required("dims", permute.dims);
}

class PermuteLayer final : public layers::DescribedLayer<PermuteArguments> {
 public:
  explicit PermuteLayer(PermuteArguments arguments)
      : DescribedLayer("Permute", std::move(arguments)) {
    const std::vector<std::int64_t>& dims = arguments_.dims;
    std::vector<std::int64_t> sorted = dims;
    std::sort(sorted.begin(), sorted.end());
    bool fits = !dims.empty() && dims.size() < Shape::kMaxRank;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      fits = fits && sorted[i] == static_cast<std::int64_t>(i) + 1;
    }
    if (!fits) {
      throw ValueError(format(label(), ": expected dims that name each axis after the batch once, ",
                              "from 1 to at most ", Shape::kMaxRank - 1, ", received ",
                              FieldType<std::vector<std::int64_t>>::write(dims).to_json()));
    }
  }

  graph::Value apply(layers::BuildContext&, graph::Value x) override {
    layers::require_rank(x, arguments_.dims.size() + 1, "Its dims name each axis after the batch");
    std::vector<std::int64_t> order{0};
    order.insert(order.end(), arguments_.dims.begin(), arguments_.dims.end());
    return ops::transpose(x, std::move(order));
  }
};

}  // namespace

Layer Permute(std::vector<std::int64_t> dims, NameOptions options) {
  return Layer(
      std::make_shared<PermuteLayer>(PermuteArguments{std::move(dims), std::move(options)}));
}

Layer layers::make_Permute(Fields& fields) {
  return Layer(std::make_shared<PermuteLayer>(fields.all<PermuteArguments>()));
}

}  // namespace stoker
