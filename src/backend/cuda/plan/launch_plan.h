// A step as a GPU runs it: launches in order, each with its grid and with arguments whose pointers
// are named but not yet known. A plan is made from a graph without a GPU and without CUDA's
// headers, so that all decisions (what fuses, which kernel, what cuDNN is asked for) can be tested,
// counted and printed anywhere. executable.cpp runs it on a GPU, tests/backend/cuda/emulation/ on
// the CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/plan/dnn_spec.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

// Names what a pointer will point to once memory is bound.
struct Operand {
  enum class Place : std::uint8_t {
    null,
    value,      // a value of the graph
    workspace,  // a node's scratch memory while it runs; undefined when the node begins
    input,      // the step's fixed copy of the batch
    // The program's counters: zero before the first step, and zero again after every launch.
    counters,
    scalars,  // plan::Scalars
    ring,     // device::RingState
  };
  Place place = Place::null;
  graph::ValueId value = graph::kNone;
  graph::NodeId node = -1;  // whose workspace it is
  std::int64_t offset = 0;  // bytes that are added

  static Operand of(graph::ValueId value, std::int64_t offset = 0) {
    return {.place = Place::value, .value = value, .offset = offset};
  }
  static Operand workspace(graph::NodeId node, std::int64_t offset = 0) {
    return {.place = Place::workspace, .node = node, .offset = offset};
  }
  static Operand counters(std::int64_t offset) {
    return {.place = Place::counters, .offset = offset};
  }
  static Operand input() { return {.place = Place::input}; }
  static Operand scalars() { return {.place = Place::scalars}; }
  static Operand ring() { return {.place = Place::ring}; }
  friend bool operator==(const Operand&, const Operand&) = default;
};

// The argument of a kernel, which takes a struct by value: the struct's bytes, and which of its
// members are pointers to be filled in.
struct Arguments {
  struct Pointer {
    std::size_t at = 0;  // byte offset in the struct
    Operand to;
  };
  std::vector<std::byte> bytes;
  std::vector<Pointer> pointers;
};

// Fills Arguments from a kernel's struct of parameters:
//   Pack<SoftmaxParams> pack({.rows = n, .columns = k});
//   pack.point(&SoftmaxParams::x, Operand::of(x));
//   pack.arguments()
template <class Params>
class Pack {
  static_assert(std::is_trivially_copyable_v<Params>);

 public:
  explicit Pack(const Params& params) {
    arguments_.bytes.resize(sizeof(Params));
    std::memcpy(arguments_.bytes.data(), &params, sizeof(Params));
  }
  template <class T>
  Pack& point(T* Params::*member, const Operand& to) {
    return point_at(&(probe_.*member), to);
  }
  // Fills in one of an array of pointers.
  template <class T, std::size_t N>
  Pack& point(T* (Params::*member)[N], std::size_t index, const Operand& to) {
    return point_at(&(probe_.*member)[index], to);
  }
  // Fills in a pointer of a struct that is a member.
  template <class Part, class T>
  Pack& point(Part Params::*part, T* Part::*member, const Operand& to) {
    return point_at(&(probe_.*part.*member), to);
  }
  Arguments arguments() const { return arguments_; }

 private:
  Pack& point_at(const void* member, const Operand& to) {
    const auto at = static_cast<const char*>(member) - reinterpret_cast<const char*>(&probe_);
    arguments_.pointers.push_back({static_cast<std::size_t>(at), to});
    return *this;
  }

  const Params probe_{};  // an object whose members tell their offsets
  Arguments arguments_;
};

// A launch of one of our kernels.
struct KernelLaunch {
  const Kernel* kernel = nullptr;
  Grid grid;
  Arguments arguments;
};

// A launch of a kernel generated from expressions: `source` defines `extern "C" __global__ void
// NAME(Params)`, with its parameters as struct `NAME_params`; it needs generated_prelude() before
// it.
struct GeneratedLaunch {
  std::string name;  // derived from the source, so that equal kernels are one
  std::string source;
  Grid grid;
  Arguments arguments;
  bool has_barriers = false;  // whether threads of a block wait for each other
};

// A launch of a graph of cuDNN's. Its operands are DnnSpec's tensors: a, b, bias, aux, y.
struct DnnLaunch {
  DnnSpec spec;
  Operand a, b, bias, aux, y;
  Operand workspace;
};

struct ZeroLaunch {
  Operand to;
  std::size_t bytes = 0;
};

struct Launch {
  std::variant<KernelLaunch, GeneratedLaunch, DnnLaunch, ZeroLaunch> what;
  // The first and the last of the nodes whose work this launch does or completes; -1 if it belongs
  // to none.
  graph::NodeId first = -1;
  graph::NodeId last = -1;
  std::string label;  // for people to read: matmul  Dense "dense"
};

struct LaunchPlan {
  std::vector<Launch> launches;
  std::vector<std::size_t> workspace_bytes;  // by NodeId
  std::size_t counter_bytes = 0;
  // The part of the batch's block that the step reads, in bytes; ingest copies it.
  std::int64_t input_begin = 0;
  std::int64_t input_end = 0;

  // Returns a line for each launch: number, what it is, grid, label.
  std::string text() const;
};

}  // namespace stoker::backend::cuda
