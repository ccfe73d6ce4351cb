// A graph with the data that its leaves hold: compiled for the CPU and run once, on a slot of a
// ring, as a training step is.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "device/device.h"
#include "device/ring_state.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "plan/program.h"
#include "plan/scalars.h"
#include "stoker/tensor.h"

namespace stoker::test {

// How a program is run. Every case has to hold for each.
struct Variant {
  const char* name;
  int threads;
  bool optimize;
};
inline constexpr Variant kVariants[] = {
    {"fused, one thread", 1, true}, {"fused, two threads", 2, true}, {"unfused", 1, false}};

class Program {
 public:
  // `totals`: what metrics accumulate in, if they do.
  explicit Program(float* totals = nullptr) : graph_(std::make_unique<graph::Graph>()) {
    memory_.metrics = reinterpret_cast<std::byte*>(totals);
  }

  graph::Graph& graph() { return *graph_; }
  // A field of the batch.
  graph::Value input(const std::string& name, const Tensor& content) {
    return leaf(name, content, graph::Space::input, inputs_, input_bytes_);
  }
  graph::Value weight(const std::string& name, const Tensor& content) {
    return leaf(name, content, graph::Space::parameter, weights_, weight_bytes_);
  }

  // Runs the graph, which is gone then, and returns the elements of these values.
  std::vector<std::vector<float>> run(const Variant& variant, std::vector<graph::Value> results) {
    std::vector<graph::ValueId> keep;
    for (graph::Value& result : results) {
      // A leaf is no result of the program: its copy is.
      if (graph_->info(result.id).node < 0) {
        result = ops::map(result, [](graph::Expr x) { return x; });
      }
      keep.push_back(result.id);
    }
    const auto backend = backend::make_cpu_backend(variant.threads);
    const auto executable =
        backend->compile(std::move(graph_), keep, {.optimize = variant.optimize});
    const auto device = device::make_cpu_device();
    const auto arena_bytes = static_cast<std::size_t>(executable->program().arena_bytes);
    const auto arena = device->allocate(arena_bytes);
    std::memset(arena->data(), 0xff, arena_bytes);  // NaN: what isn't written must not be read
    const auto parameters = device->allocate(weight_bytes_);
    const auto block = device->allocate_pinned(input_bytes_);
    for (const auto& [offset, content] : weights_) store(parameters->data() + offset, *content);
    for (const auto& [offset, content] : inputs_) store(block->data() + offset, *content);

    plan::Scalars scalars;
    memory_.arena = arena->data();
    memory_.parameters = parameters->data();
    memory_.scalars = &scalars;
    executable->bind(memory_);
    device::RingState ring;
    ring.blocks[0] = block->data();
    new (block->data()) device::SlotHeader{};
    executable->run(*device->make_stream(), &ring);
    EXPECT_EQ(scalars.error, plan::StepError::none);
    return read(*executable, keep);
  }

 private:
  using Contents = std::vector<std::pair<std::size_t, const Tensor*>>;

  graph::Value leaf(const std::string& name, const Tensor& content, graph::Space space,
                    Contents& contents, std::size_t& end) {
    const std::size_t offset = end;
    const auto alignment = static_cast<std::size_t>(plan::kAlignment);
    end += (content.bytes() + alignment - 1) / alignment * alignment;
    contents.emplace_back(offset, &content);
    return graph_->leaf(name, {content.dtype(), content.shape()},
                        {space, 0, static_cast<std::int64_t>(offset)});
  }

  static void store(std::byte* to, const Tensor& content) {
    std::memcpy(to, content.raw(), content.bytes());
  }

  static std::vector<std::vector<float>> read(const backend::Executable& executable,
                                              const std::vector<graph::ValueId>& values) {
    std::vector<std::vector<float>> contents;
    for (const graph::ValueId value : values) {
      const graph::ValueType& type = executable.program().graph->info(value).type;
      std::vector<float>& content = contents.emplace_back(type.shape.elements());
      std::memcpy(content.data(), executable.address(value), content.size() * sizeof(float));
    }
    return contents;
  }

  std::unique_ptr<graph::Graph> graph_;
  backend::Memory memory_;
  Contents inputs_, weights_;
  std::size_t input_bytes_ = device::kHeaderBytes;
  std::size_t weight_bytes_ = 0;
};

}  // namespace stoker::test
