// Op embedding, which looks up rows of a table by number, and embedding_backward, which sorts the
// numbers first.
#include "backend/cuda/ops/embedding.h"

#include <algorithm>
#include <bit>

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

void lower_embedding(Lowering& lowering, const Node& node) {
  const Shape& table = lowering.shape(node.inputs[0]);
  const embedding_params params{.count = lowering.shape(node.inputs[1]).elements(),
                                .row_bytes = table[1] * lowering.bytes_of_element(node.inputs[0]),
                                .entries = int32(table[0]),
                                .kind = lowering.classes_of(node.inputs[1]),
                                .node = lowering.id()};
  Pack<embedding_params> pack(params);
  pack.point(&embedding_params::table, Operand::of(node.inputs[0]))
      .point(&embedding_params::ids, Operand::of(node.inputs[1]))
      .point(&embedding_params::y, Operand::of(node.outputs[0]))
      .point(&embedding_params::scalars, Operand::scalars())
      .point(&embedding_params::counters,
             Operand::counters(lowering.take_counters(kLabelCounters)));
  lowering.launch(params, pack);
}

void lower_embedding_backward(Lowering& lowering, const Node& node) {
  const Shape& table = lowering.shape(node.outputs[0]);
  lowering.append(ZeroLaunch{Operand::of(node.outputs[0]),
                             static_cast<std::size_t>(table.elements()) * sizeof(float)},
                  "zero");
  const std::int64_t uses = lowering.shape(node.inputs[1]).elements();
  const EmbeddingSort sort(uses, int32(table[0]));
  const std::int64_t workspace = lowering.take_workspace(lowering.id(), sort.bytes());
  const auto at = [&](std::size_t bytes) {
    return Operand::workspace(lowering.id(), workspace + static_cast<std::int64_t>(bytes));
  };
  // There are two pairs of keys and uses, since a pass reads the pair that the pass before has
  // written, and writes the other one.
  const Operand keys[]{at(0), at(2 * sort.numbers_bytes)};
  const Operand uses_of[]{at(sort.numbers_bytes), at(3 * sort.numbers_bytes)};
  const Operand places = at(4 * sort.numbers_bytes);
  const Operand counter = Operand::counters(lowering.take_counters(1));
  for (int pass = 0; pass < sort.passes; ++pass) {
    const int to = pass % 2;
    const EmbeddingUses from{.count = uses,
                             .entries = int32(table[0]),
                             .chunk = sort.chunk,
                             .shift = pass * kDigitBits,
                             .kind = lowering.classes_of(node.inputs[1])};
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
    lowering.launch(count, pack_count);
    lowering.launch(place, pack_place);
  }
  const int last = (sort.passes - 1) % 2;
  using Params = embedding_backward_params;
  const Params params{.count = uses,
                      .entries = int32(table[0]),
                      .columns = int32(table[1]),
                      .element = element_of(lowering.dtype(node.inputs[0]))};
  Pack<Params> pack(params);
  pack.point(&Params::dy, Operand::of(node.inputs[0]))
      .point(&Params::keys, keys[last])
      .point(&Params::uses, uses_of[last])
      .point(&Params::dtable, Operand::of(node.outputs[0]));
  lowering.launch(params, pack);
}

}  // namespace

STOKER_CUDA_KERNEL(embedding, Threads::meet, Loads::wide)
Grid grid_of(const embedding_params& p) { return teams_for(p.count, words_of_row(p.row_bytes)); }

STOKER_CUDA_KERNEL(embedding_count, Threads::meet, Loads::single)
Grid grid_of(const embedding_count_params& p) {
  return blocks_of(divide_up(p.from.count, p.from.chunk));
}

STOKER_CUDA_KERNEL(embedding_place, Threads::meet, Loads::single)
Grid grid_of(const embedding_place_params& p) {
  return blocks_of(divide_up(p.from.count, p.from.chunk));
}

STOKER_CUDA_KERNEL(embedding_backward, Threads::meet, Loads::wide)
Grid grid_of(const embedding_backward_params& p) {
  const int width = pack_width(p.columns, bytes_of(p.element));
  return blocks_of(divide_up(p.count, kBlockThreads / 32) * divide_up(p.columns, 32 * width));
}

EmbeddingSort::EmbeddingSort(std::int64_t uses, std::int32_t entries) {
  constexpr std::int64_t kChunk = 8 * kBlockThreads;  // the fewest uses of a chunk
  // There are no more chunks than this, since the last block goes through all of them.
  constexpr std::int64_t kMostChunks = 512;
  const std::int64_t tiles =
      divide_up(std::max(divide_up(uses, kMostChunks), kChunk), kBlockThreads);
  chunk = static_cast<std::int32_t>(tiles * kBlockThreads);
  // The largest key is `entries`, which stands for ids outside of the table.
  const int bits = std::bit_width(static_cast<std::uint32_t>(entries));
  passes = (bits + kDigitBits - 1) / kDigitBits;
  const auto aligned = [](std::int64_t bytes) {
    return static_cast<std::size_t>(divide_up(bytes, 16) * 16);
  };
  numbers_bytes = aligned(uses * 4);
  counts_bytes = aligned(divide_up(uses, chunk) * kDigits * 4);
}

const CudaOp embedding_on_cuda = with_kernels(&lower_embedding, Elements::any_type);
const CudaOp embedding_backward_on_cuda =
    with_kernels(&lower_embedding_backward, Elements::any_type);

}  // namespace stoker::backend::cuda
