#include "gpu/training.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "core/format.h"
#include "feed/ring/nan_scan.h"
#include "optimizers/optimizer.h"
#include "support/device_under_test.h"
#include "support/networks.h"
#include "support/slot_memory.h"

namespace stoker::gpu {
namespace {

constexpr std::int64_t kBatches = 16;  // in memory, used again and again

Value tiny(const Value& x) { return Dense(4)(x); }

// Large batches: little work on many bytes, and as much work as an upload takes on fast links.
Value shallow(const Value& x) { return Dense(4)(x); }
Value deep(const Value& x) {
  return Dense(4)(Dense(1024, {.activation = "relu"})(Dense(1024, {.activation = "relu"})(x)));
}

const Workload all_workloads[] = {
    {"mlp-b32", 32, {28, 28, 1}, test::mlp},
    {"mlp-b128", 128, {28, 28, 1}, test::mlp},
    {"cnn-b32", 32, {28, 28, 1}, test::cnn},
    {"cnn-b128", 128, {28, 28, 1}, test::cnn},
    {"resnet20-b128", 128, {32, 32, 3}, test::resnet20},
    {"lstm-b128", 128, {28, 28}, test::lstm},
    {"gru-b128", 128, {28, 28}, test::gru},
    {"tiny-b1", 1, {4}, tiny, true},
    {"stream-shallow", 256, {8192}, shallow, true},
    {"stream-deep", 256, {8192}, deep, true},
};

}  // namespace

const Workload& workload_of(const std::string& name) {
  for (const Workload& workload : all_workloads) {
    if (workload.name == name) return workload;
  }
  throw ValueError("unknown workload " + name);
}

// ---- The source --------------------------------------------------------------------------------

class Training::Batches final : public Source {
 public:
  explicit Batches(const Workload& workload) {
    spec_.inputs = {{"x", DType::float32, workload.input.with_batch(workload.batch)}};
    spec_.targets = {workload.regression ? Field{"y", DType::float32, {workload.batch, 4}}
                                         : Field{"y", DType::int32, {workload.batch}}};
    Random random(1);
    for (std::size_t i = 0; i < spec_.field_count(); ++i) {
      const Field& field = spec_.field(i);
      Shape all = field.shape;
      all[0] *= kBatches;
      Tensor& tensor = fields_.emplace_back(all, field.dtype);
      if (field.dtype == DType::float32) {
        random.fill_uniform(tensor.data<float>());
      } else {
        for (auto& label : tensor.data<std::int32_t>()) {
          label = static_cast<std::int32_t>(random.integer(0, 10));
        }
      }
    }
  }

  const BatchSpec& spec() const override { return spec_; }
  bool endless() const override { return true; }
  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    for (std::size_t i = 0; i < spec_.field_count(); ++i) copy(batch.sequence, i, slot.field(i));
    return spec_.batch_size();
  }
  void copy(std::int64_t sequence, std::size_t field, std::byte* to) const {
    const std::size_t bytes = fields_[field].bytes() / kBatches;
    const auto* from = static_cast<const std::byte*>(fields_[field].raw());
    std::memcpy(to, from + static_cast<std::size_t>(sequence % kBatches) * bytes, bytes);
  }

 private:
  BatchSpec spec_;
  std::vector<Tensor> fields_;
};

// ---- The stages --------------------------------------------------------------------------------

// As many batches as a ring can have, on the device for good, and one of them on the host.
struct Training::Resident {
  Resident(device::Device& device, std::size_t bytes)
      : host(device.allocate_pinned(bytes)),
        ring_host(device.allocate_pinned(sizeof(device::RingState))),
        ring(device.allocate(sizeof(device::RingState))) {
    for (int i = 0; i < device::kMaxDeviceSlots; ++i) blocks.push_back(device.allocate(bytes));
  }
  std::unique_ptr<device::Buffer> host, ring_host, ring;
  std::vector<std::unique_ptr<device::Buffer>> blocks;
};

Training::Training(const Workload& workload)
    : workload_(workload),
      input_(Input(workload.input)),
      source_(std::make_shared<Batches>(workload)),
      layout_(source_->spec()),
      public_(input_, workload.network(input_),
              {.name = "gpu", .seed = 1, .device = Device(test::device_under_test().device)}),
      model_(detail::ModelAccess::impl(public_, "gpu")) {
  // What Model::compile does; it would hide the program.
  CompileOptions options;
  if (workload.regression) {
    options.optimizer = SGD();
    options.loss = "mse";
  } else {
    options.optimizer = Adam({.learning_rate = 1e-3});
    options.loss = SparseCategoricalCrossentropy({.from_logits = true});
  }
  model_.prepare_training(*options.optimizer.base());
  model_.state.write_scalars([&] {
    plan::Scalars scalars = model_.state.read_scalars();
    scalars.learning_rate =
        static_cast<float>(options.optimizer.base()->common().learning_rate.at(0));
    return scalars;
  }());
  model_.compiled = train::compiled_of(std::move(options), model_.network);
}

Training::~Training() { model_.synchronize(); }

backend::Executable& Training::executable() {
  plan_ = model_.plan(train::Mode::train, source_->spec(), layout_.offsets, workload_.batch);
  return *plan_->executable;
}

