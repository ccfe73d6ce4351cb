// Models as ONNX, looked at by the library's own reader of protocol buffers. scripts/nightly has
// ONNX Runtime predict with models of every layer.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/protobuf.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::message_of;
using test::TemporaryFolder;

struct Node {
  std::string op;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};
struct Initializer {
  std::vector<std::int64_t> dims;
  std::int64_t type = 0;
  std::string raw;
};
// An input or output: its type and extents, -1 for one that is a parameter.
struct End {
  std::int64_t type = 0;
  std::vector<std::int64_t> dims;
};
// Field numbers are those of onnx.proto.
struct Onnx {
  std::int64_t opset = 0;
  std::vector<Node> nodes;
  std::map<std::string, Initializer> initializers;
  std::vector<std::string> input_names, output_names;
  std::map<std::string, End> ends;

  std::vector<std::string> ops() const {
    std::vector<std::string> all;
    for (const Node& node : nodes) all.push_back(node.op);
    return all;
  }
};

template <class F>
void each_field(std::string_view bytes, F&& f) {
  io::ProtoReader reader(bytes);
  while (const auto field = reader.next()) f(*field);
}

Node node_of(std::string_view bytes) {
  Node node;
  each_field(bytes, [&](const io::ProtoField& field) {
    if (field.number == 1) node.inputs.emplace_back(field.bytes);
    if (field.number == 2) node.outputs.emplace_back(field.bytes);
    if (field.number == 4) node.op = field.bytes;
  });
  return node;
}

void add_initializer(Onnx& onnx, std::string_view bytes) {
  Initializer tensor;
  std::string name;
  each_field(bytes, [&](const io::ProtoField& field) {
    if (field.number == 1) tensor.dims.push_back(field.integer());
    if (field.number == 2) tensor.type = field.integer();
    if (field.number == 8) name = field.bytes;
    if (field.number == 9) tensor.raw = field.bytes;
  });
  EXPECT_TRUE(onnx.initializers.emplace(name, tensor).second) << name;
}

std::string add_end(Onnx& onnx, std::string_view bytes) {
  End end;
  std::string name;
  each_field(bytes, [&](const io::ProtoField& field) {
    if (field.number == 1) name = field.bytes;
    if (field.number != 2) return;
    each_field(field.bytes, [&](const io::ProtoField& tensor) {
      each_field(tensor.bytes, [&](const io::ProtoField& part) {
        if (part.number == 1) end.type = part.integer();
        if (part.number != 2) return;
        each_field(part.bytes, [&](const io::ProtoField& dim) {
          const auto extent = io::ProtoReader(dim.bytes).next();
          end.dims.push_back(extent->number == 1 ? extent->integer() : -1);
        });
      });
    });
  });
  onnx.ends[name] = end;
  return name;
}

Onnx exported(const Model& model) {
  const TemporaryFolder folder;
  model.export_onnx(folder / "m.onnx");
  const std::string bytes = test::read_all(folder / "m.onnx");
  Onnx onnx;
  each_field(bytes, [&](const io::ProtoField& field) {
    if (field.number == 8) {
      each_field(field.bytes, [&](const io::ProtoField& part) {
        if (part.number == 2) onnx.opset = part.integer();
      });
    }
    if (field.number != 7) return;
    each_field(field.bytes, [&](const io::ProtoField& part) {
      if (part.number == 1) onnx.nodes.push_back(node_of(part.bytes));
      if (part.number == 5) add_initializer(onnx, part.bytes);
      if (part.number == 11) onnx.input_names.push_back(add_end(onnx, part.bytes));
      if (part.number == 12) onnx.output_names.push_back(add_end(onnx, part.bytes));
    });
  });
  return onnx;
}

// Every input of a node is an input of the model, a tensor, or what an earlier node gave; and every
// name is given once.
void expect_sound(const Onnx& onnx) {
  std::set<std::string> known(onnx.input_names.begin(), onnx.input_names.end());
  for (const auto& [name, tensor] : onnx.initializers) EXPECT_TRUE(known.insert(name).second);
  for (const Node& node : onnx.nodes) {
    for (const std::string& input : node.inputs) EXPECT_TRUE(known.contains(input)) << input;
    for (const std::string& output : node.outputs)
      EXPECT_TRUE(known.insert(output).second) << output;
  }
  for (const std::string& output : onnx.output_names) EXPECT_TRUE(known.contains(output)) << output;
}

