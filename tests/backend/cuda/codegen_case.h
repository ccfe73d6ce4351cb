// A generated launch with its memory, and what its nodes mean in double.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/codegen/codegen.h"
#include "backend/node_run.h"
#include "ops/ops.h"
#include "plan/scalars.h"
#include "stoker/dtype.h"
#include "support/expression_reference.h"
#include "support/op_harness.h"

namespace stoker::test {

using graph::Expr;
using graph::Expression;
using graph::ExprOp;
using graph::Value;

// Runs a launch: its parameters' bytes, blocks, threads, barriers, and a seed for the order.
using RunGenerated = std::function<void(const backend::cuda::GeneratedLaunch& launch,
                                        const std::byte* parameters, std::uint64_t seed)>;

// Memory of zeros that costs nothing until it is written, between strips that must stay zero.
class LaunchMemory {
 public:
  // The first byte is `offset` bytes behind a multiple of 16.
  explicit LaunchMemory(std::size_t bytes, std::size_t offset = 0)
      : bytes_(bytes), begin_(kStrip + offset % 16) {
    void* memory = ::mmap(nullptr, size(), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::byte*>(memory);
  }
  ~LaunchMemory() { ::munmap(memory_, size()); }
  LaunchMemory(const LaunchMemory&) = delete;
  LaunchMemory& operator=(const LaunchMemory&) = delete;

  std::byte* data() const { return memory_ + begin_; }
  std::size_t bytes() const { return bytes_; }
  bool strips_are_clean() const {
    const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
    const std::byte* end = data() + bytes_;
    return std::all_of(memory_, memory_ + begin_, is_zero) &&
           std::all_of(end, end + kStrip, is_zero);
  }

 private:
  static constexpr std::size_t kStrip = 256;
  std::size_t size() const { return bytes_ + 2 * kStrip + 16; }
  std::size_t bytes_, begin_;
  std::byte* memory_ = nullptr;
};

inline double element_of(DType dtype, const std::byte* memory, std::size_t index) {
  const auto read = [&](auto element) {
    std::memcpy(&element, memory + index * sizeof element, sizeof element);
    return element;
  };
  switch (dtype) {
    case DType::float32:
      return read(float{});
    case DType::int32:
      return read(std::int32_t{});
    case DType::uint8:
      return read(std::uint8_t{});
    case DType::bfloat16:
      return static_cast<float>(read(bfloat16{}));
    case DType::float16:
      return static_cast<float>(read(float16{}));
  }
  return 0.0;
}

inline void put_element(DType dtype, std::byte* memory, std::size_t index, double value) {
  const auto write = [&](auto element) {
    std::memcpy(memory + index * sizeof element, &element, sizeof element);
  };
  const auto single = static_cast<float>(value);
  const double whole = std::isnan(value) ? 0.0 : std::trunc(value);
  switch (dtype) {
    case DType::float32:
      return write(single);
    case DType::int32:
      return write(static_cast<std::int32_t>(std::clamp(whole, -0x1.0p31, 0x1.fffffep30)));
    case DType::uint8:
      return write(static_cast<std::uint8_t>(std::clamp(whole, 0.0, 255.0)));
    case DType::bfloat16:
      return write(bfloat16(single));
    case DType::float16:
      return write(float16(single));
  }
}

// In units of the expected value's last place as float32.
inline double ulps_between(double received, double expected) {
  const auto rounded = static_cast<float>(expected);
  if (std::isnan(expected)) return std::isnan(received) ? 0.0 : 1e9;
  if (std::isinf(rounded) || std::isinf(received)) return rounded == received ? 0.0 : 1e9;
  const int exponent = std::max(std::ilogb(std::abs(rounded) > 0 ? rounded : 1e-45f), -126);
  return std::abs(received - expected) / std::ldexp(1.0, exponent - 23);
}

class LaunchCase : public backend::cuda::Resources {
 public:
  explicit LaunchCase(std::string name) : name_(std::move(name)) {}

  // ---- What to compute ----

  graph::Graph graph;
  plan::Scalars scalars;
  // Results are what the CPU backend gives, bit by bit. Otherwise they are within `ulps`, or, where
  // that is 0, within float32's reach of the terms.
  bool is_exact = false;
  double ulps = 0.0;

