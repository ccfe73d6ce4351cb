#include "support/op_harness.h"

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <utility>

#include "backend/backend.h"
#include "core/align.h"
#include "ops/ops.h"
#include "plan/autodiff.h"
#include "stoker/random.h"
#include "support/device_under_test.h"

namespace stoker::test {
namespace {

using graph::Graph;
using graph::Space;
using graph::Value;

constexpr double kUnitRoundoff = 0x1.0p-24;
constexpr double kLambda = 6.0;
// Inputs and their neighbours are exact in double; half of it is the second step of Richardson's
// extrapolation.
constexpr double kStep = 1e-4;

// Two operands of a product may have been rounded before.
double bound(double terms) {
  return kLambda * std::sqrt(terms) * kUnitRoundoff + 2.0 * device_under_test().operand_rounding;
}

std::size_t elements(const Shape& shape) { return static_cast<std::size_t>(shape.elements()); }

// Numbers in [0, 1) that depend on nothing but the seed and how many were drawn.
class Draws {
 public:
  explicit Draws(std::uint32_t seed) : seed_(seed) {}
  double next() {
    const auto block = philox4x32({count_++, 0, 0, 0}, {seed_, 0x70e57u});
    return block[0] * 0x1.0p-32;
  }
  std::size_t below(std::size_t n) {
    return static_cast<std::size_t>(next() * static_cast<double>(n));
  }

 private:
  std::uint32_t seed_;
  std::uint32_t count_ = 0;
};

Values draw(const OpInput& input, Draws& draws) {
  if (!input.given.empty()) return input.given;
  const std::size_t count = elements(input.shape);
  Values values(count);
  if (input.spread) {
    const double step = (input.high - input.low) / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = input.low + step * (static_cast<double>(i) + 0.5);
    }
    for (std::size_t i = count; i > 1; --i) std::swap(values[i - 1], values[draws.below(i)]);
  } else {
    const bool whole = input.dtype != DType::float32;
    const double width = input.high - input.low + (whole ? 1.0 : 0.0);
    for (double& value : values) value = input.low + width * draws.next();
    if (whole) {
      for (double& value : values) value = std::floor(value);
    }
  }
  if (input.dtype == DType::float32) {
    for (double& value : values) value = static_cast<float>(value);
  }
  return values;
}

// Memory with a strip behind it that must stay untouched. Every bit is set: NaN as float32.
class Block {
 public:
  explicit Block(std::size_t bytes) : bytes_(bytes), memory_(aligned(bytes) + kStrip) {}

  std::byte* host() const { return memory_.host(); }
  std::byte* device() const { return memory_.device(); }
  void clear() { std::memset(host(), 0xff, memory_.bytes()); }
  void upload(device::Stream& stream) const { memory_.upload(stream); }
  void download(device::Stream& stream) const { memory_.download(stream); }
  void check(const char* what) const {
    for (std::size_t i = bytes_; i < memory_.bytes(); ++i) {
      if (host()[i] == std::byte{0xff}) continue;
      ADD_FAILURE() << what << ": byte " << i - bytes_ << " behind its end was written";
      return;
    }
  }

 private:
  static constexpr std::size_t kStrip = 4096;
  std::size_t bytes_;
  SharedMemory memory_;
};

void store(DType dtype, const Values& values, std::byte* to) {
  for (const double value : values) {
    if (dtype == DType::float32) {
      const auto element = static_cast<float>(value);
      std::memcpy(to, &element, sizeof element);
    } else if (dtype == DType::int32) {
      const auto element = static_cast<std::int32_t>(value);
      std::memcpy(to, &element, sizeof element);
    } else {
      ASSERT_EQ(dtype, DType::uint8) << "the harness has no inputs of " << name_of(dtype);
      *to = static_cast<std::byte>(value);
    }
    to += size_of(dtype);
  }
}

template <class T>
Values load_as(const std::byte* from, std::size_t count) {
  Values values;
  for (std::size_t i = 0; i < count; ++i) {
    T element;
    std::memcpy(&element, from + i * sizeof(T), sizeof(T));
    values.push_back(static_cast<double>(element));
  }
  return values;
}

Values load(const graph::ValueType& type, const std::byte* from) {
  const std::size_t count = elements(type.shape);
  switch (type.dtype) {
    case DType::float32:
      return load_as<float>(from, count);
    case DType::int32:
      return load_as<std::int32_t>(from, count);
    case DType::uint8:
      return load_as<std::uint8_t>(from, count);
    default:
      ADD_FAILURE() << "the harness reads no outputs of " << name_of(type.dtype);
  }
  return {};
}

// NaN equals NaN; elements of all types are exact in double.
bool same_bits(const Tensors& a, const Tensors& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size()) return false;
    if (a[i].empty()) continue;
    if (std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(double)) != 0) return false;
  }
  return true;
}

