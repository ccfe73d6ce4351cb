// lookup: values of numbers from a table, and buckets for numbers that it has not.
#include <algorithm>

#include "ops/common.h"

namespace stoker::ops {
namespace {

RecordedError describe_unknown(const Graph&, const Node&, std::int64_t number, std::int64_t place) {
  return {format("number ", number, ", which is element ", place,
                 " of the input, is not in the vocabulary"),
          "With num_oov_indices=1 such numbers get an index of their own"};
}

void require_int32(const char* op, Value numbers) {
  if (numbers.dtype() == DType::int32) return;
  throw DTypeError(
      format(where(*numbers.graph), op, ": expected numbers of int32, received ", numbers.dtype()));
}

}  // namespace

const Op lookup_op =
    define_without_gradient("lookup", OpIndex::lookup, "indices are not differentiable",
                            {.takes_any_dtype = false,
                             .writes_scalars = true,
                             .multiply_adds = nullptr,
                             .describe_error = describe_unknown});
const Op cross_hash_op = define_without_gradient(
    "cross_hash", OpIndex::cross_hash, "hashes are not differentiable",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

std::string LookupAttributes::text() const {
  std::string text = format("first ", unknown.first, " buckets ", unknown.buckets);
  if (unknown.is_hashed) text += " hashed";
  if (unknown.has_key) text += format(" by ", unknown.key.first, " ", unknown.key.second);
  return text;
}

Value lookup(Value ids, Value table, const UnknownNumbers& unknown) {
  require_int32("lookup", ids);
  std::vector<Value> inputs{ids};
  if (table) {
    require(table.shape().rank() == 2 && table.shape()[0] == 4, *ids.graph,
            "lookup: expected a table (4, entries), received ", table.shape());
    inputs.push_back(table);
  }
  LookupAttributes attributes;
  attributes.unknown = unknown;
  return ids.graph->append(lookup_op, inputs, share(attributes), {{DType::int32, ids.shape()}})[0];
}

Value lookup_table(Graph& graph, std::vector<LookupEntry> entries) {
  std::ranges::sort(entries, {}, &LookupEntry::key);
  const std::size_t count = entries.size();
  std::vector<float> halves(4 * count);
  const auto write = [&](std::size_t row, std::size_t column, std::int32_t number) {
    const std::int32_t lower = number & 0xffff;
    halves[row * count + column] = static_cast<float>((number - lower) / 65536);
    halves[(row + 1) * count + column] = static_cast<float>(lower);
  };
  for (std::size_t i = 0; i < count; ++i) {
    write(0, i, entries[i].key);
    write(2, i, entries[i].value);
  }
  return constant(graph, {4, static_cast<std::int64_t>(count)}, std::move(halves));
}

std::string CrossHashAttributes::text() const { return format("buckets ", buckets); }

Value cross_hash(Value numbers, std::int32_t buckets) {
  require_int32("cross_hash", numbers);
  const Shape& shape = numbers.shape();
  require(shape.rank() >= 1, *numbers.graph, "cross_hash: expected at least one axis, received ",
          shape);
  CrossHashAttributes attributes;
  attributes.buckets = buckets;
  return numbers.graph->append(cross_hash_op, {numbers}, share(attributes),
                               {{DType::int32, Shape(shape.extents().first(shape.rank() - 1))}})[0];
}

}  // namespace stoker::ops
