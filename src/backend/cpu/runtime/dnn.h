// The part of oneDNN that our kernels need: a primitive with its arguments, which is made once and
// executed without allocating. No other header includes dnnl.hpp.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <dnnl.hpp>

#include "core/align.h"
#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::backend::cpu {

const dnnl::engine& dnn_engine();

// These describe memory of float32 or bfloat16: plain() is dense in C order, strided() has the
// given strides.
dnnl::memory::desc plain(const dnnl::memory::dims& dims, DType dtype = DType::float32);
dnnl::memory::desc strided(const dnnl::memory::dims& dims, const dnnl::memory::dims& strides,
                           DType dtype = DType::float32);
// Returns a description whose layout oneDNN chooses.
dnnl::memory::desc any_layout(const dnnl::memory::dims& dims, DType dtype = DType::float32);
// Describes a batch of images. oneDNN's dims are (N, C, H, W) whatever the layout; our layout is
// NHWC.
dnnl::memory::desc image(const Shape& nhwc, DType dtype = DType::float32);

// Returns attributes by which a primitive takes its scratch memory from our arena.
dnnl::primitive_attr user_scratchpad();
// Returns the same attributes, with relu applied to the result.
dnnl::primitive_attr with_relu();

// Returns whether this processor multiplies and adds bfloat16, and oneDNN may do so (the
// environment variable ONEDNN_MAX_CPU_ISA can forbid it).
bool has_bfloat16_products();
// Returns oneDNN's version and the instructions that it uses, as a set of bits.
std::string dnn_version();

// Returns the name of the implementation that oneDNN found, for example "brgconv:avx512_core_bf16";
// empty if there is none.
std::string implementation_of(const dnnl::primitive_desc_base& desc);

// A primitive and the memory it works on. Arguments are numbered in the order in which they are
// given.
class Primitive {
 public:
  Primitive() = default;
  Primitive(const dnnl::primitive& primitive,
            std::initializer_list<std::pair<int, dnnl::memory::desc>> arguments);

  // Sets the place of an argument, which is cheap when it has not changed.
  void set(std::size_t argument, const void* data);
  // Executes the primitive through the C interface, since dnnl.hpp's execute() would build a map
  // and a vector each time.
  void execute();
  explicit operator bool() const { return static_cast<bool>(primitive_.get(true)); }

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::vector<const void*> data_;
};

// Makes a primitive that copies between layouts; it is empty if they are the same.
Primitive make_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);

// Hands out parts of a kernel's workspace, each with cache lines of its own.
class WorkspaceLayout {
 public:
  static constexpr std::size_t kCacheLine = 64;

  std::size_t add(std::size_t bytes) {
    const std::size_t offset = total_;
    total_ += aligned(bytes, kCacheLine);
    return offset;
  }
  std::size_t total() const { return total_; }

 private:
  std::size_t total_ = 0;
};

}  // namespace stoker::backend::cpu