// What one output element weighs in the loss: of either sign, never close to nothing.
Values loss_weights(std::size_t output, std::size_t count) {
  Draws draws(static_cast<std::uint32_t>(1000 + output));
  Values weights(count);
  for (double& weight : weights) {
    const double sign = draws.next() < 0.5 ? -1.0 : 1.0;
    weight = static_cast<float>(sign * (0.5 + draws.next()));
  }
  return weights;
}

// A case as a graph, with the memory that its leaves live in.
class CaseProgram {
 public:
  CaseProgram(const OpCase& c, const Tensors& inputs, const RunOptions& options)
      : graph_(std::make_unique<Graph>()), c_(c), options_(options) {
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      const OpInput& input = c.inputs[i];
      // A float32 input is a weight, as gradients want it; others are fields of the batch.
      leaves_.push_back(leaf({input.dtype, input.shape}, inputs[i],
                             input.dtype == DType::float32 ? Space::parameter : Space::input));
    }
    outputs_ = c.build(*graph_, leaves_);
    if (options.gradients) append_gradients();
  }

  OpRun run() {
    // More threads than there may be cores: it must not matter.
    const tbb::global_control allow(tbb::global_control::max_allowed_parallelism, 8);
    std::vector<graph::ValueId> keep;
    for (const Value& value : outputs_) keep.push_back(value.id);
    for (const Value& value : gradients_) {
      if (value) keep.push_back(value.id);
    }
    const auto backend = backend_under_test(options_.threads);
    const auto executable =
        backend->compile(std::move(graph_), keep, {.optimize = options_.optimize});
    const graph::Graph& program = *executable->program().graph;

    Blocks blocks(static_cast<std::size_t>(executable->program().arena_bytes), parameter_bytes_,
                  input_bytes_);
    executable->bind(blocks.memory());
    const auto stream = device_under_test().device->make_stream();
    OpRun result = run(*executable, blocks, *stream);
    if (!device_under_test().device->reads_host_memory()) {
      // CUDA runs a program's launches one by one first, and from the second time on as a graph.
      const OpRun again = run(*executable, blocks, *stream);
      EXPECT_TRUE(same_bits(result.outputs, again.outputs)) << "outputs differ from run to run";
      EXPECT_TRUE(same_bits(result.gradients, again.gradients)) << "gradients differ likewise";
    }
    for (const graph::Node& node : program.nodes()) result.ops.push_back(node.op->name);
    result.dump = program.dump();
    return result;
  }

 private:
  struct Content {
    Space space;
    std::size_t offset;
    DType dtype;
    Values values;
  };

  // Everything that a program touches.
  struct Blocks {
    Blocks(std::size_t arena_bytes, std::size_t parameter_bytes, std::size_t input_bytes)
        : arena(arena_bytes), parameters(parameter_bytes), input(input_bytes) {}

    backend::Memory memory() const {
      backend::Memory memory;
      memory.arena = arena.device();
      memory.parameters = parameters.device();
      memory.scalars = reinterpret_cast<plan::Scalars*>(scalars.device());
      return memory;
    }
    template <class F>
    void for_each(const F& f) {
      f(arena, "arena");
      f(parameters, "parameters");
      f(input, "input");
      f(scalars, "scalars");
      f(ring, "ring");
    }

    Block arena, parameters, input;
    Block scalars{sizeof(plan::Scalars)}, ring{sizeof(device::RingState)};
  };

  OpRun run(backend::Executable& executable, Blocks& blocks, device::Stream& stream) {
    blocks.for_each([](Block& block, const char*) { block.clear(); });
    fill(Space::parameter, blocks.parameters);
    fill(Space::input, blocks.input);
    new (blocks.input.host()) device::SlotHeader{0, 1};  // batch 0, as the ring wants
    new (blocks.scalars.host()) plan::Scalars(options_.scalars);
    auto* ring = new (blocks.ring.host()) device::RingState;
    ring->blocks[0] = blocks.input.device();
    blocks.for_each([&](Block& block, const char*) { block.upload(stream); });
    executable.run(stream, reinterpret_cast<device::RingState*>(blocks.ring.device()));
    blocks.for_each([&](Block& block, const char*) { block.download(stream); });
    stream.synchronize();

    blocks.for_each([](Block& block, const char* what) { block.check(what); });
    check_untouched(blocks.parameters, blocks.input);
    OpRun result;
    result.scalars = *reinterpret_cast<const plan::Scalars*>(blocks.scalars.host());
    const auto read = [&](Value value) {
      return value ? load(executable, value.id, stream) : Values{};
    };
    for (const Value& value : outputs_) result.outputs.push_back(read(value));
    for (const Value& value : gradients_) result.gradients.push_back(read(value));
    return result;
  }

  static Values load(const backend::Executable& executable, graph::ValueId id,
                     device::Stream& stream) {
    const graph::ValueType& type = executable.program().graph->info(id).type;
    std::vector<std::byte> bytes(elements(type.shape) * size_of(type.dtype));
    stream.copy_to_host(bytes.data(), executable.address(id), bytes.size());
    stream.synchronize();
    return test::load(type, bytes.data());
  }

  Value leaf(graph::ValueType type, const Values& values, Space space) {
    std::size_t& end = space == Space::parameter ? parameter_bytes_ : input_bytes_;
    contents_.push_back({space, end, type.dtype, values});
    const Value value = graph_->leaf("leaf", type, {space, 0, static_cast<std::int64_t>(end)});
    end += aligned(elements(type.shape) * size_of(type.dtype));
    return value;
  }

  void append_gradients() {
    Value loss;
    for (std::size_t i = 0; i < c_.differentiable_outputs; ++i) {
      const Value output = outputs_[i];
      const Value weights = leaf({DType::float32, output.shape()},
                                 loss_weights(i, elements(output.shape())), Space::parameter);
      const Value part = ops::reduce_sum_all(ops::multiply(output, weights));
      loss = loss ? ops::add(loss, part) : part;
    }
    std::vector<Value> wanted;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      const OpInput& input = c_.inputs[i];
      if (input.dtype == DType::float32 && input.differentiable) wanted.push_back(leaves_[i]);
    }
    const auto found = plan::differentiate(*graph_, loss, wanted);
    gradients_.resize(leaves_.size());
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      const auto at = std::find(wanted.begin(), wanted.end(), leaves_[i]);
      if (at == wanted.end()) continue;
      gradients_[i] = found[static_cast<std::size_t>(at - wanted.begin())];
    }
  }

  void fill(Space space, const Block& block) const {
    for (const Content& content : contents_) {
      if (content.space == space)
        store(content.dtype, content.values, block.host() + content.offset);
    }
  }

  void check_untouched(const Block& parameters, const Block& input) const {
    for (const Content& content : contents_) {
      std::vector<std::byte> before(content.values.size() * size_of(content.dtype));
      store(content.dtype, content.values, before.data());
      const Block& block = content.space == Space::parameter ? parameters : input;
      EXPECT_EQ(std::memcmp(before.data(), block.host() + content.offset, before.size()), 0)
          << "the program wrote over one of its leaves";
    }
  }

  std::unique_ptr<Graph> graph_;
  const OpCase& c_;
  RunOptions options_;
  std::vector<Value> leaves_, outputs_, gradients_;
  std::vector<Content> contents_;
  std::size_t parameter_bytes_ = 0;
  std::size_t input_bytes_ = device::kHeaderBytes;  // behind the header of the slot
};