double Training::fit(std::int64_t steps) {
  const FitOptions options{.steps_per_epoch = steps,
                           .epochs = 2,
                           .verbose = 0,
                           .max_queue_size = 10,
                           .on_interrupt = OnInterrupt::ignore};
  const History history = public_.fit(source_, options);
  loss_ = history["loss"].back();
  return history["feed_wall"].back();
}

int Training::launches() { return executable().primitives(); }
std::size_t Training::batch_bytes() const { return layout_.bytes; }

// Made when it is first asked for.
device::RingState* Training::resident_ring() {
  if (!resident_) {
    device::Device& device = model_.state.device();
    device::Stream& stream = model_.state.stream();
    resident_ = std::make_unique<Resident>(device, layout_.bytes);
    auto* ring = new (resident_->ring_host->data()) device::RingState;
    ring->slots = device::kMaxDeviceSlots;
    for (int i = 0; i < device::kMaxDeviceSlots; ++i) {
      std::byte* host = resident_->host->data();
      new (host) device::SlotHeader{static_cast<std::uint64_t>(i), workload_.batch};
      for (std::size_t f = 0; f < layout_.offsets.size(); ++f) {
        source_->copy(i, f, host + layout_.offsets[f]);
      }
      ring->blocks[i] = resident_->blocks[static_cast<std::size_t>(i)]->data();
      stream.copy_to_device(ring->blocks[i], host, layout_.bytes);
      stream.synchronize();
    }
  }
  return reinterpret_cast<device::RingState*>(resident_->ring->data());
}

// Back to the first batch, whose header tells its number.
void Training::rewind(device::RingState* ring) {
  model_.state.stream().copy_to_device(reinterpret_cast<std::byte*>(ring),
                                       resident_->ring_host->data(), sizeof(device::RingState));
}

void Training::run_resident(std::int64_t steps) {
  device::Stream& stream = model_.state.stream();
  device::RingState* ring = resident_ring();
  backend::Executable& program = executable();
  for (std::int64_t i = 0; i < steps; ++i) {
    if (i % device::kMaxDeviceSlots == 0) rewind(ring);
    program.run(stream, ring);
  }
  stream.synchronize();
  if (const auto found = model_.state.read_scalars(); found.error != plan::StepError::none) {
    throw Error(format("a step recorded error ", static_cast<int>(found.error)));
  }
}

std::vector<backend::cuda::TimedLaunch> Training::time_launches(int steps) {
  device::Device& device = model_.state.device();
  device::Stream& stream = model_.state.stream();
  auto& program = dynamic_cast<backend::cuda::StepExecutable&>(executable());
  run_resident(2);  // kernels are loaded when they first run
  // A GPU that writes 3 TB/s needs 80 us for one of these: twice as long as a host needs to enqueue
  // the launches that each stands for.
  const bool is_real = device.kind() == device::Kind::cuda;
  const auto ballast = device.allocate(is_real ? std::size_t{256} << 20 : 1);
  const int fills = is_real ? 4 + launches() / 4 : 1;
  std::vector<backend::cuda::TimedLaunch> result;
  std::vector<std::vector<double>> seconds(static_cast<std::size_t>(launches()));
  for (int step = 0; step < steps; ++step) {
    rewind(resident_ring());
    result = program.run_timed(device, stream, resident_ring(), [&] {
      for (int i = 0; i < fills; ++i) stream.fill_zero(ballast->data(), ballast->bytes());
    });
    for (std::size_t i = 0; i < result.size(); ++i) seconds[i].push_back(result[i].seconds);
  }
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto middle = seconds[i].begin() + static_cast<std::ptrdiff_t>(seconds[i].size() / 2);
    std::nth_element(seconds[i].begin(), middle, seconds[i].end());
    result[i].seconds = *middle;
  }
  return result;
}

void Training::fill(std::int64_t steps) {
  const test::SlotMemory memory(source_->spec());
  for (std::int64_t i = 0; i < steps; ++i) {
    for (std::size_t f = 0; f < layout_.offsets.size(); ++f) {
      source_->copy(i, f, memory.slot().field(f));
    }
  }
}

void Training::look_for_nan(std::int64_t steps) {
  const test::SlotMemory memory(source_->spec());
  const BatchSpec& spec = source_->spec();
  for (std::size_t f = 0; f < layout_.offsets.size(); ++f) {
    source_->copy(0, f, memory.slot().field(f));
  }
  for (std::int64_t i = 0; i < steps; ++i) {
    for (std::size_t f = 0; f < spec.field_count(); ++f) {
      const Field& field = spec.field(f);
      if (feed::find_nan(memory.slot().field(f), field.dtype, field.shape.elements())) {
        throw Error("a batch holds a NaN");
      }
    }
  }
}

void Training::upload(std::int64_t steps) {
  resident_ring();
  const auto stream = model_.state.device().make_stream();
  for (std::int64_t i = 0; i < steps; ++i) {
    const auto slot = static_cast<std::size_t>(i % device::kMaxDeviceSlots);
    stream->copy_to_device(resident_->blocks[slot]->data() + device::kHeaderBytes,
                           resident_->host->data() + device::kHeaderBytes,
                           layout_.bytes - device::kHeaderBytes);
  }
  stream->synchronize();
}

}  // namespace stoker::gpu