  // `offset`: bytes behind a multiple of 16.
  graph::Value leaf(Shape shape, DType dtype = DType::float32, std::int64_t offset = 0) {
    return graph.leaf("x", {dtype, shape}, {graph::Space::input, 0, offset});
  }
  void set(graph::Value value, const std::vector<double>& elements) {
    auto& memory = memory_of(value.id);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      put_element(value.dtype(), memory.data(), i, elements[i]);
    }
  }
  // Noise in [-scale, scale), or whole numbers.
  void fill(graph::Value value, float scale = 1.0f, std::uint32_t seed = 1) {
    std::vector<double> elements;
    for (const float x : noise(static_cast<std::size_t>(value.shape().elements()), 1.0f, seed)) {
      const double scaled = value.dtype() == DType::float32 ? x * scale
                            : value.dtype() == DType::uint8 ? std::floor(x * 127.0 + 128.0)
                            : value.dtype() == DType::int32 ? std::floor(x * 1e6)
                                                            : x * scale;
      elements.push_back(scaled);
    }
    set(value, elements);
  }
  // `output` is written over `input`.
  void alias(graph::Value output, graph::Value input) { alias_[output.id] = input.id; }

  // ---- The launch of all its nodes ----

  const std::string& name() const { return name_; }
  const backend::cuda::GeneratedLaunch& launch() {
    if (launch_.name.empty()) {
      std::vector<graph::NodeId> nodes(graph.nodes().size());
      for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i] = static_cast<graph::NodeId>(i);
      launch_ = backend::cuda::generate(graph, nodes, *this);
    }
    return launch_;
  }

  void check(const RunGenerated& run) {
    SCOPED_TRACE(name_);
    const auto before = contents();
    const auto first = run_once(run, 1);
    for (std::size_t n = 0; n < graph.nodes().size(); ++n) check_node(graph.nodes()[n], before);
    if (is_exact && graph.nodes().size() == 1) check_against_cpu(before);
    if (launch_.has_barriers) {
      restore(before);
      EXPECT_EQ(run_once(run, 2), first) << "results depend on the order of the threads";
    }
  }

 private:
  using Bytes = std::vector<std::byte>;
  using Contents = std::map<graph::ValueId, Bytes>;
  // Values of more bytes are looked at in their ranges only.
  static constexpr std::size_t kHuge = std::size_t{1} << 30;
  // Of so many elements each seventh is looked at: the reference takes its time.
  static constexpr std::int64_t kMany = 100'000;

  std::int64_t take_counters(int count) override {
    const auto at = static_cast<std::int64_t>(counter_bytes_);
    counter_bytes_ += static_cast<std::size_t>(count) * 4;
    return at;
  }
  std::int64_t take_workspace(graph::NodeId node, std::size_t bytes) override {
    std::size_t& end = workspace_bytes_[node];
    const std::size_t at = end;
    end += (bytes + 255) / 256 * 256;
    return static_cast<std::int64_t>(at);
  }

  LaunchMemory& memory_of(graph::ValueId id) {
    const auto alias = alias_.find(id);
    if (alias != alias_.end()) return memory_of(alias->second);
    auto& memory = values_[id];
    if (!memory) {
      const graph::ValueInfo& info = graph.info(id);
      const std::size_t bytes =
          static_cast<std::size_t>(info.type.shape.elements()) * size_of(info.type.dtype);
      memory = std::make_unique<LaunchMemory>(bytes, static_cast<std::size_t>(info.home.offset));
    }
    return *memory;
  }

  std::byte* address(const backend::cuda::Operand& operand) {
    using Place = backend::cuda::Operand::Place;
    switch (operand.place) {
      case Place::value:
        return memory_of(operand.value).data() + operand.offset;
      case Place::workspace:
        return workspaces_.at(operand.node)->data() + operand.offset;
      case Place::counters:
        return counters_->data() + operand.offset;
      case Place::scalars:
        return reinterpret_cast<std::byte*>(&scalars);
      default:
        ADD_FAILURE() << "a generated launch has no such operand";
        return nullptr;
    }
  }

  // The outputs' bytes.
  std::vector<Bytes> run_once(const RunGenerated& run, std::uint64_t seed) {
    const auto& arguments = launch().arguments;
    counters_ = std::make_unique<LaunchMemory>(counter_bytes_);
    for (const auto& [node, bytes] : workspace_bytes_) {
      workspaces_[node] = std::make_unique<LaunchMemory>(bytes);
      std::memset(workspaces_[node]->data(), 0xff, bytes);
    }
    Bytes parameters = arguments.bytes;
    for (const auto& pointer : arguments.pointers) {
      std::byte* to = address(pointer.to);
      std::memcpy(parameters.data() + pointer.at, &to, sizeof to);
    }
    run(launch_, parameters.data(), seed);
    for (std::size_t i = 0; i < counter_bytes_; ++i) {
      EXPECT_EQ(counters_->data()[i], std::byte{0}) << "a counter is not zero again";
    }
    for (const auto& [node, memory] : workspaces_) EXPECT_TRUE(memory->strips_are_clean());
    for (const auto& [id, memory] : values_) EXPECT_TRUE(memory->strips_are_clean());
    std::vector<Bytes> outputs;
    for (const graph::Node& node : graph.nodes()) {
      for (const graph::ValueId id : node.outputs) {
        const LaunchMemory& memory = memory_of(id);
        if (memory.bytes() < kHuge) {
          outputs.emplace_back(memory.data(), memory.data() + memory.bytes());
        }
      }
    }
    return outputs;
  }