Tensors absolute(Tensors tensors) {
  for (Values& values : tensors) {
    for (double& value : values) value = std::abs(value);
  }
  return tensors;
}

double largest(const Values& values) {
  double result = 0.0;
  for (const double value : values) result = std::max(result, std::abs(value));
  return result;
}

// Reports the first element that is off by more than its tolerance, and how many there are.
void expect_close(const Values& received, const Values& expected, const Values& tolerance,
                  const std::string& what) {
  ASSERT_EQ(received.size(), expected.size()) << what;
  std::size_t off = 0, first = 0;
  for (std::size_t i = received.size(); i-- > 0;) {
    // Not >: a NaN is never close.
    if (std::abs(received[i] - expected[i]) <= tolerance[i]) continue;
    ++off;
    first = i;
  }
  EXPECT_EQ(off, 0U) << what << ": " << off << " of " << received.size()
                     << " elements are off; element " << first << ": expected " << expected[first]
                     << ", received " << received[first] << ", tolerance " << tolerance[first];
}

double loss_of(const OpCase& c, const Tensors& inputs, bool positive) {
  const Tensors outputs = c.reference(inputs);
  double loss = 0.0;
  for (std::size_t i = 0; i < c.differentiable_outputs; ++i) {
    const Values weights = loss_weights(i, outputs[i].size());
    for (std::size_t k = 0; k < weights.size(); ++k) {
      loss += outputs[i][k] * (positive ? std::abs(weights[k]) : weights[k]);
    }
  }
  return loss;
}

