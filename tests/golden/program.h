// A graph with the data that its leaves hold: compiled for the device under test and run once, on a
// slot of a ring, as a training step is.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "core/align.h"
#include "device/device.h"
#include "device/ring_state.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "plan/program.h"
#include "plan/scalars.h"
#include "stoker/tensor.h"
#include "support/device_under_test.h"

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
  explicit Program(std::span<float> totals = {})
      : graph_(std::make_unique<graph::Graph>()), totals_(totals) {}

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
    const auto backend = backend_under_test(variant.threads);
    const auto executable =
        backend->compile(std::move(graph_), keep, {.optimize = variant.optimize});
    // All bits are set in it: what isn't written must not be read.
    const SharedMemory arena(static_cast<std::size_t>(executable->program().arena_bytes));
    const SharedMemory parameters(weight_bytes_), block(input_bytes_);
    const SharedMemory totals(totals_.size_bytes());
    const SharedMemory scalars(sizeof(plan::Scalars)), ring(sizeof(device::RingState));
    for (const auto& [offset, content] : weights_) store(parameters.host() + offset, *content);
    for (const auto& [offset, content] : inputs_) store(block.host() + offset, *content);
    std::copy(totals_.begin(), totals_.end(), reinterpret_cast<float*>(totals.host()));
    const auto* found = new (scalars.host()) plan::Scalars;
    new (block.host()) device::SlotHeader{};
    (new (ring.host()) device::RingState)->blocks[0] = block.device();

    backend::Memory memory;
    memory.arena = arena.device();
    memory.parameters = parameters.device();
    memory.metrics = totals.device();
    memory.scalars = reinterpret_cast<plan::Scalars*>(scalars.device());
    executable->bind(memory);
    const auto stream = device_under_test().device->make_stream();
    for (const auto* each : {&arena, &parameters, &block, &totals, &scalars, &ring}) {
      each->upload(*stream);
    }
    executable->run(*stream, reinterpret_cast<device::RingState*>(ring.device()));
    scalars.download(*stream);
    totals.download(*stream);
    stream->synchronize();
    EXPECT_EQ(found->error, plan::StepError::none);
    std::copy_n(reinterpret_cast<const float*>(totals.host()), totals_.size(), totals_.begin());
    return read(*executable, keep, *stream);
  }

 private:
  using Contents = std::vector<std::pair<std::size_t, const Tensor*>>;

  graph::Value leaf(const std::string& name, const Tensor& content, graph::Space space,
                    Contents& contents, std::size_t& end) {
    const std::size_t offset = end;
    end += aligned(content.bytes());
    contents.emplace_back(offset, &content);
    return graph_->leaf(name, {content.dtype(), content.shape()},
                        {space, 0, static_cast<std::int64_t>(offset)});
  }

  static void store(std::byte* to, const Tensor& content) {
    std::memcpy(to, content.raw(), content.bytes());
  }

  static std::vector<std::vector<float>> read(const backend::Executable& executable,
                                              const std::vector<graph::ValueId>& values,
                                              device::Stream& stream) {
    std::vector<std::vector<float>> contents;
    for (const graph::ValueId value : values) {
      const graph::ValueType& type = executable.program().graph->info(value).type;
      std::vector<float>& content = contents.emplace_back(type.shape.elements());
      stream.copy_to_host(reinterpret_cast<std::byte*>(content.data()), executable.address(value),
                          content.size() * sizeof(float));
      stream.synchronize();
    }
    return contents;
  }

  std::unique_ptr<graph::Graph> graph_;
  std::span<float> totals_;
  Contents inputs_, weights_;
  std::size_t input_bytes_ = device::kHeaderBytes;
  std::size_t weight_bytes_ = 0;
};

}  // namespace stoker::test
