// Shows where the time of a training step goes. One workload is measured in several ways, round
// after round, and the fastest round of each counts. benchmarks/train_bench.py runs it and makes
// the tables.
//
//   train_bench --list            prints the names of the workloads
//   train_bench WORKLOAD ROUNDS   prints lines "name<tab>value", and for every node of the step's
//                                 program "node", microseconds, FLOP, bytes, op, shapes, origin
#include <dlfcn.h>
#include <dnnl.h>
#include <stoker/stoker.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iostream>
#include <limits>
#include <numeric>

#include "backend/cpu/runtime/arena.h"
#include "core/format.h"
#include "core/timeline.h"
#include "op_program.h"
#include "optimizers/optimizer.h"
#include "support/allocation_counter.h"
#include "support/networks.h"
#include "train/model_access.h"
#include "work.h"

namespace {

// Counts the allocations of the process, and those of them that happen within oneDNN's execute
// calls and are thus not ours. One thread at a time executes; another may read the counts.
class Allocations {
 public:
  struct Counts {
    std::uint64_t all = 0, library = 0;
  };
  Counts counts() const {
    const std::uint64_t all = counter_.count();
    return {all, library_ + (is_inside_ ? all - entered_ : 0)};
  }
  void enter() {
    entered_ = counter_.count();
    is_inside_ = true;
  }
  void leave() {
    is_inside_ = false;
    library_ += counter_.count() - entered_;
  }

 private:
  stoker::test::AllocationCounter counter_;
  std::atomic<std::uint64_t> entered_{0}, library_{0};
  std::atomic<bool> is_inside_{false};
};
Allocations allocations;

}  // namespace

// This function hides the library's function of the same name, so the program's own calls come
// through here.
extern "C" dnnl_status_t dnnl_primitive_execute(const_dnnl_primitive_t primitive,
                                                dnnl_stream_t stream, int count,
                                                const dnnl_exec_arg_t* arguments) {
  static const auto library = reinterpret_cast<decltype(&dnnl_primitive_execute)>(
      dlsym(RTLD_NEXT, "dnnl_primitive_execute"));
  allocations.enter();
  const dnnl_status_t status = library(primitive, stream, count, arguments);
  allocations.leave();
  return status;
}

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

constexpr double kNever = std::numeric_limits<double>::infinity();
// The batches are in memory and used again and again, as in the suite `peers`.
constexpr std::int64_t kBatches = 16;

// ---- Workloads ---------------------------------------------------------------------------------

Value tiny(const Value& x) { return Dense(4)(x); }

struct Workload {
  const char* name;
  std::int64_t batch = 0;
  std::int64_t steps = 0;  // The steps in a round.
  Shape input = {};
  Value (*network)(const Value&) = nullptr;
  bool regression = false;   // True: the mean squared error by SGD. False: 10 classes by Adam.
  std::int64_t tokens = 0;   // The inputs are whole numbers below this; 0: they are in [0, 1).
  const char* missing = "";  // Names a layer that Stoker does not have yet.
};

constexpr std::int64_t kTokens = 1000;

const Workload all_workloads[] = {
    {"mlp-b32", 32, 400, {28, 28, 1}, test::mlp},
    {"mlp-b128", 128, 200, {28, 28, 1}, test::mlp},
    {"cnn-b32", 32, 40, {28, 28, 1}, test::cnn},
    {"cnn-b128", 128, 16, {28, 28, 1}, test::cnn},
    {"resnet20-b128", 128, 3, {32, 32, 3}, test::resnet20},
    {"lstm-b128", 128, 30, {28, 28}, test::lstm},
    {"gru-b128", 128, 30, {28, 28}, test::gru},
    {"transformer-b32", 32, 16, {64}, test::transformer, false, kTokens},
    {"tiny-b1", 1, 2000, {4}, tiny, true},
};

