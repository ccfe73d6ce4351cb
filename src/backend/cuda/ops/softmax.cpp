// What copies or looks along rows: views, slices, embedding, softmax and its relatives, labels.
#include <utility>

#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/lowering.h"

namespace stoker::backend::cuda {

using graph::Node;
using graph::Space;
using graph::ValueId;

namespace {

// Extents before and after an axis.
std::pair<std::int64_t, std::int64_t> around(const Shape& shape, std::int64_t axis) {
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  for (std::size_t d = 0; d < shape.rank(); ++d) {
    if (static_cast<std::int64_t>(d) < axis) outer *= shape[d];
    if (static_cast<std::int64_t>(d) > axis) inner *= shape[d];
  }
  return {outer, inner};
}

}  // namespace

// A view needs no work; one that was placed outside of its input is a copy.
void Lowering::lower_reshape(const Node& node) {
  const graph::ValueInfo& out = graph_.info(node.outputs[0]);
  if (out.home.space == Space::arena || out.home == graph_.info(node.inputs[0]).home) return;
  const std::int64_t count = out.type.shape.elements();
  copy_slice(node, {.outer = 1,
                    .from = count,
                    .inner = 1,
                    .begin = 0,
                    .extent = count,
                    .element_bytes = bytes_of_element(node.outputs[0])});
}

void Lowering::copy_slice(const Node& node, const slice_params& params) {
  Pack<slice_params> pack(params);
  pack.point(&slice_params::x, Operand::of(node.inputs[0]))
      .point(&slice_params::y, Operand::of(node.outputs[0]));
  launch(KernelId::slice, params, pack);
}

void Lowering::lower_slice(const Node& node) {
  const auto& attributes = ops::attributes_of<ops::SliceAttributes>(node);
  const Shape& x = shape(node.inputs[0]);
  const auto [outer, inner] = around(x, attributes.axis);
  copy_slice(node, {.outer = outer,
                    .from = x[static_cast<std::size_t>(attributes.axis)],
                    .inner = inner,
                    .begin = attributes.begin,
                    .extent = attributes.extent,
                    .element_bytes = bytes_of_element(node.inputs[0])});
}

void Lowering::lower_slice_backward(const Node& node) {
  const auto& attributes = ops::attributes_of<ops::SliceAttributes>(node);
  const Shape& dx = shape(node.outputs[0]);
  const auto [outer, inner] = around(dx, attributes.axis);
  const slice_backward_params params{.outer = outer,
                                     .from = dx[static_cast<std::size_t>(attributes.axis)],
                                     .inner = inner,
                                     .begin = attributes.begin,
                                     .extent = attributes.extent,
                                     .element_bytes = bytes_of_element(node.outputs[0])};
  Pack<slice_backward_params> pack(params);
  pack.point(&slice_backward_params::dy, Operand::of(node.inputs[0]))
      .point(&slice_backward_params::dx, Operand::of(node.outputs[0]));
  launch(KernelId::slice_backward, params, pack);
}

// As many inputs as a launch takes, until all are there.
void Lowering::lower_concatenate(const Node& node) {
  const auto axis =
      static_cast<std::size_t>(ops::attributes_of<ops::ConcatenateAttributes>(node).axis);
  const auto row_bytes = [&](ValueId value) {
    auto bytes = static_cast<std::int64_t>(size_of(dtype(value)));
    for (std::size_t d = axis; d < shape(value).rank(); ++d) bytes *= shape(value)[d];
    return bytes;
  };
  const auto outer = around(shape(node.outputs[0]), static_cast<std::int64_t>(axis)).first;
  std::int64_t end = 0;
  for (std::size_t first = 0; first < node.inputs.size(); first += kConcatenated) {
    concatenate_params params{
        .outer = outer, .row = row_bytes(node.outputs[0]), .begin = end, .ends = {}};
    for (std::size_t k = 0; k < kConcatenated; ++k) {
      if (first + k < node.inputs.size()) end += row_bytes(node.inputs[first + k]);
      params.ends[k] = end;
    }
    Pack<concatenate_params> pack(params);
    for (std::size_t k = 0; k < kConcatenated && first + k < node.inputs.size(); ++k) {
      pack.point(&concatenate_params::x, k, Operand::of(node.inputs[first + k]));
    }
    pack.point(&concatenate_params::y, Operand::of(node.outputs[0]));
    launch(KernelId::concatenate, params, pack);
  }
}

void Lowering::lower_embedding(const Node& node) {
  const Shape& table = shape(node.inputs[0]);
  const embedding_params params{.count = shape(node.inputs[1]).elements(),
                                .row_bytes = table[1] * bytes_of_element(node.inputs[0]),
                                .entries = int32(table[0]),
                                .kind = classes_of(node.inputs[1]),
                                .node = id_};
  Pack<embedding_params> pack(params);
  pack.point(&embedding_params::table, Operand::of(node.inputs[0]))
      .point(&embedding_params::ids, Operand::of(node.inputs[1]))
      .point(&embedding_params::y, Operand::of(node.outputs[0]))
      .point(&embedding_params::scalars, Operand::scalars())
      .point(&embedding_params::counters, Operand::counters(take_counters(kLabelCounters)));
  launch(KernelId::embedding, params, pack);
}

void Lowering::lower_embedding_backward(const Node& node) {
  const Shape& table = shape(node.outputs[0]);
  append(ZeroLaunch{Operand::of(node.outputs[0]),
                    static_cast<std::size_t>(table.elements()) * sizeof(float)},
         "zero", id_, id_);
  const std::int64_t uses = shape(node.inputs[1]).elements();
  const EmbeddingSort sort(uses, int32(table[0]));
  const std::int64_t workspace = take_workspace(id_, sort.bytes());
  const auto at = [&](std::size_t bytes) {
    return Operand::workspace(id_, workspace + static_cast<std::int64_t>(bytes));
  };
  // Keys and uses: a pass reads the pair that the one before has written.
  const Operand keys[]{at(0), at(2 * sort.numbers_bytes)};
  const Operand uses_of[]{at(sort.numbers_bytes), at(3 * sort.numbers_bytes)};
  const Operand places = at(4 * sort.numbers_bytes);
  const Operand counter = Operand::counters(take_counters(1));
  for (int pass = 0; pass < sort.passes; ++pass) {
    const int to = pass % 2;
    const EmbeddingUses from{.count = uses,
                             .entries = int32(table[0]),
                             .chunk = sort.chunk,
                             .shift = pass * kDigitBits,
                             .kind = classes_of(node.inputs[1])};
    using Count = embedding_count_params;
    const Count count{.from = from};
    Pack<Count> pack_count(count);
    using Place = embedding_place_params;
    const Place place{.from = from};
    Pack<Place> pack_place(place);
    if (pass == 0) {
      pack_count.point(&Count::from, &EmbeddingUses::ids, Operand::of(node.inputs[1]));
      pack_place.point(&Place::from, &EmbeddingUses::ids, Operand::of(node.inputs[1]));
    } else {
      pack_count.point(&Count::from, &EmbeddingUses::keys, keys[1 - to]);
      pack_place.point(&Place::from, &EmbeddingUses::keys, keys[1 - to])
          .point(&Place::from, &EmbeddingUses::uses, uses_of[1 - to]);
    }
    pack_count.point(&Count::places, places).point(&Count::counter, counter);
    pack_place.point(&Place::places, places)
        .point(&Place::keys, keys[to])
        .point(&Place::uses, uses_of[to]);
    launch(KernelId::embedding_count, count, pack_count);
    launch(KernelId::embedding_place, place, pack_place);
  }
  const int last = (sort.passes - 1) % 2;
  using Params = embedding_backward_params;
  const Params params{.count = uses,
                      .entries = int32(table[0]),
                      .columns = int32(table[1]),
                      .element = element_of(dtype(node.inputs[0]))};
  Pack<Params> pack(params);
  pack.point(&Params::dy, Operand::of(node.inputs[0]))
      .point(&Params::keys, keys[last])
      .point(&Params::uses, uses_of[last])
      .point(&Params::dtable, Operand::of(node.outputs[0]));
  launch(KernelId::embedding_backward, params, pack);
}

void Lowering::lower_softmax(const Node& node) {
  const Rows rows(shape(node.inputs[0]));
  const softmax_params params{.rows = rows.count,
                              .columns = int32(rows.columns),
                              .log = ops::attributes_of<ops::SoftmaxAttributes>(node).log,
                              .element = element_of(dtype(node.inputs[0]))};
  Pack<softmax_params> pack(params);
  pack.point(&softmax_params::x, Operand::of(node.inputs[0]))
      .point(&softmax_params::y, Operand::of(node.outputs[0]));
  launch(KernelId::softmax, params, pack);
}

void Lowering::lower_sparsemax(const Node& node) {
  const Rows rows(shape(node.inputs[0]));
  const sparsemax_params params{.rows = rows.count, .columns = int32(rows.columns)};
  Pack<sparsemax_params> pack(params);
  pack.point(&sparsemax_params::x, Operand::of(node.inputs[0]))
      .point(&sparsemax_params::y, Operand::of(node.outputs[0]));
  launch(KernelId::sparsemax, params, pack);
}

Labels Lowering::labels_of(ValueId labels) const {
  return shape(labels).rank() > 1 ? Labels::float_rows : classes_of(labels);
}

void Lowering::lower_cross_entropy(const Node& node) {
  using Params = softmax_cross_entropy_params;
  const Rows rows(shape(node.inputs[0]));
  const Params params{.rows = rows.count,
                      .columns = int32(rows.columns),
                      .kind = labels_of(node.inputs[1]),
                      .node = id_};
  Pack<Params> pack(params);
  pack.point(&Params::logits, Operand::of(node.inputs[0]))
      .point(&Params::labels, Operand::of(node.inputs[1]))
      .point(&Params::loss, Operand::of(node.outputs[0]))
      .point(&Params::gradient, Operand::of(node.outputs[1]))
      .point(&Params::scalars, Operand::scalars());
  if (params.kind != Labels::float_rows) {
    pack.point(&Params::counters, Operand::counters(take_counters(kLabelCounters)));
  }
  launch(KernelId::softmax_cross_entropy, params, pack);
}

void Lowering::lower_one_hot(const Node& node) {
  const std::int64_t rows = shape(node.inputs[0]).elements();
  const one_hot_params params{
      .rows = rows, .classes = int32(shape(node.outputs[0]).back()), .node = id_};
  Pack<one_hot_params> pack(params);
  pack.point(&one_hot_params::labels, Operand::of(node.inputs[0]))
      .point(&one_hot_params::y, Operand::of(node.outputs[0]))
      .point(&one_hot_params::scalars, Operand::scalars())
      .point(&one_hot_params::counters, Operand::counters(take_counters(kLabelCounters)));
  launch(KernelId::one_hot, params, pack);
}

void Lowering::lower_argmax(const Node& node) {
  const Rows rows(shape(node.inputs[0]));
  const argmax_params params{.rows = rows.count, .columns = int32(rows.columns)};
  Pack<argmax_params> pack(params);
  pack.point(&argmax_params::x, Operand::of(node.inputs[0]))
      .point(&argmax_params::y, Operand::of(node.outputs[0]));
  launch(KernelId::argmax, params, pack);
}

}  // namespace stoker::backend::cuda
