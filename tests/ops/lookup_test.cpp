// Ops lookup and cross_hash.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::Tensors;
using cases::Values;
using graph::Graph;
using graph::Value;

// The text's hash, as a number of a table would never be found otherwise.
std::uint64_t hash_of(std::int64_t number, const UnknownNumbers& unknown) {
  const std::string text = std::to_string(number);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  return unknown.has_key ? siphash64(bytes, text.size(), unknown.key)
                         : fingerprint64(bytes, text.size());
}

OpCase lookup(const char* name, Shape shape, std::vector<ops::LookupEntry> entries,
              UnknownNumbers unknown) {
  OpCase c;
  c.name = format(name, " ", shape);
  c.inputs = {cases::whole(shape, DType::int32, -20, 20)};
  c.build = [=](Graph& graph, std::span<const Value> in) {
    const Value table = entries.empty() ? Value() : ops::lookup_table(graph, entries);
    return std::vector{ops::lookup(in[0], table, unknown)};
  };
  c.reference = [=](const Tensors& in) -> Tensors {
    std::map<std::int64_t, std::int32_t> values;
    for (const ops::LookupEntry& entry : entries) values[entry.key] = entry.value;
    Values y;
    for (const double x : in[0]) {
      const auto number = static_cast<std::int64_t>(x);
      const auto found = values.find(number);
      if (found != values.end()) {
        y.push_back(found->second);
        continue;
      }
      const auto buckets = static_cast<std::uint64_t>(unknown.buckets);
      const std::uint64_t bucket =
          unknown.is_hashed ? hash_of(number, unknown) % buckets
                            : static_cast<std::uint64_t>(number + 1000 * unknown.buckets) % buckets;
      y.push_back(unknown.first + static_cast<double>(bucket));
    }
    return {y};
  };
  c.terms = 0.0;
  c.differentiable_outputs = 0;
  return c;
}

OpCase cross_hash(Shape shape, std::int32_t buckets) {
  OpCase c;
  c.name = format(shape, " in ", buckets);
  c.inputs = {cases::whole(shape, DType::int32, -1000, 1000)};
  const std::size_t columns = cases::size(shape.back());
  c.build = [buckets](Graph&, std::span<const Value> in) {
    return std::vector{ops::cross_hash(in[0], buckets)};
  };
  c.reference = [=](const Tensors& in) -> Tensors {
    Values y;
    for (std::size_t i = 0; i < in[0].size(); i += columns) {
      std::uint64_t hash = kCrossingSeed;
      for (std::size_t k = 0; k < columns; ++k) {
        const auto number = static_cast<std::int64_t>(in[0][i + k]);
        hash = joined_fingerprint(hash, static_cast<std::uint64_t>(number));
      }
      y.push_back(static_cast<double>(hash % static_cast<std::uint64_t>(buckets)));
    }
    return {y};
  };
  c.terms = 0.0;
  c.differentiable_outputs = 0;
  return c;
}

TEST(Lookup, RefusesNumbersOfOtherTypes) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {3}}, {});
  EXPECT_THROW(ops::lookup(x, {}, {.buckets = 1}), DTypeError);
  EXPECT_THROW(ops::cross_hash(x, 3), DTypeError);
}

// A float holds no number of 32 bits exactly, so the table has them in halves.
TEST(Lookup, TableHoldsTheLargestNumbers) {
  Graph graph;
  const graph::Scope scope(graph, {graph::Origin::Kind::layer, "lookup"});
  const Value table = ops::lookup_table(graph, {{2147483647, -1}, {-2147483647 - 1, 16777217}});
  const auto& values =
      ops::attributes_of<ops::ConstantAttributes>(graph.node(graph.info(table.id).node)).values;
  EXPECT_EQ(place_in_table(values.data(), 2, 2147483647), 1);
  EXPECT_EQ(value_in_table(values.data(), 2, 1), -1);
  EXPECT_EQ(place_in_table(values.data(), 2, -2147483647 - 1), 0);
  EXPECT_EQ(value_in_table(values.data(), 2, 0), 16777217);
  EXPECT_EQ(place_in_table(values.data(), 2, 2147483646), -1);
}

}  // namespace

std::vector<cases::OpCase> cases::lookup_cases() {
  std::vector<ops::LookupEntry> all, some;
  for (std::int32_t i = -20; i <= 20; ++i) all.push_back({i, 1000000 - 70000 * i});
  for (std::int32_t i = -9; i <= 15; i += 3) some.push_back({i, i * i});
  return {lookup("known", {3, 7}, all, {}),
          lookup("one bucket", {500}, some, {.first = -5, .buckets = 1}),
          lookup("remainders", {2, 3, 5}, some, {.first = 1, .buckets = 4}),
          lookup("hashes", {40}, some, {.first = 2, .buckets = 5, .is_hashed = true}),
          lookup("hashes alone", {7, 1}, {}, {.first = 0, .buckets = 11, .is_hashed = true}),
          lookup("hashes with a key", {33}, {},
                 {.first = 0,
                  .buckets = 11,
                  .is_hashed = true,
                  .has_key = true,
                  .key = {133, static_cast<std::uint64_t>(-137)}})};
}

std::vector<cases::OpCase> cases::cross_hash_cases() {
  return {cross_hash({6, 2}, 7), cross_hash({2, 3, 4}, 1000), cross_hash({5, 1}, 1)};
}

}  // namespace stoker