// Holds batches in memory, and counts the allocations between two of them.
class Batches final : public Source {
 public:
  explicit Batches(const Workload& workload) {
    const std::int64_t batch = workload.batch;
    const DType type = workload.tokens > 0 ? DType::int32 : DType::float32;
    spec_.inputs = {{"x", type, workload.input.with_batch(batch)}};
    spec_.targets = {workload.regression ? Field{"y", DType::float32, {batch, 4}}
                                         : Field{"y", DType::int32, {batch}}};
    Random random(1);
    for (std::size_t i = 0; i < spec_.field_count(); ++i) {
      const Field& field = spec_.field(i);
      Shape all = field.shape;
      all[0] *= kBatches;
      Tensor& tensor = fields_.emplace_back(all, field.dtype);
      if (field.dtype == DType::float32) {
        random.fill_uniform(tensor.data<float>());
      } else {
        const std::int64_t below = i < spec_.inputs.size() ? workload.tokens : 10;
        for (auto& number : tensor.data<std::int32_t>()) {
          number = static_cast<std::int32_t>(random.integer(0, below));
        }
      }
    }
  }

  const BatchSpec& spec() const override { return spec_; }
  bool endless() const override { return true; }
  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    for (std::size_t i = 0; i < spec_.field_count(); ++i) fill(batch.sequence, i, slot.field(i));
    if (batch.sequence == first) begin_ = allocations.counts();
    if (batch.sequence == last) end_ = allocations.counts();
    return spec_.batch_size();
  }
  void fill(std::int64_t sequence, std::size_t field, std::byte* to) const {
    const std::size_t bytes = fields_[field].bytes() / kBatches;
    const auto* from = static_cast<const std::byte*>(fields_[field].raw());
    std::memcpy(to, from + static_cast<std::size_t>(sequence % kBatches) * bytes, bytes);
  }

  std::int64_t first = -1, last = -1;
  double library() const { return static_cast<double>(end_.library - begin_.library); }
  double ours() const { return static_cast<double>(end_.all - begin_.all) - library(); }

 private:
  BatchSpec spec_;
  std::vector<Tensor> fields_;
  Allocations::Counts begin_, end_;
};

// ---- What the machine can do -------------------------------------------------------------------

template <class F>
double seconds_of(const F& f) {
  const std::int64_t begin = now_ns();
  f();
  return 1e-9 * static_cast<double>(now_ns() - begin);
}

class Matmul {
 public:
  static constexpr std::int64_t kExtent = 1024;
  static constexpr double kFlops = 2.0 * kExtent * kExtent * kExtent;

  void run() { program_.run(); }

 private:
  static test::OpCase square() {
    test::OpCase c;
    c.inputs = {{.shape = {kExtent, kExtent}}, {.shape = {kExtent, kExtent}}};
    c.build = [](graph::Graph&, std::span<const graph::Value> in) {
      return std::vector{ops::matmul(in[0], in[1])};
    };
    return c;
  }
  bench::OpProgram program_{square()};
};

// Runs memcpy on all threads, each within a part of its own, in a block as large as the working set
// of a step, so that it fits into the same caches.
class Copy {
 public:
  Copy(std::size_t bytes, int threads)
      : threads_(threads),
        part_(std::max<std::size_t>(bytes / static_cast<std::size_t>(threads), 256) / 2),
        block_(2 * part_ * static_cast<std::size_t>(threads)) {
    times_ = kBytes / block_.size() + 1;
  }

  // The bytes that are read and written in a run.
  double bytes() const { return static_cast<double>(times_ * block_.size()); }
  void run(backend::cpu::ComputeArena& arena) {
    arena.execute([&] {
      tbb::parallel_for(
          0, threads_,
          [&](int thread) {
            std::byte* a = block_.data() + 2 * part_ * static_cast<std::size_t>(thread);
            std::byte* b = a + part_;
            for (std::size_t i = 0; i < times_; ++i) {
              std::memcpy(b, a, part_);
              std::swap(a, b);
            }
          },
          tbb::simple_partitioner());
    });
  }

 private:
  static constexpr std::size_t kBytes = std::size_t{64} << 20;  // A run copies at least this much.

  int threads_;
  std::size_t part_, times_ = 0;
  std::vector<std::byte> block_;
};

// The time that is measured with each node without belonging to it: entering the arena, and reading
// the clock.
double overhead_us(backend::cpu::ComputeArena& arena) {
  double fastest = kNever;
  for (int i = 0; i < 10'000; ++i) {
    fastest = std::min(fastest, 1e6 * seconds_of([&] { arena.execute([] {}); }));
  }
  return fastest;
}

