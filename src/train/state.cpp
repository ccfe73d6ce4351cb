#include "train/state.h"

#include <span>

#include "core/format.h"
#include "initializers/initialize.h"

namespace stoker::train {

namespace {

const std::byte* bytes_of(const void* data) { return static_cast<const std::byte*>(data); }

std::byte* data_of(const std::unique_ptr<device::Buffer>& buffer) {
  return buffer ? buffer->data() : nullptr;
}

std::vector<std::uint16_t> rounded(std::span<const float> values, DType dtype) {
  std::vector<std::uint16_t> bits;
  bits.reserve(values.size());
  for (const float value : values) {
    bits.push_back(dtype == DType::float16 ? float16(value).bits : bfloat16(value).bits);
  }
  return bits;
}

std::unique_ptr<device::Buffer> allocate_weights(device::Device& device, std::int64_t bytes) {
  try {
    return device.allocate(static_cast<std::size_t>(bytes));
  } catch (const device::OutOfMemory& error) {
    throw device::OutOfMemory(format("the model's weights: ", error.what()));
  }
}

}  // namespace

State::State(const Network& network, std::uint64_t seed, int threads,
             std::shared_ptr<device::Device> device)
    : device_(std::move(device)),
      stream_(device_->make_stream()),
      backend_(backend::make_backend(device_, threads)),
      parameters_(allocate_weights(*device_, network.parameter_bytes())),
      state_(allocate_weights(*device_, network.state_bytes())),
      scalars_(device_->allocate(sizeof(plan::Scalars))),
      copy_dtype_(network.copy_dtype()) {
  if (copy_dtype_) copies_ = allocate_weights(*device_, network.parameter_bytes() / 2);
  plan::Scalars scalars;
  scalars.seed = seed;
  write_scalars(scalars);
  for (const Weight& weight : network.weights()) {
    Tensor value(weight.spec.shape);
    initializers::initialize(value.data<float>(), weight.spec.shape, weight.spec.initializer, seed,
                             weight.stream);
    write(weight, value);
  }
}

void State::prepare_training(const Network& network, std::size_t slots) {
  release_arena();
  gradients_.reset();
  slots_.clear();
  const auto bytes = static_cast<std::size_t>(network.parameter_bytes());
  auto gradients = device_->allocate(bytes);
  std::vector<std::unique_ptr<device::Buffer>> fresh;
  for (std::size_t i = 0; i < slots; ++i) fresh.push_back(device_->allocate(bytes));
  gradients_ = std::move(gradients);
  slots_ = std::move(fresh);
}

void State::reserve_arena(std::int64_t bytes) {
  const auto wanted = static_cast<std::size_t>(bytes);
  if (arena_ && arena_->bytes() >= wanted) return;
  release_arena();  // before the larger one is taken
  arena_ = device_->allocate(wanted);
}

void State::release_arena() {
  stream_->synchronize();
  arena_.reset();
  ++generation_;
}

void State::reserve_metrics(std::size_t totals) {
  metrics_ = device_->allocate(2 * totals * sizeof(float));
  ++generation_;
}

backend::Memory State::memory() const {
  backend::Memory memory;
  memory.arena = data_of(arena_);
  memory.parameters = data_of(parameters_);
  memory.gradients = data_of(gradients_);
  memory.copies = data_of(copies_);
  for (const auto& slot : slots_) memory.slots.push_back(slot->data());
  memory.state = data_of(state_);
  memory.metrics = data_of(metrics_);
  memory.scalars = reinterpret_cast<plan::Scalars*>(scalars_->data());
  return memory;
}

MemoryReport State::memory_report() const {
  const auto bytes = [](const std::unique_ptr<device::Buffer>& buffer) {
    return buffer ? static_cast<std::int64_t>(buffer->bytes()) : 0;
  };
  MemoryReport report;
  report.device = device_->name();
  report.parameters = bytes(parameters_);
  report.copies = bytes(copies_);
  report.gradients = bytes(gradients_);
  for (const auto& slot : slots_) report.optimizer_slots += bytes(slot);
  report.state = bytes(state_);
  report.metrics = bytes(metrics_);
  report.scalars = bytes(scalars_);
  report.arena = bytes(arena_);
  return report;
}

std::byte* State::address(const Weight& weight) const {
  const auto& buffer = weight.home.space == graph::Space::parameter ? parameters_ : state_;
  return buffer->data() + weight.home.offset;
}

Tensor State::read(const Weight& weight) const {
  Tensor value(weight.spec.shape);
  stream_->copy_to_host(static_cast<std::byte*>(value.raw()), address(weight), value.bytes());
  stream_->synchronize();
  return value;
}

void State::write(const Weight& weight, const Tensor& value) {
  stream_->copy_to_device(address(weight), bytes_of(value.raw()), value.bytes());
  const bool is_copied = copies_ && weight.home.space == graph::Space::parameter;
  const auto copy =
      is_copied ? rounded(value.data<float>(), *copy_dtype_) : std::vector<std::uint16_t>();
  if (is_copied) {
    stream_->copy_to_device(copies_->data() + Network::copy_home(weight).offset,
                            bytes_of(copy.data()), copy.size() * sizeof(std::uint16_t));
  }
  stream_->synchronize();
}

plan::Scalars State::read_scalars() const {
  plan::Scalars scalars;
  stream_->copy_to_host(reinterpret_cast<std::byte*>(&scalars), scalars_->data(), sizeof(scalars));
  stream_->synchronize();
  return scalars;
}

void State::write_scalars(const plan::Scalars& scalars) {
  stream_->copy_to_device(scalars_->data(), bytes_of(&scalars), sizeof(scalars));
  stream_->synchronize();
}

std::vector<float> State::read_metrics() const {
  std::vector<float> values(metrics_->bytes() / sizeof(float));
  stream_->copy_to_host(reinterpret_cast<std::byte*>(values.data()), metrics_->data(),
                        metrics_->bytes());
  stream_->synchronize();
  return values;
}

void State::copy_to_host(std::byte* scalars, std::byte* metrics) {
  stream_->copy_to_host(scalars, scalars_->data(), sizeof(plan::Scalars));
  stream_->copy_to_host(metrics, metrics_->data(), metrics_->bytes());
}

void State::reset_metrics() { stream_->fill_zero(metrics_->data(), metrics_->bytes()); }

}  // namespace stoker::train
