// Hashing and HashedCrossing: bins of whole numbers.
#include <limits>
#include <utility>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/preprocessing/categories.h"
#include "layers/preprocessing/dropped_fractions.h"
#include "layers/preprocessing/salt_field.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Value;

// Keras gives these layers a type of whole numbers unless they have rows, which is no policy here.
void describe_named(Fields& fields, std::string& name, std::string& dtype) {
  if (fields.reads()) {
    Config given;
    fields("dtype", given);
    const Config* inner = given.is_map() ? given.find("config") : nullptr;
    const Config* own_name = inner != nullptr && inner->is_map() ? inner->find("name") : &given;
    const bool is_whole = own_name != nullptr && own_name->is_string() &&
                          (own_name->string() == "int64" || own_name->string() == "int32");
    if (!is_whole) dtype = FieldType<layers::PolicyName>::read(given).text;
    layers::LayerName read{name};
    fields("name", read);
    name = read.text;
    fields.ignored({"trainable"});
  } else {
    layers::describe_without_trainable(fields, name, dtype);
  }
}

void require_bins(const layers::LayerBase& layer, std::int64_t bins) {
  check::require(layer.label(), "num_bins", bins,
                 check::closed(1, std::numeric_limits<std::int32_t>::max()));
}

// ---- Hashing -----------------------------------------------------------------------------------
struct HashingArguments {
  std::int64_t num_bins = 0;
  HashingOptions options{};
};
void describe(Fields& fields, HashingArguments& hashing) {
  describe_named(fields, hashing.options.name, hashing.options.dtype);
  fields.required("num_bins", hashing.num_bins);
  fields("mask_value", hashing.options.mask_value);
  fields("salt", hashing.options.salt);
  fields("output_mode", hashing.options.output_mode);
  fields.never({"sparse"});
}

class HashingLayer final : public layers::DescribedLayer<HashingArguments> {
 public:
  explicit HashingLayer(HashingArguments arguments)
      : DescribedLayer("Hashing", std::move(arguments)) {
    require_bins(*this, arguments_.num_bins);
    layers::require_mode(*this, arguments_.options.output_mode, true);
    if (arguments_.options.mask_value) {
      check::require(label(), "mask_value", *arguments_.options.mask_value,
                     check::closed(-0x1.0p31, 0x1.0p31 - 1.0));
    }
    casts_inputs = false;
  }

  Value apply(layers::BuildContext& context, Value x) override {
    const HashingOptions& options = arguments_.options;
    UnknownNumbers to{.buckets = static_cast<std::int32_t>(arguments_.num_bins), .is_hashed = true};
    if (options.salt) {
      to.has_key = true;
      to.key = {options.salt->first, options.salt->second};
    }
    Value table;
    if (options.mask_value && arguments_.num_bins > 1) {
      table = ops::lookup_table(*x.graph, {{static_cast<std::int32_t>(*options.mask_value), 0}});
      to.first = 1;
      to.buckets -= 1;
    }
    const Value bins = ops::lookup(layers::without_fractions(x), table, to);
    if (options.output_mode == "int") return bins;
    return context.to_compute(layers::encoded(bins, options.output_mode, arguments_.num_bins));
  }
};

// ---- HashedCrossing ----------------------------------------------------------------------------
struct CrossingArguments {
  std::int64_t num_bins = 0;
  HashedCrossingOptions options{};
};
void describe(Fields& fields, CrossingArguments& crossing) {
  describe_named(fields, crossing.options.name, crossing.options.dtype);
  fields.required("num_bins", crossing.num_bins);
  fields("output_mode", crossing.options.output_mode);
  fields.never({"sparse"});
}

class CrossingLayer final : public layers::DescribedLayer<CrossingArguments, layers::MergeLayer> {
 public:
  explicit CrossingLayer(CrossingArguments arguments)
      : DescribedLayer("HashedCrossing", std::move(arguments)) {
    require_bins(*this, arguments_.num_bins);
    const std::string& mode = arguments_.options.output_mode;
    if (mode != "int" && mode != "one_hot") {
      throw ValueError(
          format(label(), ": expected an output_mode of int or one_hot, received \"", mode, "\""));
    }
    casts_inputs = false;
  }

  Value merge(layers::BuildContext& context, std::span<const Value> inputs) override {
    const Shape shape = inputs[0].shape();
    graph::Graph& graph = *inputs[0].graph;
    ops::require(inputs.size() >= 2, graph, "expected two inputs or more, received ",
                 inputs.size());
    Shape column = shape;
    if (shape.rank() == 1) column.push_back(1);
    std::vector<Value> columns;
    for (const Value input : inputs) {
      ops::require(input.shape() == shape && column.rank() == 2 && column.back() == 1, graph,
                   "expected inputs of one shape, (batch) or (batch, 1), received ", input.shape());
      if (input.dtype() != DType::int32 && input.dtype() != DType::uint8) {
        throw DTypeError(
            format(label(), ": expected inputs of int32 or uint8, received ", input.dtype()));
      }
      columns.push_back(ops::reshape(layers::without_fractions(input), column));
    }
    const Value crossed = ops::cross_hash(ops::concatenate(columns, 1),
                                          static_cast<std::int32_t>(arguments_.num_bins));
    const Value bins = ops::reshape(crossed, shape);
    if (arguments_.options.output_mode == "int") return bins;
    return context.to_compute(layers::encoded(bins, "one_hot", arguments_.num_bins));
  }
};

}  // namespace

Layer Hashing(std::int64_t num_bins, HashingOptions options) {
  return Layer(std::make_shared<HashingLayer>(HashingArguments{num_bins, std::move(options)}));
}
Layer HashedCrossing(std::int64_t num_bins, HashedCrossingOptions options) {
  return Layer(std::make_shared<CrossingLayer>(CrossingArguments{num_bins, std::move(options)}));
}
Layer layers::make_Hashing(Fields& fields) {
  return Layer(std::make_shared<HashingLayer>(fields.all<HashingArguments>()));
}
Layer layers::make_HashedCrossing(Fields& fields) {
  return Layer(std::make_shared<CrossingLayer>(fields.all<CrossingArguments>()));
}

}  // namespace stoker
