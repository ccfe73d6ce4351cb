// A case of the ops' tables as a program that can run again and again, on memory of its own.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "core/align.h"
#include "ops/cases.h"
#include "stoker/random.h"
#include "work.h"

namespace stoker::bench {

class OpProgram {
 public:
  // Optimized as a step is. 0 threads: one for each core.
  explicit OpProgram(const test::OpCase& c, int threads = 0)
      : device_(device::make_cpu_device()),
        stream_(device_->make_stream()),
        backend_(backend::make_cpu_backend(threads)) {
    auto graph = std::make_unique<graph::Graph>();
    std::vector<graph::Value> leaves;
    std::int64_t bytes = 0;
    for (const test::OpInput& input : c.inputs) {
      leaves.push_back(
          graph->leaf("x", {input.dtype, input.shape}, {graph::Space::parameter, 0, bytes}));
      bytes += aligned_bytes(input);
    }
    std::vector<graph::ValueId> keep;
    for (const graph::Value& output : c.build(*graph, leaves)) keep.push_back(output.id);
    executable_ = backend_->compile(std::move(graph), keep);

    leaves_ = device_->allocate(static_cast<std::size_t>(bytes));
    std::byte* to = leaves_->data();
    for (const test::OpInput& input : c.inputs) {
      fill(input, to);
      to += aligned_bytes(input);
    }
    arena_ = device_->allocate(static_cast<std::size_t>(executable_->program().arena_bytes));
    slot_ = device_->allocate(device::kHeaderBytes);
    new (slot_->data()) device::SlotHeader{0, 1};
    ring_.blocks[0] = slot_->data();
    backend::Memory memory;
    memory.arena = arena_->data();
    memory.parameters = leaves_->data();
    memory.scalars = &scalars_;
    executable_->bind(memory);
  }

  void run() {
    ring_.cursor = 0;
    executable_->run(*stream_, &ring_);
  }

  double flops() const { return sum(flops_of); }
  double bytes() const { return sum(bytes_of); }

 private:
  // What an input takes in the block of all of them.
  static std::int64_t aligned_bytes(const test::OpInput& input) {
    const auto bytes = input.shape.elements() * static_cast<std::int64_t>(size_of(input.dtype));
    return aligned(bytes);
  }

  template <class T>
  void fill_as(const test::OpInput& input, std::byte* to) {
    for (std::int64_t i = 0; i < input.shape.elements(); ++i, to += sizeof(T)) {
      double value = input.low + (input.high - input.low) * random_.uniform();
      if (!input.given.empty()) value = input.given[static_cast<std::size_t>(i)];
      if (input.dtype != DType::float32) value = std::round(value);
      const T element = static_cast<T>(value);
      std::memcpy(to, &element, sizeof element);
    }
  }
  void fill(const test::OpInput& input, std::byte* to) {
    switch (input.dtype) {
      case DType::float32:
        return fill_as<float>(input, to);
      case DType::int32:
        return fill_as<std::int32_t>(input, to);
      default:
        return fill_as<std::uint8_t>(input, to);  // the cases have no other types
    }
  }

  template <class F>
  double sum(const F& of) const {
    const graph::Graph& graph = *executable_->program().graph;
    double total = 0.0;
    for (const graph::Node& node : graph.nodes()) total += of(graph, node);
    return total;
  }

  Random random_{1};
  std::shared_ptr<device::Device> device_;
  std::unique_ptr<device::Stream> stream_;
  std::unique_ptr<backend::Backend> backend_;
  std::unique_ptr<backend::Executable> executable_;
  std::unique_ptr<device::Buffer> leaves_, arena_, slot_;
  device::RingState ring_;
  plan::Scalars scalars_;
};

}  // namespace stoker::bench