  Contents contents() {
    Contents result;
    for (const graph::Node& node : graph.nodes()) {
      for (const auto& ids : {node.inputs, node.outputs}) {
        for (const graph::ValueId id : ids) {
          const LaunchMemory& memory = memory_of(id);
          if (memory.bytes() < kHuge) {
            result[id] = {memory.data(), memory.data() + memory.bytes()};
          }
        }
      }
    }
    return result;
  }
  void restore(const Contents& contents) {
    for (const auto& [id, bytes] : contents) {
      if (!bytes.empty()) std::memcpy(memory_of(id).data(), bytes.data(), bytes.size());
    }
  }

  // ---- What is expected ----

  std::vector<double> inputs_at(const graph::Node& node, const Contents& before, const Shape& shape,
                                std::size_t element) const {
    std::vector<double> inputs;
    for (const graph::ValueId id : node.inputs) {
      const graph::ValueType& type = graph.info(id).type;
      const auto found = before.find(id);
      inputs.push_back(found == before.end()  // huge memory holds zeros
                           ? 0.0
                           : element_of(type.dtype, found->second.data(),
                                        broadcast_index(type.shape, shape, element)));
    }
    return inputs;
  }
  ElementContext context(std::size_t element, float range_value = 0.0f) const {
    return {scalars.seed, scalars.step, element, range_value};
  }

  void check_node(const graph::Node& node, const Contents& before) {
    if (std::string(node.op->name) == "pointwise") return check_pointwise(node, before);
    check_reduce(node, before);
  }

  void expect_element(const graph::Node& node, std::size_t output, std::size_t element,
                      double expected, double size) {
    const graph::ValueId id = node.outputs[output];
    const DType dtype = graph.info(id).type.dtype;
    const double received = element_of(dtype, memory_of(id).data(), element);
    if (dtype != DType::float32) {
      std::byte bytes[4];
      put_element(dtype, bytes, 0, expected);
      expected = element_of(dtype, bytes, 0);
    }
    bool is_right = false;
    if (std::isnan(expected)) {
      is_right = std::isnan(received);
    } else if (is_exact || dtype != DType::float32) {
      is_right = received == static_cast<float>(expected);
    } else if (ulps != 0.0 || std::isinf(static_cast<float>(expected))) {
      is_right = ulps_between(received, expected) <= ulps;
    } else {
      is_right = std::abs(received - expected) <= 1e-6 * size;
    }
    if (!is_right && ++wrong_ <= 3) {
      ADD_FAILURE() << "output " << output << ", element " << element << ": expected " << expected
                    << ", received " << received << "\n"
                    << launch_.source;
    }
  }

  // Whether all results are finite as they are stored.
  bool is_storable(const graph::Node& node, const std::vector<double>& results) const {
    for (std::size_t j = 0; j < results.size(); ++j) {
      std::byte bytes[4];
      const DType dtype = graph.info(node.outputs[j]).type.dtype;
      put_element(dtype, bytes, 0, results[j]);
      if (!std::isfinite(element_of(dtype, bytes, 0))) return false;
    }
    return true;
  }

  void check_pointwise(const graph::Node& node, const Contents& before) {
    const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
    const Shape& shape = graph.info(node.outputs[0]).type.shape;
    auto ranges = attributes.ranges;
    if (ranges.empty()) ranges.push_back({.offset = 0, .count = shape.elements()});
    if (attributes.guard != ops::Guard::none && scalars.error != plan::StepError::none) {
      ranges.clear();
    }
    if (attributes.guard == ops::Guard::update && scalars.skips_update != 0) ranges.clear();
    std::vector<bool> is_written(
        static_cast<std::size_t>(std::min<std::int64_t>(shape.elements(), 1 << 20)));
    std::int64_t overflow = plan::kNoOverflow;
    for (const ops::Range& range : ranges) {
      for (std::int64_t i = range.offset; i < range.offset + range.count; ++i) {
        const auto element = static_cast<std::size_t>(i);
        if (element < is_written.size()) is_written[element] = true;
        if (range.count > kMany && i % 7 != 0) continue;
        const auto expected =
            evaluate(attributes.expression, inputs_at(node, before, shape, element),
                     context(element, range.value));
        if (attributes.keeps_finite && !is_storable(node, expected)) {
          overflow = std::min(overflow, i);
          is_written[element] = false;
          continue;
        }
        for (std::size_t j = 0; j < expected.size(); ++j) {
          expect_element(node, j, element, expected[j], 2.0 + 2.0 * std::abs(expected[j]));
        }
      }
    }
    EXPECT_EQ(scalars.overflow, overflow);
    for (const graph::ValueId id : node.outputs) {
      const auto found = before.find(id);
      if (found == before.end()) continue;
      const DType dtype = graph.info(id).type.dtype;
      for (std::size_t i = 0; i < is_written.size(); ++i) {
        if (is_written[i]) continue;
        EXPECT_EQ(element_of(dtype, memory_of(id).data(), i),
                  element_of(dtype, found->second.data(), i))
            << "element " << i << " is outside of the ranges";
      }
    }
  }