// ---- A model and its program -------------------------------------------------------------------

class Training {
 public:
  explicit Training(const Workload& workload)
      : workload_(workload),
        source_(std::make_shared<Batches>(workload)),
        layout_(source_->spec()),
        public_(input_, workload.network(input_), {.name = "train", .device = Device::cpu()}),
        model_(detail::ModelAccess::impl(public_, "train_bench")) {
    // This does what Model::compile does, which would hide the program.
    CompileOptions options;
    if (workload.regression) {
      options.optimizer = SGD();
      options.loss = "mse";
    } else {
      options.optimizer = Adam({.learning_rate = 1e-3});
      options.loss = SparseCategoricalCrossentropy({.from_logits = true});
    }
    slots_ = options.optimizer.base()->slot_names().size();
    model_.state.prepare_training(model_.network, slots_);
    // The learning rate is an exception: it stays 0, because a model that learns 512 samples by
    // heart ends with denormal gradients, which are slow.
    model_.compiled = train::compiled_of(std::move(options), model_.network);

    fit(workload.steps / 4 + 2);  // This makes the plan and the memory that it is bound to.
    slot_ = model_.state.device().allocate_pinned(layout_.bytes);
    ring_.blocks[0] = slot_->data();
    node_us_.assign(graph().nodes().size(), kNever);
  }

  backend::Executable& executable() {
    // The model keeps the plan, so the executable outlives this call. It is the only plan.
    return *model_.plan(train::Mode::train, source_->spec(), layout_.offsets, workload_.batch)
                ->executable;
  }
  const graph::Graph& graph() { return *executable().program().graph; }
  const std::vector<double>& node_us() const { return node_us_; }
  const Batches& source() const { return *source_; }

  // The bytes of arena, batch, parameters, gradients and the optimizer's slots.
  std::size_t working_set() {
    return static_cast<std::size_t>(executable().program().arena_bytes) + layout_.bytes +
           static_cast<std::size_t>(model_.network.parameter_bytes()) * (2 + slots_);
  }

  void fit(std::int64_t steps, int queue = 10) {
    public_.fit(source_, {.steps_per_epoch = steps,
                          .verbose = 0,
                          .max_queue_size = queue,
                          .on_interrupt = OnInterrupt::ignore});
  }

  // There are few slots, so that the batches at which it counts are close to the step.
  void count_allocations(std::int64_t steps) {
    source_->first = 10;
    source_->last = 10 + steps;
    fit(20 + steps, 1);
    source_->first = source_->last = -1;
  }

  // Returns the seconds of a step without the feed.
  double run() {
    next_batch();
    backend::Executable& program = executable();
    return seconds_of([&] { program.run(model_.state.stream(), &ring_); });
  }

  // Times one step node by node.
  void time_nodes(double overhead) {
    next_batch();
    backend::Executable& program = executable();
    const graph::Node* const nodes = graph().nodes().data();
    std::size_t done = 0;
    std::int64_t begin = now_ns();
    program.run_checked(model_.state.stream(), &ring_,
                        [&](const graph::Node& node, const graph::ValueInfo&, const void*) {
                          const auto us = 1e-3 * static_cast<double>(now_ns() - begin);
                          const auto i = static_cast<std::size_t>(&node - nodes);
                          // This is called once for every output. The time of nodes without outputs
                          // (advance) counts for the next node.
                          if (i >= done) {
                            const auto count = static_cast<double>(i + 1 - done);
                            node_us_[i] =
                                std::min(node_us_[i], std::max(0.0, us - overhead * count));
                            done = i + 1;
                          }
                          begin = now_ns();
                        });
  }

 private:
  void next_batch() {
    for (std::size_t i = 0; i < layout_.offsets.size(); ++i) {
      source_->fill(static_cast<std::int64_t>(ring_.cursor), i, slot_->data() + layout_.offsets[i]);
    }
    new (slot_->data()) device::SlotHeader{ring_.cursor, workload_.batch};
  }

