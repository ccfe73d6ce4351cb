// The interface to code that is compiled once for each instruction set: plain structs and function
// pointers only. Whatever else a kernel file needs lies in its own namespace, named after the
// instruction set, since the copies must not share a symbol.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stoker::backend::cpu {

// The ops of a tile program: those of expressions, and those that are made of several of them.
enum class TileOp : std::uint8_t {
#define STOKER_EXPR_LEAF(name)
#define STOKER_EXPR_OP(name, operands) name,
#include "graph/expr_ops.def"
#undef STOKER_EXPR_LEAF
#undef STOKER_EXPR_OP
  copy,
  multiply_add,           // a * b + c
  negative_multiply_add,  // c - a * b
  multiply_subtract,      // a * b - c
};

// The types are those of stoker::DType, whose header the kernels do not include.
enum class TileType : std::uint8_t { float32, int32, uint8, bfloat16, float16 };

// Operands and results are slots. A slot says where the floats of the tile are: in a register (a
// tile of scratch memory), in the memory of an input or output, or in one vector that stands for
// all (constants).
struct TileInstruction {
  TileOp op;
  std::uint16_t a, b, c, to;
};

enum class TileSource : std::uint8_t {
  direct,    // contiguous float32: read in place
  scalar,    // one element that stands for all
  convert,   // contiguous, of another type
  periodic,  // the same `period` elements again and again, kept expanded in scratch memory
  strided,   // any other broadcast, copied for each tile
};

inline constexpr int kTileMaxRank = 8;

struct TileInput {
  TileSource source;
  TileType type;
  std::uint16_t slot;
  std::int32_t value;   // the value whose memory it is
  std::int32_t offset;  // the place of its register or expanded period, in floats
  std::int32_t stage;   // if direct: the place of its piece of a padded tail
  std::int64_t period;
  std::int32_t rank;  // if strided; the dimensions begin with the innermost
  std::int64_t extents[kTileMaxRank];
  std::int64_t strides[kTileMaxRank];
};

struct TileOutput {
  TileType type;
  bool is_direct;      // instructions write straight to the output's memory
  std::uint16_t slot;  // names the memory if direct, otherwise the register to copy from
  std::int32_t value;
  std::int32_t stage;  // if direct: the place of its piece of a padded tail
};

struct TileUniform {
  std::uint16_t slot;
  std::int32_t offset;  // the place of its register
  std::uint32_t stream;
};

// The widest vector of any instruction set, in floats.
inline constexpr int kMaxVector = 16;
// Scratch memory of an evaluation, half of a usual L1 cache. It lies on the stack, so that it is in
// the cache.
inline constexpr int kTileScratchFloats = 6144;
inline constexpr int kTileMaxSlots = 512;
// The room for a padded tail, and the room of a register beyond the tile, which `uniform` needs
// since it may begin before the tile.
inline constexpr int kTileStage = 2 * kMaxVector;
inline constexpr int kTileSlack = 4 * kMaxVector;

// The result of an instruction that is the same for all elements, as one vector.
struct TileScalar {
  std::uint16_t slot;
  std::int32_t offset;
};

// A compiled program. Slots are numbered: constants first, then registers, then the slots that
// inputs, outputs, ... name.
struct TileProgramView {
  // The first `scalar_count` instructions run once, before the first tile.
  const TileInstruction* instructions;
  const TileScalar* scalars;
  const TileInput* inputs;
  const TileOutput* outputs;
  const TileUniform* uniforms;
  const float* constants;         // kMaxVector equal floats each
  const std::int32_t* registers;  // their offsets
  std::int32_t instruction_count, input_count, output_count, uniform_count, constant_count;
  std::int32_t register_count, scalar_count;
  std::int32_t range_slot;    // the slot of range_value; -1 if it is not used
  std::int32_t range_offset;  // one vector
  std::int32_t tile;          // floats, a multiple of kMaxVector
  // If true, an element is stored only if all outputs are finite; no output is direct then.
  bool keeps_finite;
};

struct TileArguments {
  void* const* values;  // by TileInput::value and TileOutput::value
  float* result;        // if set, the only output, which starts at the first element evaluated
  float range_value;
  std::uint32_t step;
  std::uint64_t seed;
  // A program that keeps finite values sets this to the first element that it did not store, if
  // that is smaller than what is there.
  std::int64_t* first_overflow;
};