TEST(OnnxExport, of_a_dense_layer_is_a_product_a_sum_and_a_function) {
  const Sequential model(
      {Input({3}, {.name = "in"}), Dense(2, {.activation = "relu", .name = "d"})}, {.seed = 1});
  const Onnx onnx = exported(model);
  expect_sound(onnx);
  EXPECT_EQ(onnx.opset, 17);
  EXPECT_EQ(onnx.ops(), (std::vector<std::string>{"MatMul", "Add", "Relu", "Identity"}));
  EXPECT_EQ(onnx.input_names, std::vector<std::string>{"in"});
  EXPECT_EQ(onnx.output_names, std::vector<std::string>{"d"});
  EXPECT_EQ(onnx.ends.at("in").dims, (std::vector<std::int64_t>{-1, 3}));
  EXPECT_EQ(onnx.ends.at("d").dims, (std::vector<std::int64_t>{-1, 2}));
  const Initializer& kernel = onnx.initializers.at("d/kernel");
  EXPECT_EQ(kernel.dims, (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(kernel.type, 1);
  const Tensor weights = model.get_weights()[0];
  EXPECT_EQ(kernel.raw, std::string(static_cast<const char*>(weights.raw()), weights.bytes()));
}

TEST(OnnxExport, of_images_has_channels_first_inside) {
  const Sequential model({Input({8, 8, 1}), Conv2D(4, {3, 3}), BatchNormalization(), MaxPooling2D(),
                          Dropout(0.5), Flatten(), Dense(10, {.activation = "softmax"})});
  const Onnx onnx = exported(model);
  expect_sound(onnx);
  const auto ops = onnx.ops();
  for (const char* op : {"Conv", "MaxPool", "Transpose", "Reshape", "MatMul", "Softmax"}) {
    EXPECT_NE(std::ranges::find(ops, op), ops.end()) << op;
  }
  EXPECT_EQ(onnx.ends.at(onnx.output_names[0]).dims, (std::vector<std::int64_t>{-1, 10}));
}

TEST(OnnxExport, of_sequences_and_transposed_convolutions_is_of_images) {
  const Sequential model({Input({16, 3}), Conv1D(4, 3, {.padding = "causal"}),
                          DepthwiseConv1D(3, {.depth_multiplier = 2}), AveragePooling1D(2),
                          Reshape({7, 1, 8}), Conv2DTranspose(2, {3, 2}, {.strides = 2})});
  const Onnx onnx = exported(model);
  expect_sound(onnx);
  const auto ops = onnx.ops();
  EXPECT_EQ(std::ranges::count(ops, "Conv"), 2);
  for (const char* op : {"AveragePool", "ConvTranspose"}) {
    EXPECT_EQ(std::ranges::count(ops, op), 1) << op;
  }
  EXPECT_EQ(onnx.ends.at(onnx.output_names[0]).dims, (std::vector<std::int64_t>{-1, 15, 2, 2}));
}

TEST(OnnxExport, keeps_names_apart_and_leaves_masks_out) {
  const Value ids = Input({5}, {.dtype = "int32", .name = "ids"});
  const Value x = Embedding(10, 3, {.mask_zero = true, .name = "table"})(ids);
  const Model model({ids}, {x, x});
  const Onnx onnx = exported(model);
  expect_sound(onnx);
  EXPECT_EQ(onnx.ends.at("ids").type, 6);  // int32
  ASSERT_EQ(onnx.output_names.size(), 2U);
  EXPECT_NE(onnx.output_names[0], onnx.output_names[1]);
  const auto ops = onnx.ops();
  EXPECT_EQ(std::ranges::count(ops, "Gather"), 1);
  EXPECT_EQ(std::ranges::count(ops, "Equal"), 0);
}

TEST(OnnxExport, writes_a_weight_once_that_is_used_twice) {
  const Value a = Input({3}, {.name = "a"}), b = Input({3}, {.name = "b"});
  const Layer shared = Dense(2, {.name = "shared"});
  const Model model({a, b}, Add()({shared(a), shared(b)}));
  const Onnx onnx = exported(model);
  expect_sound(onnx);
  EXPECT_EQ(std::ranges::count(onnx.ops(), "MatMul"), 2);
  EXPECT_EQ(onnx.initializers.count("shared/kernel"), 1U);
}

TEST(OnnxExport, appears_whole_or_not_at_all) {
  const TemporaryFolder folder;
  const Sequential model({Input({3}), Dense(2)});
  EXPECT_THROW(model.export_onnx(folder / "missing/m.onnx"), IoError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace stoker
