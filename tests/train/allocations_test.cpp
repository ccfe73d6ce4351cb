// The steady state of a training allocates nothing of ours. oneDNN allocates inside each execution
// of a primitive: that number is constant, and grows with the primitives alone.
#include <dlfcn.h>
#include <dnnl.h>
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include "support/allocation_counter.h"
#include "support/sanitizer.h"
#include "train/model_impl.h"

#if !STOKER_SANITIZED_MALLOC

namespace {

// What happened inside of oneDNN's execute calls since they were set to 0.
std::uint64_t executions = 0;
std::uint64_t allocations_inside = 0;

}  // namespace

// Stands before the library's function of this name for the whole program: Stoker's calls come
// through here.
extern "C" dnnl_status_t dnnl_primitive_execute(const_dnnl_primitive_t primitive,
                                                dnnl_stream_t stream, int count,
                                                const dnnl_exec_arg_t* arguments) {
  static const auto library = reinterpret_cast<decltype(&dnnl_primitive_execute)>(
      dlsym(RTLD_NEXT, "dnnl_primitive_execute"));
  const stoker::test::AllocationCounter counter;
  const dnnl_status_t status = library(primitive, stream, count, arguments);
  ++executions;
  allocations_inside += counter.count();
  return status;
}

namespace stoker {
namespace {

using test::AllocationCounter;

// Counts at the first and at the last batch that the generator is asked for, of a fit whose slots
// are few, so that the step is never more than a batch behind.
struct Marks {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

auto images(AllocationCounter& counter, Marks& marks, std::int64_t first, std::int64_t last) {
  return generator<float, std::int32_t>(
      {.x = {16, 12, 12, 1}, .y = {16}},
      [&counter, &marks, first, last](BatchContext& batch, std::span<float> x,
                                      std::span<std::int32_t> y) {
        if (batch.sequence == first) marks.begin = counter.count();
        if (batch.sequence == last) marks.end = counter.count();
        batch.random.fill_uniform(x);
        for (auto& label : y) label = static_cast<std::int32_t>(batch.random.integer(0, 4));
      });
}

std::uint64_t allocations_of_steps(Model& model, std::int64_t steps) {
  AllocationCounter counter;
  Marks marks;
  auto source = images(counter, marks, 10, 10 + steps);
  model.fit_generator(source, {.steps_per_epoch = 20 + steps, .verbose = 0, .max_queue_size = 1});
  return marks.end - marks.begin;
}

TEST(Allocations, AModelWithoutLibraryPrimitivesAllocatesNothing) {
  Sequential model(
      {Input({12, 12, 1}), Flatten(), Dense(4, {.activation = "tanh"}), Dropout(0.1), Dense(4)});
  model.compile({.optimizer = Adam(),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  EXPECT_EQ(allocations_of_steps(model, 50), 0u);
}

// One run of the training step of a stack of layers.
struct Counted {
  std::uint64_t allocations;  // of all threads
  std::uint64_t inside;       // of oneDNN's execute calls
  std::uint64_t executions;
  int primitives;  // as the executable tells
};

Counted count_step(const std::vector<Layer>& layers) {
  const Value input = Input({12, 12, 1});
  Value output = input;
  for (const Layer& layer : layers) output = layer(output);
  const train::Network network({input}, output);
  train::State state(network, 0, 2, device::make_cpu_device());
  train::Compiled compiled;
  compiled.options.optimizer = Adam();
  compiled.options.loss = SparseCategoricalCrossentropy({.from_logits = true});
  const BatchSpec spec{{{"x", DType::float32, {16, 12, 12, 1}}}, {{"y", DType::int32, {16}}}, {}};
  const feed::SlotLayout layout(spec);
  train::resolve_metrics(compiled, network, spec);
  state.prepare_training(network, 2);
  state.reserve_metrics(compiled.total_count);
  auto step = train::build_step(network, &compiled, train::Mode::train, spec, layout.offsets, 16);
  const auto executable = state.backend().compile(std::move(step.graph), step.keep);
  state.reserve_arena(executable->program().arena_bytes);
  executable->bind(state.memory());
  const auto slot = state.device().allocate_pinned(layout.bytes);
  device::RingState ring;
  ring.blocks[0] = slot->data();
  const auto count_run = [&] {
    new (slot->data()) device::SlotHeader{ring.cursor, 16};
    executions = 0;
    allocations_inside = 0;
    const AllocationCounter counter;
    executable->run(state.stream(), &ring);
    return Counted{counter.count(), allocations_inside, executions, executable->primitives()};
  };
  for (int i = 0; i < 5; ++i) count_run();  // the first runs fill the libraries' own pools
  const Counted counted = count_run();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(count_run().allocations, counted.allocations);
  return counted;
}

TEST(Allocations, AStepAllocatesInsideOneDnnAloneAndAlwaysAsMuch) {
  const Counted none = count_step({Flatten(), Dense(4)});
  EXPECT_EQ(none.executions, 0u);
  EXPECT_EQ(none.allocations, 0u);
  const Counted many = count_step({Conv2D(8, 3, {.activation = "relu"}), MaxPooling2D(2),
                                   Conv2D(8, 3, {.activation = "relu"}), BatchNormalization(),
                                   Flatten(), Dropout(0.25), Dense(4)});
  EXPECT_EQ(many.executions, static_cast<std::uint64_t>(many.primitives));
  EXPECT_EQ(many.allocations, many.inside) << "allocations outside of the library";
  // oneDNN 3.2: 5 for most primitives, more where one runs another inside.
  std::printf("%llu allocations in %llu primitives a step\n",
              static_cast<unsigned long long>(many.inside),
              static_cast<unsigned long long>(many.executions));
}

}  // namespace
}  // namespace stoker

#endif  // !STOKER_SANITIZED_MALLOC