enum class Reduction : std::uint8_t { sum, max, min };

// The product y[m, n] = op(a) op(b) + bias, with relu if asked for, when it is too small for a
// library call.
struct SmallMatMul {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b, relu;
  const float* a;
  const float* b;
  const float* bias;  // [n] or null
  float* y;
};

// A convolution of images x [.., h, w, channels] to y [.., p, q, channels * multiplier], in which
// each channel has kernels of its own: [kernel_h, kernel_w, channels * multiplier].
struct Depthwise {
  std::int64_t h, w, p, q, channels, multiplier;
  std::int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, before_h, before_w;
};

// Rows [.., columns] of x; y is the output forwards, and dy [.., columns] its gradient backwards.
struct LayerNorm {
  std::int64_t columns;
  float epsilon;
  const float* x;
  const float* gamma;  // [columns]
  const float* beta;   // [columns]
  float* mean;         // [..]
  float* inverse;      // [..]
  float* y;
  const float* dy;
  float* dx;
};

// Attention over queries [batch, queries, heads, key_dim], keys [batch, keys, key_heads, key_dim]
// and values [batch, keys, key_heads, value_dim]; see ops::attention. Pointers that a pass does not
// use are null.
struct Attention {
  std::int64_t batch, queries, keys, heads, key_heads, key_dim, value_dim;
  float scale;
  bool causal;
  std::int64_t window;  // 0: none
  bool blind_is_mean;   // of queries that see no key
  bool blind_scores_have_gradient;
  float dropout;
  std::uint32_t stream, step;
  std::uint64_t seed;
  const float* query;
  const float* key;
  const float* value;
  const float* query_mask;  // [batch, queries] or null
  const float* key_mask;    // [batch, keys] or null
  float* y;
  float* logarithms;  // [batch, heads, queries]
  const float* dy;
  float* dquery;
  float* dkey;
  float* dvalue;
};
// Queries and keys are taken in blocks of that many.
inline constexpr std::int64_t kAttentionBlock = 64;
// The scratch memory of a thread, in floats.
constexpr std::int64_t attention_scratch(std::int64_t key_dim, std::int64_t value_dim) {
  const std::int64_t widest = key_dim > value_dim ? key_dim : value_dim;
  return kAttentionBlock * (2 * kAttentionBlock + 8 * (widest + kMaxVector) + 8);
}

// ---- Recurrent networks -------------------------------------------------------------------------
// The enumerators are those of ops::RecurrentKind and ops::GateFunction.
enum class RecurrentCell : std::uint8_t { simple, gru, gru_reset_before, lstm };
enum class Gate : std::uint8_t { linear, relu, sigmoid, hard_sigmoid, tanh };

// The floats of scratch memory in a row of so many, and of a matrix of k rows and n columns that is
// packed for products. Panels of the columns are as wide as two vectors at most.
constexpr std::int64_t padded_columns(std::int64_t n) {
  constexpr std::int64_t kPanel = 2 * kMaxVector;
  return (n + kPanel - 1) / kPanel * kPanel;
}
constexpr std::int64_t packed_floats(std::int64_t k, std::int64_t n) {
  return k * padded_columns(n);
}

struct RecurrenceSizes {
  std::int64_t steps, units;
  std::int64_t gates;  // the columns of x: the units of all gates
  std::int64_t kept;   // the columns of what is kept beside the states
  RecurrentCell cell;
  Gate activation, recurrent_activation;
  bool is_backwards, in_order_of_input;
};

// Null where there is no such array. Arrays of a sequence are [batch, steps, ..]. The packed matrix
// is the recurrent kernel [units, gates]; for gru_reset_before the first two gates' [units, 2
// units], and behind it the candidate's [units, units].
struct RecurrenceForward {
  RecurrenceSizes sizes;
  const float* packed;
  const float* x;
  const float* state;
  const float* cell;
  const float* recurrent_bias;
  const float* mask;
  float* last;
  float* last_cell;
  float* sequence;
  float* cells;
  float* kept;
  float* scratch;  // [batch, recurrence_scratch()]
};

// The packed matrix is the transposed recurrent kernel [gates, units]; for gru_reset_before that of
// the first two gates, and behind it the candidate's.
struct RecurrenceBackward {
  RecurrenceSizes sizes;
  const float* packed;
  const float* sequence;
  const float* cells;
  const float* kept;
  const float* state;
  const float* cell;
  const float* mask;
  const float* dlast;
  const float* dcell;
  const float* dsequence;
  float* dx;
  float* before;
  float* dproduct;
  float* reset;
  float* dstate;
  float* dstate_cell;
  float* scratch;  // [batch, recurrence_scratch()]
};