  const Workload& workload_;
  Value input_ = Input(workload_.input, {.dtype = workload_.tokens > 0 ? "int32" : "float32"});
  std::shared_ptr<Batches> source_;
  feed::SlotLayout layout_;
  Model public_;
  Model::Impl& model_;
  std::size_t slots_ = 0;
  std::unique_ptr<device::Buffer> slot_;
  device::RingState ring_;
  std::vector<double> node_us_;
};

// ---- Output ------------------------------------------------------------------------------------

// Returns, for example, "32x13x13x32 3x3x32x64 64 -> 32x11x11x64". A repeated shape is written
// once: "34944 *4".
std::string shapes_of(const graph::Graph& graph, const graph::Node& node) {
  const auto list = [&](const std::vector<graph::ValueId>& ids) {
    std::string text;
    for (std::size_t i = 0, same = 1; i < ids.size(); i += same) {
      const Shape& shape = graph.info(ids[i]).type.shape;
      for (same = 1; i + same < ids.size(); ++same) {
        if (!(graph.info(ids[i + same]).type.shape == shape)) break;
      }
      if (i > 0) text += ' ';
      for (std::size_t d = 0; d < shape.rank(); ++d) {
        text += (d > 0 ? "x" : "") + std::to_string(shape[d]);
      }
      if (shape.rank() == 0) text += "()";
      if (same > 1) text += " *" + std::to_string(same);
    }
    return text;
  };
  return list(node.inputs) + " -> " + list(node.outputs);
}

template <class... Values>
void print(const Values&... values) {
  const char* separator = "";
  ((std::cout << separator << values, separator = "\t"), ...);
  std::cout << '\n';
}

void measure(const Workload& workload, int rounds) {
  Training training(workload);
  const int threads = backend::cpu::default_threads();
  backend::cpu::ComputeArena arena(threads);
  Matmul matmul;
  Copy copy(training.working_set(), threads);
  const double overhead = overhead_us(arena);
  double step = kNever, program = kNever, multiplied = kNever, copied = kNever;
  for (int round = 0; round < rounds; ++round) {
    step = std::min(step, seconds_of([&] { training.fit(workload.steps); }) /
                              static_cast<double>(workload.steps));
    for (std::int64_t i = 0; i < workload.steps; ++i) {
      program = std::min(program, training.run());
    }
    for (std::int64_t i = 0; i < workload.steps; ++i) training.time_nodes(overhead);
    for (int i = 0; i < 20; ++i) {
      multiplied = std::min(multiplied, seconds_of([&] { matmul.run(); }));
      copied = std::min(copied, seconds_of([&] { copy.run(arena); }));
    }
  }
  const std::int64_t counted = std::max<std::int64_t>(workload.steps / 4, 10);
  training.count_allocations(counted);

  print("batch", workload.batch);
  print("threads", threads);
  print("step_us", 1e6 * step);
  print("program_us", 1e6 * program);
  print("node_overhead_us", overhead);
  print("matmul_flops", Matmul::kFlops / multiplied);
  print("copy_bytes_per_s", copy.bytes() / copied);
  print("working_set", training.working_set());
  print("primitives", training.executable().primitives());
  if (test::AllocationCounter::works()) {
    print("allocations", training.source().ours() / static_cast<double>(counted));
    print("library_allocations", training.source().library() / static_cast<double>(counted));
  }
  const graph::Graph& graph = training.graph();
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    const double us = training.node_us()[i];
    print("node", us < kNever ? us : 0.0, bench::flops_of(graph, node),
          bench::bytes_of(graph, node), node.op->name, shapes_of(graph, node), node.origin.text());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "--list") {
    for (const Workload& workload : all_workloads) std::cout << workload.name << '\n';
    return EXIT_SUCCESS;
  }
  const auto* const workload =
      std::find_if(std::begin(all_workloads), std::end(all_workloads),
                   [&](const Workload& entry) { return entry.name == name; });
  if (argc != 3 || workload == std::end(all_workloads)) {
    std::cerr << "usage: train_bench --list | WORKLOAD ROUNDS\n";
    return EXIT_FAILURE;
  }
  if (workload->network == nullptr) {
    std::cerr << "layer not there yet: " << workload->missing << '\n';
    return EXIT_FAILURE;
  }
  std::cout.precision(10);
  measure(*workload, std::atoi(argv[2]));
  return EXIT_SUCCESS;
}
