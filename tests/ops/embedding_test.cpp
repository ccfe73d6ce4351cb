// Ops embedding and embedding_backward.
#include <gtest/gtest.h>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::given;
using cases::OpCase;
using cases::OpInput;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Graph;
using graph::Value;

struct Table {
  std::int64_t entries, columns;
  OpInput ids;
  const char* note = "";
};

std::string name_of(const Table& t) {
  return format(t.ids.shape, " of ", t.entries, " x ", t.columns, t.note);
}

const std::vector<Table>& tables() {
  const auto ids = [](Shape shape, std::int64_t entries) {
    return cases::whole(shape, DType::int32, 0, static_cast<double>(entries - 1));
  };
  static const std::vector<Table> all{
      {9, 4, ids({3, 5}, 9)},
      {7, 3, ids({11}, 7), ", columns that no pack fits"},
      {1, 1, ids({1}, 1)},
      {5, 12, ids({2, 2, 2}, 5), ", three axes of ids"},
      {6, 8, given({4}, {2, 2, 2, 2}, DType::int32), ", one row many times"},
      {300, 16, ids({40}, 300), ", most rows never"},
      {50, 200, ids({8, 70}, 50), ", rows wider than a tile"},
      {3, 33, ids({30, 30}, 3), ", more uses than threads"},
      {6, 4, given({5}, {0.0, 1.9, 5.0, 4.25, 1.0}), ", ids of float32"},
      {1000, 128, ids({32, 64}, 1000), ", text"},
  };
  return all;
}

OpCase embedding(const Table& t) {
  OpCase c;
  c.name = name_of(t);
  c.inputs = {uniform({t.entries, t.columns}), t.ids};
  c.inputs[1].differentiable = false;
  c.build = [](Graph&, std::span<const Value> in) {
    return std::vector{ops::embedding(in[0], in[1])};
  };
  c.reference = [columns = size(t.columns)](const Tensors& in) -> Tensors {
    Values y;
    for (const double id : in[1]) {
      const std::size_t row = static_cast<std::size_t>(id) * columns;
      for (std::size_t k = 0; k < columns; ++k) y.push_back(in[0][row + k]);
    }
    return {y};
  };
  c.terms = 0.0;
  // As often as a row may be used.
  c.gradient_terms = static_cast<double>(t.ids.shape.elements());
  c.gradient_magnitude = 4.0;
  return c;
}

OpCase embedding_backward(const Table& t) {
  OpCase c;
  c.name = name_of(t);
  Shape dy = t.ids.shape;
  dy.push_back(t.columns);
  c.inputs = {uniform(dy), t.ids};
  c.build = [t](Graph&, std::span<const Value> in) {
    return std::vector{ops::embedding_backward(in[0], in[1], {t.entries, t.columns})};
  };
  c.reference = [entries = size(t.entries),
                 columns = size(t.columns)](const Tensors& in) -> Tensors {
    Values table(entries * columns);
    for (std::size_t i = 0; i < in[1].size(); ++i) {
      const std::size_t row = static_cast<std::size_t>(in[1][i]) * columns;
      for (std::size_t k = 0; k < columns; ++k) table[row + k] += in[0][i * columns + k];
    }
    return {table};
  };
  c.terms = static_cast<double>(t.ids.shape.elements());
  c.differentiable_outputs = 0;
  return c;
}

}  // namespace

std::vector<OpCase> cases::embedding_cases() {
  std::vector<OpCase> all;
  for (const Table& t : tables()) all.push_back(embedding(t));
  return all;
}

std::vector<OpCase> cases::embedding_backward_cases() {
  std::vector<OpCase> all;
  for (const Table& t : tables()) all.push_back(embedding_backward(t));
  return all;
}

namespace {

TEST(Embedding, records_an_id_outside_of_the_table) {
  OpCase c = embedding({3, 2, given({2, 2}, {1, 3, -1, 2}, DType::int32)});
  c.inputs[0] = given({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto run = test::run_case(c);
  EXPECT_EQ(run.scalars.error, plan::StepError::label_out_of_range);
  EXPECT_EQ(run.scalars.error_row, 1);
  EXPECT_EQ(run.scalars.error_detail, 3);
  EXPECT_EQ(run.outputs[0], (Values{3, 4, 0, 0, 0, 0, 5, 6}));
}

TEST(Embedding, an_id_outside_of_the_table_gets_no_gradient) {
  OpCase c = embedding_backward({2, 1, given({4}, {1, 2, -1, 1}, DType::int32)});
  c.inputs[0] = given({4, 1}, {1, 2, 3, 4});
  EXPECT_EQ(test::run_case(c).outputs[0], (Values{0, 5}));
}

TEST(Embedding, wants_a_table_and_whole_numbers) {
  Graph graph;
  const auto leaf = [&](Shape shape, DType dtype) { return graph.leaf("x", {dtype, shape}, {}); };
  const Value ids = leaf({3}, DType::int32);
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::embedding(leaf({9}, DType::float32), ids); }),
            "embedding: expected a table of rank 2, received (9,)");
  EXPECT_EQ(test::message_of<DTypeError>([&] {
              ops::embedding(leaf({9, 2}, DType::float32), leaf({3}, DType::bfloat16));
            }),
            "expected ids of int32 or float32, received bfloat16");
}

}  // namespace
}  // namespace stoker