struct Derivative {
  double value;
  double error;  // estimated
};

// Central differences at two steps, and Richardson's extrapolation to none.
Derivative finite_difference(const OpCase& c, Tensors& inputs, std::size_t input, std::size_t at,
                             bool positive = false) {
  double& x = inputs[input][at];
  const double here = x;
  const auto slope = [&](double step) {
    x = here + step;
    const double above = loss_of(c, inputs, positive);
    x = here - step;
    const double below = loss_of(c, inputs, positive);
    x = here;
    return (above - below) / (2.0 * step);
  };
  const double coarse = slope(kStep);
  const double fine = slope(kStep / 2.0);
  return {fine + (fine - coarse) / 3.0, std::abs(fine - coarse)};
}

std::vector<std::size_t> sample(std::size_t count, std::size_t wanted, Draws& draws) {
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), std::size_t{0});
  if (count <= wanted) return all;
  std::vector<std::size_t> some{0, count - 1};
  while (some.size() < wanted) some.push_back(draws.below(count));
  return some;
}

void check_gradient(const OpCase& c, std::size_t input, const Tensors& inputs,
                    const Values& gradient) {
  Tensors moved = inputs;
  Tensors positive = absolute(inputs);
  Draws draws(static_cast<std::uint32_t>(input));
  const auto sampled = sample(inputs[input].size(), c.samples, draws);
  std::size_t kinks = 0;
  Values received, expected, tolerance;
  for (const std::size_t at : sampled) {
    const Derivative slope = finite_difference(c, moved, input, at);
    const double size = c.gradient_magnitude
                            ? *c.gradient_magnitude + std::abs(slope.value)
                            : finite_difference(c, positive, input, at, true).value;
    // Within reach of a corner (relu, a maximum) there is no derivative to compare with.
    if (slope.error > 1e-3 * (size + 1.0)) {
      ++kinks;
      continue;
    }
    // What rounding does to the difference of two losses is far below the other two.
    tolerance.push_back(bound(c.gradient_terms) * size + slope.error + 1e-9);
    received.push_back(gradient.empty() ? 0.0 : gradient[at]);
    expected.push_back(slope.value);
  }
  expect_close(received, expected, tolerance, "gradient of input " + std::to_string(input));
  EXPECT_LE(kinks * 8, sampled.size()) << "too many corners to tell, input " << input;
}

void expect_same_rounded(const Tensors& received, const Tensors& expected, double terms,
                         std::optional<double> magnitude, const std::string& what) {
  ASSERT_EQ(received.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double size = std::max(largest(expected[i]), magnitude.value_or(0.0));
    expect_close(received[i], expected[i], Values(expected[i].size(), 2.0 * bound(terms) * size),
                 what + " " + std::to_string(i));
  }
}

}  // namespace

