#include "feed/upload/class_weights.h"

#include <algorithm>
#include <span>
#include <utility>

#include "data/class_weights.h"
#include "device/device.h"
#include "feed/upload/by_stream.h"
#include "stoker/detail/source_adapter.h"

namespace stoker::feed {
namespace {

// Passes everything on to the source's own DeviceFiller, and adds the weights on the device.
class DeviceWeightedSource final : public detail::SourceAdapter<Source>, public DeviceFiller {
 public:
  DeviceWeightedSource(std::shared_ptr<Source> source, std::map<std::int64_t, double> weights,
                       std::shared_ptr<ClassUse> use)
      : SourceAdapter(std::move(source)),
        filler_(*adapted().device_filler()),
        weights_(adapted().spec(), std::move(weights), std::move(use)) {}

  // ---- Source ----
  const BatchSpec& spec() const override { return weights_.spec(); }
  DeviceFiller* device_filler() override { return this; }
  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    return adapted().fill(batch, slot.with_spec(adapted().spec()));
  }

  // ---- DeviceFiller ----
  std::size_t host_bytes() const override { return filler_.host_bytes(); }
  bool enqueues() const override { return filler_.enqueues(); }
  void prepare(device::Device& device, device::Stream& stream) override {
    filler_.prepare(device, stream);
    const auto allocate = [&] {
      const auto rows = static_cast<std::size_t>(spec().batch_size());
      return Memory{device::allocate_staging(device, weights_.label_bytes()),
                    device::allocate_staging(device, sizeof(float) * rows)};
    };
    try {
      memory_.open(stream, allocate);
    } catch (...) {
      filler_.finish(stream);
      throw;
    }
  }
  void finish(device::Stream& stream) override {
    memory_.close(stream);
    filler_.finish(stream);
  }
  void fill_on_device(BatchContext& batch, std::int64_t rows, const std::byte* host,
                      const Slot& slot, device::Stream& stream) override {
    filler_.fill_on_device(batch, rows, host, slot.with_spec(adapted().spec()), stream);
    Memory& memory = memory_.at(stream);
    stream.copy_to_host(memory.labels->data(), slot.field(weights_.label_field()),
                        memory.labels->bytes());
    stream.synchronize();  // which also ends the copy of the last batch's weights
    auto* weights = reinterpret_cast<float*>(memory.weights->data());
    weights_.weigh(memory.labels->data(), std::min(rows, spec().batch_size()), weights);
    stream.copy_to_device(slot.field(weights_.weight_field()), memory.weights->data(),
                          memory.weights->bytes());
  }

 private:
  struct Memory {
    std::unique_ptr<device::Buffer> labels;
    std::unique_ptr<device::Buffer> weights;
  };

  DeviceFiller& filler_;
  const ClassWeights weights_;
  ByStream<Memory> memory_;
};

}  // namespace

std::shared_ptr<Source> weigh_classes(std::shared_ptr<Source> source,
                                      std::map<std::int64_t, double> weights,
                                      std::shared_ptr<ClassUse> use) {
  if (source->device_filler() == nullptr) {
    return with_class_weights(std::move(source), std::move(weights), std::move(use));
  }
  return std::make_shared<DeviceWeightedSource>(std::move(source), std::move(weights),
                                                std::move(use));
}

}  // namespace stoker::feed