  void check_reduce(const graph::Node& node, const Contents& before) {
    const auto& attributes = ops::attributes_of<ops::ReduceAttributes>(node);
    std::vector<graph::Value> inputs;
    for (const graph::ValueId id : node.inputs) inputs.push_back(graph.value(id));
    const Shape shape = ops::broadcast({}, inputs);
    Shape kept = shape;
    for (const std::int64_t axis : attributes.axes) kept[static_cast<std::size_t>(axis)] = 1;
    const double infinity = std::numeric_limits<double>::infinity();
    const double start = attributes.kind == ops::ReduceKind::sum   ? 0.0
                         : attributes.kind == ops::ReduceKind::max ? -infinity
                                                                   : infinity;
    const auto outputs = static_cast<std::size_t>(kept.elements());
    std::vector<double> totals(outputs, start), sizes(outputs, 0.0);
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      const auto element = static_cast<std::size_t>(i);
      const double value =
          evaluate(attributes.expression, inputs_at(node, before, shape, element), context(element))
              .front();
      const std::size_t to = broadcast_index(kept, shape, element);
      sizes[to] += std::abs(value) + 0.25;
      totals[to] = attributes.kind == ops::ReduceKind::sum ? totals[to] + value
                   : attributes.kind == ops::ReduceKind::max
                       ? evaluate_op(graph::ExprOp::maximum, totals[to], value)
                       : evaluate_op(graph::ExprOp::minimum, totals[to], value);
    }
    for (std::size_t to = 0; to < outputs; ++to) {
      const double size =
          attributes.kind == ops::ReduceKind::sum ? sizes[to] : std::abs(totals[to]);
      expect_element(node, 0, to, totals[to] * attributes.scale,
                     (size + 1.0) * std::abs(attributes.scale));
    }
  }

  void check_against_cpu(const Contents& before) {
    NodeRun run(graph);
    run.scalars = scalars;
    const graph::Node& node = graph.nodes()[0];
    const auto bytes_of = [](const Bytes& bytes) {
      std::vector<std::uint8_t> result(bytes.size());
      if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
      return result;
    };
    for (const graph::ValueId id : node.outputs) run.set(graph.value(id), bytes_of(before.at(id)));
    for (const graph::ValueId id : node.inputs) run.set(graph.value(id), bytes_of(before.at(id)));
    for (const auto& [output, input] : alias_) run.alias(graph.value(output), graph.value(input));
    run.run();
    EXPECT_EQ(run.scalars.overflow, scalars.overflow);
    for (const graph::ValueId id : node.outputs) {
      const LaunchMemory& memory = memory_of(id);
      EXPECT_EQ(run.get<std::uint8_t>(graph.value(id)),
                bytes_of({memory.data(), memory.data() + memory.bytes()}))
          << "not the CPU's bits";
    }
  }

  std::string name_;
  std::map<graph::ValueId, graph::ValueId> alias_;
  std::map<graph::ValueId, std::unique_ptr<LaunchMemory>> values_;
  std::map<graph::NodeId, std::size_t> workspace_bytes_;
  std::map<graph::NodeId, std::unique_ptr<LaunchMemory>> workspaces_;
  std::unique_ptr<LaunchMemory> counters_;
  std::size_t counter_bytes_ = 0;
  backend::cuda::GeneratedLaunch launch_;
  int wrong_ = 0;
};

using LaunchCases = std::vector<std::unique_ptr<LaunchCase>>;

inline LaunchCase& add_case(LaunchCases& cases, std::string name) {
  cases.push_back(std::make_unique<LaunchCase>(std::move(name)));
  return *cases.back();
}

}  // namespace stoker::test
