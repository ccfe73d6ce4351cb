#include "train/runtime/state.h"

#include <span>
#include <utility>

namespace stoker::train {

namespace {

const std::byte* bytes_of(const void* data) { return static_cast<const std::byte*>(data); }

std::byte* data_of(const std::unique_ptr<device::Buffer>& buffer) {
  return buffer ? buffer->data() : nullptr;
}

}  // namespace

State::State(Network& network, std::uint64_t seed, int threads,
             std::shared_ptr<device::Device> device, const std::string& model, bool initializes)
    : State(network, Store::of(network, seed, device, model, initializes), seed, threads, device) {}

State::State(const Network& network, std::shared_ptr<Store> store, std::uint64_t seed, int threads,
             std::shared_ptr<device::Device> device)
    : device_(std::move(device)),
      stream_(device_->make_stream()),
      backend_(backend::make_backend(device_, threads)),
      store_(std::move(store)),
      parameter_bytes_(network.parameter_bytes()),
      copy_bytes_(network.copy_dtype() ? network.parameter_bytes() / 2 : 0),
      state_bytes_(network.state_bytes()),
      scalars_(device_->allocate(sizeof(plan::Scalars))) {
  plan::Scalars scalars;
  scalars.seed = seed;
  write_scalars(scalars);
}

void State::prepare_training(const Network& network, std::size_t slots,
                             std::span<const float> slot_values) {
  release_arena();
  gradients_.reset();
  slots_.clear();
  const auto bytes = static_cast<std::size_t>(network.parameter_bytes());
  auto gradients = device_->allocate(bytes);
  std::vector<std::unique_ptr<device::Buffer>> fresh;
  for (std::size_t i = 0; i < slots; ++i) fresh.push_back(device_->allocate(bytes));
  for (std::size_t i = 0; i < slot_values.size(); ++i) {
    if (slot_values[i] == 0.0f) continue;
    const std::vector<float> filled(bytes / sizeof(float), slot_values[i]);
    stream_->copy_to_device(fresh[i]->data(), bytes_of(filled.data()), bytes);
    stream_->synchronize();
  }
  gradients_ = std::move(gradients);
  slots_ = std::move(fresh);
}

void State::fill_slot(std::size_t slot, const Weight& weight, float value) {
  if (value == 0.0f || weight.count == 0) return;
  const std::vector<float> filled(static_cast<std::size_t>(weight.count), value);
  stream_->copy_to_device(slots_[slot]->data() + weight.gradient_offset, bytes_of(filled.data()),
                          filled.size() * sizeof(float));
  stream_->synchronize();
}

void State::reserve_arena(std::int64_t bytes) {
  const auto wanted = static_cast<std::size_t>(bytes);
  if (arena_ && arena_->bytes() >= wanted) return;
  release_arena();  // The old arena is freed before the larger one is allocated.
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
  memory.parameters = store_->space(graph::Space::parameter);
  memory.gradients = data_of(gradients_);
  memory.copies = store_->space(graph::Space::copy);
  for (const auto& slot : slots_) memory.slots.push_back(slot->data());
  memory.state = store_->space(graph::Space::state);
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
  report.parameters = parameter_bytes_;
  report.copies = copy_bytes_;
  report.gradients = bytes(gradients_);
  for (const auto& slot : slots_) report.optimizer_slots += bytes(slot);
  report.state = state_bytes_;
  report.metrics = bytes(metrics_);
  report.scalars = bytes(scalars_);
  report.arena = bytes(arena_);
  return report;
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

void State::write_metrics(const std::vector<float>& values) {
  stream_->copy_to_device(metrics_->data(), bytes_of(values.data()), metrics_->bytes());
  stream_->synchronize();
}

void State::set_learning_rate(float learning_rate) {
  auto* scalars = reinterpret_cast<plan::Scalars*>(scalars_->data());
  stream_->write(reinterpret_cast<std::byte*>(&scalars->learning_rate),
                 std::as_bytes(std::span(&learning_rate, 1)));
}

void State::clear_error() {
  plan::Scalars scalars = read_scalars();
  if (scalars.error == plan::StepError::none && scalars.overflow == plan::kNoOverflow) return;
  scalars.error = plan::StepError::none;
  scalars.error_node = -1;
  scalars.overflow = plan::kNoOverflow;
  write_scalars(scalars);
}

void State::copy_to_host(std::byte* scalars, std::byte* metrics) {
  stream_->copy_to_host(scalars, scalars_->data(), sizeof(plan::Scalars));
  stream_->copy_to_host(metrics, metrics_->data(), metrics_->bytes());
}

void State::reset_metrics() { stream_->fill_zero(metrics_->data(), metrics_->bytes()); }

}  // namespace stoker::train
