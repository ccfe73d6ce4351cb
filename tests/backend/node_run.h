// Runs one node's CPU kernel on plain memory: exactly as large as the values are, with a strip
// behind each that must stay untouched.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include "backend/cpu/ops/kernel.h"
#include "backend/cpu/runtime/dispatch.h"
#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::test {

// A test that runs once for every copy of the kernels that this processor can run.
class EachIsa : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { setenv("STOKER_CPU_ISA", GetParam().c_str(), 1); }
  void TearDown() override { unsetenv("STOKER_CPU_ISA"); }
};

inline std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (const auto* table : backend::cpu::available_kernels()) names.emplace_back(table->name);
  return names;
}
inline std::string isa_name(const testing::TestParamInfo<std::string>& info) { return info.param; }

class NodeRun {
 public:
  // The last node of the graph.
  explicit NodeRun(graph::Graph& graph, int threads = 1)
      : graph_(graph),
        id_(static_cast<graph::NodeId>(graph.nodes().size()) - 1),
        threads_(threads),
        values_(graph.value_count()) {
    for (const graph::ValueId id : node().inputs) allocate(id);
    for (const graph::ValueId id : node().outputs) allocate(id);
    kernel_ = make();
    workspace_.resize(kernel_->workspace_bytes() + 64);
  }

  template <class T>
  void set(graph::Value value, const std::vector<T>& elements) {
    ASSERT_EQ(bytes(value.id), elements.size() * sizeof(T));
    std::ranges::copy(std::as_bytes(std::span(elements)), memory_[value.id].get() + kStrip);
  }
  template <class T = float>
  std::vector<T> get(graph::Value value) const {
    std::vector<T> elements(bytes(value.id) / sizeof(T));
    const auto* from = static_cast<const std::byte*>(values_[static_cast<std::size_t>(value.id)]);
    std::ranges::copy_n(from, static_cast<std::ptrdiff_t>(bytes(value.id)),
                        std::as_writable_bytes(std::span(elements)).begin());
    return elements;
  }
  // Makes the node write `output` over `input`.
  void alias(graph::Value output, graph::Value input) {
    values_[static_cast<std::size_t>(output.id)] = values_[static_cast<std::size_t>(input.id)];
  }

  void run() {
    // More threads than there may be cores, and a fresh arena: neither may matter.
    const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, 4);
    tbb::task_arena arena(threads_);
    arena.execute([&] { kernel_->run(context()); });
    for (const auto& [id, memory] : memory_) {
      for (std::size_t i = 0; i < kStrip; ++i) {
        const std::byte* after = memory.get() + kStrip + bytes(id);
        ASSERT_EQ(memory[i], kMark) << "before value " << id;
        ASSERT_EQ(after[i], kMark) << i << " bytes behind value " << id;
      }
    }
  }

  backend::cpu::Kernel& kernel() { return *kernel_; }
  backend::cpu::Run context() {
    auto* workspace = workspace_.data();
    workspace += (64 - reinterpret_cast<std::uintptr_t>(workspace) % 64) % 64;
    return {.values = values_.data(), .scalars = &scalars, .workspace = workspace};
  }

  plan::Scalars scalars;

 private:
  static constexpr std::size_t kStrip = 64;
  static constexpr std::byte kMark{0xA7};

  const graph::Node& node() const { return graph_.node(id_); }
  std::size_t bytes(graph::ValueId id) const {
    const graph::ValueType& type = graph_.info(id).type;
    return static_cast<std::size_t>(type.shape.elements()) * size_of(type.dtype);
  }
  void allocate(graph::ValueId id) {
    const std::size_t size = bytes(id) + 2 * kStrip;
    auto& memory = memory_[id];
    memory.reset(static_cast<std::byte*>(::aligned_alloc(64, (size + 63) / 64 * 64)));
    std::memset(memory.get(), static_cast<int>(kMark), size);
    values_[static_cast<std::size_t>(id)] = memory.get() + kStrip;
  }
  std::unique_ptr<backend::cpu::Kernel> make() const {
    const backend::cpu::KernelRequest request{graph_, node(), id_, threads_};
    return backend::cpu::cpu_op(node()).make_kernel(request);
  }

  struct Free {
    void operator()(std::byte* memory) const { ::free(memory); }
  };

  graph::Graph& graph_;
  graph::NodeId id_;
  int threads_;
  std::vector<void*> values_;
  std::map<graph::ValueId, std::unique_ptr<std::byte[], Free>> memory_;
  std::unique_ptr<backend::cpu::Kernel> kernel_;
  std::vector<std::byte> workspace_;
};

// Numbers that are no pattern, in [-scale, scale): a hash of their position.
inline std::vector<float> noise(std::size_t count, float scale = 1.0f, std::uint32_t seed = 1) {
  std::vector<float> values(count);
  std::uint32_t next = seed * 0x9E3779B9U;
  for (float& value : values) {
    std::uint32_t word = ++next;
    word = (word ^ (word >> 16)) * 0x85ebca6bU;
    word = (word ^ (word >> 13)) * 0xc2b2ae35U;
    word ^= word >> 16;
    value = (static_cast<float>(word >> 8) * 0x1.0p-23f - 1.0f) * scale;
  }
  return values;
}

}  // namespace stoker::test