Tensors draw_inputs(const OpCase& c) {
  Tensors inputs;
  Draws draws(7);
  for (const OpInput& input : c.inputs) inputs.push_back(draw(input, draws));
  return inputs;
}

OpRun run_case(const OpCase& c, const Tensors& inputs, const RunOptions& options) {
  return CaseProgram(c, inputs, options).run();
}

OpRun run_case(const OpCase& c, const RunOptions& options) {
  return run_case(c, draw_inputs(c), options);
}

void check_forward(const OpCase& c) {
  SCOPED_TRACE(c.name);
  const Tensors inputs = draw_inputs(c);
  const OpRun run = run_case(c, inputs, {.threads = 2});
  const Tensors expected = c.reference(inputs);
  const Tensors sizes = c.magnitude ? expected : c.reference(absolute(inputs));
  ASSERT_EQ(run.outputs.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    Values tolerance;
    for (const double size : sizes[i]) {
      tolerance.push_back(bound(c.terms) * (std::abs(size) + c.magnitude.value_or(0.0)));
    }
    expect_close(run.outputs[i], expected[i], tolerance, "output " + std::to_string(i));
  }
  if (!c.fused.empty()) {
    EXPECT_EQ(run.ops, c.fused) << run.dump;
  }
}

void check_gradients(const OpCase& c) {
  if (c.differentiable_outputs == 0) return;
  SCOPED_TRACE(c.name);
  const Tensors inputs = draw_inputs(c);
  const OpRun run = run_case(c, inputs, {.gradients = true, .threads = 2});
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    if (c.inputs[i].dtype == DType::float32 && c.inputs[i].differentiable) {
      check_gradient(c, i, inputs, run.gradients[i]);
    }
  }
}

void check_unfused(const OpCase& c) {
  SCOPED_TRACE(c.name);
  const bool gradients = c.differentiable_outputs > 0;
  const OpRun fused = run_case(c, {.gradients = gradients});
  const OpRun plain = run_case(c, {.gradients = gradients, .optimize = false});
  expect_same_rounded(fused.outputs, plain.outputs, c.terms, c.magnitude, "output");
  expect_same_rounded(fused.gradients, plain.gradients, c.gradient_terms, c.gradient_magnitude,
                      "gradient of input");
}

void check_threads(const OpCase& c) {
  SCOPED_TRACE(c.name);
  const bool gradients = c.differentiable_outputs > 0;
  const OpRun one = run_case(c, {.gradients = gradients, .threads = 1});
  const OpRun two = run_case(c, {.gradients = gradients, .threads = 2});
  const OpRun again = run_case(c, {.gradients = gradients, .threads = 2});
  EXPECT_TRUE(same_bits(two.outputs, again.outputs)) << "outputs differ from run to run";
  EXPECT_TRUE(same_bits(two.gradients, again.gradients)) << "gradients differ from run to run";
  if (c.sums_by_thread) {
    expect_same_rounded(two.outputs, one.outputs, c.terms, c.magnitude, "output");
    expect_same_rounded(two.gradients, one.gradients, c.gradient_terms, c.gradient_magnitude,
                        "gradient of input");
  } else {
    EXPECT_TRUE(same_bits(two.outputs, one.outputs)) << "outputs differ by number of threads";
    EXPECT_TRUE(same_bits(two.gradients, one.gradients)) << "gradients differ by number of threads";
  }
}

std::size_t broadcast_index(const Shape& from, const Shape& shape, std::size_t element) {
  std::size_t index = 0, stride = 1;
  for (std::size_t k = 1; k <= shape.rank(); ++k) {
    const auto extent = static_cast<std::size_t>(shape[shape.rank() - k]);
    const std::size_t position = element % extent;
    element /= extent;
    if (k > from.rank()) continue;
    const auto own = static_cast<std::size_t>(from[from.rank() - k]);
    if (own != 1) index += position * stride;
    stride *= own;
  }
  return index;
}

}  // namespace stoker::test
