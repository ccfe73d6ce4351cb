// The parameters of our kernels: plain structs, passed by value. Read by nvcc, by the host compiler
// where launches are made, and by the emulator of the tests. float32 unless said otherwise; images
// NHWC, convolution kernels HWIO; matrices row by row. Tensors begin at multiples of 16 bytes.
// Counters are zero when a kernel begins and when it has ended.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stoker::device {
struct RingState;
}
namespace stoker::plan {
struct Scalars;
}

namespace stoker::backend::cuda {

// How a tensor's elements are stored; arithmetic is float32's.
enum class Element : std::int32_t { float32, bfloat16, float16 };

// How labels are given.
enum class Labels : std::int32_t { int32_classes, float_classes, float_rows };

// Copies the batch at the ring's cursor into the step's fixed input buffer, checks the block's
// header, and moves the cursor on (the last block to finish does).
struct ingest_params {
  device::RingState* ring = {};
  plan::Scalars* scalars = {};
  std::byte* to = {};       // the input space: fields at the offsets that they have in the block
  std::int64_t begin = {};  // bytes of the block to copy, multiples of 16
  std::int64_t end = {};
  std::uint32_t* counter = {};
};

// Row rows[i] of `from` becomes row i of `to`. No node's: device::Stream::gather_rows() launches
// it.
struct gather_rows_params {
  const std::byte* from = {};
  std::byte* to = {};
  const std::int64_t* rows = {};
  std::int64_t count = {};
  std::int64_t row_bytes = {};
};

// ops::advance. `largest_gradient` may be null. One thread.
struct advance_params {
  const float* loss = {};
  const float* largest_gradient = {};
  plan::Scalars* scalars = {};
  std::int32_t node = {};          // for Scalars::error_node
  std::int32_t growth_steps = {};  // of the loss scale; 0: it is not scaled
};

struct softmax_params {  // softmax and log_softmax
  const void* x = {};    // of `element`
  void* y = {};          // of `element`
  std::int64_t rows = {};
  std::int32_t columns = {};
  std::int32_t log = {};
  Element element = {};
};
struct sparsemax_params {
  const float* x = {};
  float* y = {};
  std::int64_t rows = {};
  std::int32_t columns = {};
};
struct softmax_cross_entropy_params {
  const float* logits = {};
  const void* labels = {};
  float* loss = {};      // [rows]
  float* gradient = {};  // [rows, columns]
  plan::Scalars* scalars = {};
  std::uint32_t* counters =
      {};                  // two: blocks that are done, the first bad row; null for float_rows
  std::int64_t rows = {};  // less than 2^32 - 1
  std::int32_t columns = {};
  Labels kind = {};
  std::int32_t node = {};  // for Scalars::error_node
};
struct one_hot_params {
  const std::int32_t* labels = {};
  float* y = {};
  plan::Scalars* scalars = {};
  std::uint32_t* counters = {};  // two: blocks that are done, the first bad row
  std::int64_t rows = {};        // less than 2^32 - 1
  std::int32_t classes = {};
  std::int32_t node = {};
};
struct argmax_params {
  const float* x = {};
  std::int32_t* y = {};
  std::int64_t rows = {};
  std::int32_t columns = {};
};

// Rows of table [entries, ..] by the class numbers in ids [count]; elements of any type.
struct embedding_params {
  const void* table = {};
  const void* ids = {};
  void* y = {};
  plan::Scalars* scalars = {};
  std::uint32_t* counters = {};  // two: blocks that are done, the first bad id
  std::int64_t count = {};       // less than 2^32 - 1
  std::int64_t row_bytes = {};
  std::int32_t entries = {};
  Labels kind = {};  // int32_classes or float_classes
  std::int32_t node = {};
};
// Which uses of a table are whose. An id is its own key; one that the table does not have gets the
// key `entries`. A pass sorts by one digit of the keys and keeps the order of equal ones, so that
// after all of them uses of an id stand side by side, in their order.
struct EmbeddingUses {
  const void* ids = {};            // of the first pass
  const std::uint32_t* keys = {};  // of the others: as the pass before has placed them
  const std::uint32_t* uses = {};
  std::int64_t count = {};  // less than 2^32 - 1
  std::int32_t entries = {};
  std::int32_t chunk = {};  // how many a block has: a multiple of its threads
  std::int32_t shift = {};  // of the digit
  Labels kind = {};
};
// Where each chunk's keys of each digit go: places [chunks, kDigits].
struct embedding_count_params {
  EmbeddingUses from = {};
  std::uint32_t* places = {};
  std::uint32_t* counter = {};
};
// The kernel writes each use of an id to its place in the order by that digit.
struct embedding_place_params {
  EmbeddingUses from = {};
  const std::uint32_t* places = {};
  std::uint32_t* keys = {};
  std::uint32_t* uses = {};
};
// Writes the rows of dtable [entries, columns] that keys name; the others are zero before.
struct embedding_backward_params {
  const void* dy = {};             // [count, columns], of `element`
  const std::uint32_t* keys = {};  // sorted
  const std::uint32_t* uses = {};  // the rows of dy that they belong to
  float* dtable = {};
  std::int64_t count = {};
  std::int32_t entries = {};
  std::int32_t columns = {};
  Element element = {};
};

// x [outer, from, inner] <-> y [outer, extent, inner]; elements of 1, 2 or 4 bytes.
struct slice_params {
  const void* x = {};
  void* y = {};
  std::int64_t outer = {}, from = {}, inner = {}, begin = {}, extent = {};
  std::int32_t element_bytes = {};
};
struct slice_backward_params {
  const void* dy = {};
  void* dx = {};
  std::int64_t outer = {}, from = {}, inner = {}, begin = {}, extent = {};
  std::int32_t element_bytes = {};
};

// Blocks of up to kConcatenated inputs into rows of y, in bytes: input i [outer, ends[i] -
// ends[i - 1]] comes at ends[i - 1] of a row, the first one at `begin`.
inline constexpr int kConcatenated = 8;
struct concatenate_params {
  const void* x[kConcatenated] = {};
  void* y = {};
  std::int64_t outer = {}, row = {}, begin = {};
  std::int64_t ends[kConcatenated] = {};  // those of no input: as the last one's
};

struct Window {
  std::int32_t n = {}, h = {}, w = {}, c = {}, p = {}, q = {};  // x [n, h, w, c], y [n, p, q, c]
  std::int32_t window_h = {}, window_w = {}, stride_h = {}, stride_w = {}, before_h = {},
               before_w = {};
};
struct pool2d_params {
  const void* x = {};         // of `element`
  void* y = {};               // of `element`
  std::uint8_t* argmax = {};  // null when averaging
  Window at = {};
  Element element = {};
};
struct pool2d_backward_params {
  const void* dy = {};              // of `element`
  const std::uint8_t* argmax = {};  // null when averaging
  void* dx = {};                    // of `element`
  Window at = {};
  Element element = {};
};

// Over rows of x [rows, channels]. Images are of `element`, what a channel has is float32. Sums go
// through partials [parts, 2, channels]: each block writes those of its part of the rows, and the
// last block of a tile of channels adds them in order. How many parts and counters (one a tile):
// grids.h.
struct batch_norm_statistics_params {
  const void* x = {};
  float* mean = {};
  float* variance = {};  // biased
  float* partials = {};
  std::uint32_t* counters = {};
  std::int64_t rows = {};
  std::int32_t channels = {};
  std::int32_t parts = {};
  Element element = {};
};
struct batch_norm_apply_params {
  const void* x = {};
  const float* mean = {};
  const float* variance = {};
  const float* gamma = {};
  const float* beta = {};
  const void* residual = {};  // added to the result, or null
  void* y = {};
  std::int64_t rows = {};
  std::int32_t channels = {};
  std::int32_t relu = {};
  float epsilon = {};
  Element element = {};
};
struct batch_norm_backward_sums_params {
  const void* x = {};
  const void* dy = {};
  const void* dy_2 = {};  // added to dy, or null
  const void* mask = {};  // where it is 0 the gradient is; or null
  void* sum = {};         // that gradient; null without dy_2 and mask
  const float* mean = {};
  const float* variance = {};
  float* dgamma = {};
  float* dbeta = {};
  float* partials = {};
  std::uint32_t* counters = {};
  std::int64_t rows = {};
  std::int32_t channels = {};
  std::int32_t parts = {};
  float epsilon = {};
  Element element = {};
};
struct batch_norm_backward_apply_params {
  const void* x = {};
  const void* dy = {};
  const float* mean = {};
  const float* variance = {};
  const float* gamma = {};
  const float* dgamma = {};
  const float* dbeta = {};
  void* dx = {};
  std::int64_t rows = {};
  std::int32_t channels = {};
  float epsilon = {};
  Element element = {};
};

// What runs where cuDNN refuses: right, not fast. y[m, n] = epilogue(sum_k a b + bias).
struct matmul_params {
  const float* a = {};
  const float* b = {};
  const float* bias = {};  // [n], or null
  float* y = {};
  std::int32_t m = {}, n = {}, k = {};
  std::int32_t transpose_a = {}, transpose_b = {};
  std::int32_t relu = {};
};
struct Convolution {
  std::int32_t n = {}, h = {}, w = {}, c = {};  // image
  std::int32_t kh = {}, kw = {}, o = {}, p = {},
               q = {};  // kernel [kh, kw, c / groups, o], result [n, p, q, o]
  std::int32_t stride_h = {}, stride_w = {}, dilation_h = {}, dilation_w = {}, before_h = {},
               before_w = {};
  std::int32_t groups = {};
};
struct conv2d_params {
  const float* x = {};
  const float* kernel = {};
  const float* bias = {};  // or null
  float* y = {};
  Convolution at = {};
  std::int32_t relu = {};
};
struct conv2d_backward_data_params {
  const float* dy = {};
  const float* kernel = {};
  float* dx = {};
  Convolution at = {};
};
struct conv2d_backward_weights_params {
  const float* x = {};
  const float* dy = {};
  float* dkernel = {};
  float* dbias = {};  // or null
  Convolution at = {};
};

}  // namespace stoker::backend::cuda