// The floats of scratch memory for each sample: in all, and for its products, which are two for
// gru_reset_before.
constexpr std::int64_t recurrence_products(const RecurrenceSizes& sizes) {
  if (sizes.cell != RecurrentCell::gru_reset_before) return padded_columns(sizes.gates);
  return padded_columns(2 * sizes.units) + padded_columns(sizes.units);
}
constexpr std::int64_t recurrence_scratch(const RecurrenceSizes& sizes) {
  return recurrence_products(sizes) + 3 * padded_columns(sizes.units);
}

struct KernelTable {
  const char* name;
  // Evaluates elements [begin, end) of a pointwise program.
  void (*evaluate)(const TileProgramView& program, const TileArguments& arguments,
                   std::int64_t begin, std::int64_t end);
  // Reduces a contiguous run to one number. max and min of nothing are -inf and inf; a NaN makes
  // the result NaN.
  double (*reduce)(Reduction kind, const float* x, std::int64_t count);
  // Computes into[c] = into[c] op x[0, c] op x[1, c] ...
  void (*reduce_rows)(Reduction kind, float* into, const float* x, std::int64_t rows,
                      std::int64_t columns);
  void (*softmax)(const float* x, float* y, std::int64_t rows, std::int64_t columns, bool log);
  // Computes loss [rows] and gradient [rows, columns]. Labels outside [0, columns) give zeros; the
  // first such row is returned, or -1.
  std::int64_t (*cross_entropy_sparse)(const float* logits, const std::int32_t* labels, float* loss,
                                       float* gradient, std::int64_t rows, std::int64_t columns);
  void (*cross_entropy_dense)(const float* logits, const float* labels, float* loss,
                              float* gradient, std::int64_t rows, std::int64_t columns);
  void (*matmul)(const SmallMatMul& arguments);
  // Standardises rows, and writes the mean and the reciprocal of the standard deviation of each.
  void (*layer_norm)(const LayerNorm& arguments, std::int64_t begin, std::int64_t end);
  void (*layer_norm_backward)(const LayerNorm& arguments, std::int64_t begin, std::int64_t end);
  // Blocks of queries [begin, end), counted over all heads of all samples.
  void (*attention)(const Attention& arguments, std::int64_t begin, std::int64_t end,
                    float* scratch);
  // The gradient of queries, by blocks as above, and of keys and values, by blocks of keys that are
  // counted over all heads of keys.
  void (*attention_queries)(const Attention& arguments, std::int64_t begin, std::int64_t end,
                            float* scratch);
  void (*attention_keys)(const Attention& arguments, std::int64_t begin, std::int64_t end,
                         float* scratch);
  // Computes rows [begin, end) of pixels of y, counted over all images. The bias may be null.
  void (*depthwise)(const Depthwise& sizes, const float* x, const float* kernel, const float* bias,
                    bool with_relu, float* y, std::int64_t begin, std::int64_t end);
  // Computes rows [begin, end) of pixels of the gradient of x.
  void (*depthwise_data)(const Depthwise& sizes, const float* dy, const float* kernel, float* dx,
                         std::int64_t begin, std::int64_t end);
  // Computes what rows [begin, end) of pixels of dy add to the gradients of kernel and bias, which
  // may be null.
  void (*depthwise_weights)(const Depthwise& sizes, const float* x, const float* dy, float* dkernel,
                            float* dbias, std::int64_t begin, std::int64_t end);
  // Packs a matrix of k rows and n columns, whose rows lie `stride` apart, for products.
  void (*pack)(const float* matrix, std::int64_t k, std::int64_t n, std::int64_t stride,
               float* packed);
  // These take samples [begin, end) of the batch through all steps.
  void (*recurrence)(const RecurrenceForward& arguments, std::int64_t begin, std::int64_t end);
  void (*recurrence_backward)(const RecurrenceBackward& arguments, std::int64_t begin,
                              std::int64_t end);
};

namespace baseline {
const KernelTable& table();
}
namespace avx2 {
const KernelTable& table();
}
namespace avx512 {
const KernelTable& table();
}

}  // namespace stoker::backend::cpu
