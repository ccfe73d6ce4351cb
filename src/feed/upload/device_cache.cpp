// Tensors that are kept on the device, and batches gathered there.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "core/format.h"
#include "data/permutation.h"
#include "device/device.h"
#include "feed/upload/by_stream.h"
#include "stoker/device_source.h"
#include "stoker/error.h"

namespace stoker {

namespace detail {

void* native_of(device::Stream& stream) { return stream.native(); }

}  // namespace detail

namespace {

// The feed's worker chooses the rows of a batch and writes their numbers into the pinned slot; the
// device does the rest.
class DeviceCache final : public Source, public DeviceFiller {
 public:
  DeviceCache(std::vector<Tensor> tensors, std::shared_ptr<Source> source,
              const ArrayOptions& options)
      : tensors_(std::move(tensors)), source_(std::move(source)), rows_(tensors_[0].shape()[0]) {
    if (options.shuffle) orders_.emplace(rows_, options.seed);
  }

  const BatchSpec& spec() const override { return source_->spec(); }
  std::optional<std::int64_t> batches_per_epoch() const override {
    return source_->batches_per_epoch();
  }
  bool pure() const override { return true; }
  SourceTraits traits() const override { return {.kind = SourceKind::device}; }
  DeviceFiller* device_filler() override { return this; }

  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    const std::int64_t size = spec().batch_size();
    const std::int64_t first = batch.index * size;
    if (batch.index < 0 || first >= rows_) return 0;
    const std::int64_t count = std::min(size, rows_ - first);
    auto* numbers = reinterpret_cast<std::int64_t*>(slot.field(0));
    if (orders_) {
      const auto order = orders_->of_epoch(batch.epoch);
      std::copy_n(order.rows().begin() + first, count, numbers);
    } else {
      for (std::int64_t i = 0; i < count; ++i) numbers[i] = first + i;
    }
    return count;
  }

  std::size_t host_bytes() const override {
    return static_cast<std::size_t>(spec().batch_size()) * sizeof(std::int64_t);
  }

  void prepare(device::Device& device, device::Stream& stream) override {
    used_by_.open(stream, [&] { return columns_on(device, stream); });
  }
  void finish(device::Stream& stream) override { used_by_.close(stream); }

  void fill_on_device(BatchContext&, std::int64_t rows, const std::byte* host, const Slot& slot,
                      device::Stream& stream) override {
    const std::span<const std::int64_t> numbers(reinterpret_cast<const std::int64_t*>(host),
                                                static_cast<std::size_t>(rows));
    const std::shared_ptr<Columns>& columns = used_by_.at(stream);
    thread_local std::vector<device::RowGather> gathers;  // kept for the next batch
    gathers.clear();
    for (std::size_t i = 0; i < columns->memory.size(); ++i) {
      const std::size_t row_bytes = tensors_[i].bytes() / static_cast<std::size_t>(rows_);
      gathers.push_back({slot.field(i), columns->memory[i]->data(), row_bytes});
    }
    stream.gather_rows(gathers, numbers);
  }
  bool enqueues() const override { return true; }

 private:
  // The tensors as they lie on one device.
  struct Columns {
    std::shared_ptr<device::Device> device;  // declared before the memory, which lies on it
    std::vector<std::unique_ptr<device::Buffer>> memory;
    static const std::shared_ptr<device::Device>& device_of(const std::shared_ptr<Columns>& one) {
      return one->device;
    }
  };

  // Returns the tensors on the device. They are copied there once, for all feeds that use them.
  std::shared_ptr<Columns> columns_on(device::Device& device, device::Stream& stream) {
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<device::Device> kept = device.weak_from_this().lock();
    // Tensors on a device that nobody else holds are dropped, since no later feed can use them.
    std::erase_if(columns_, [&](const std::shared_ptr<Columns>& columns) {
      return columns.use_count() == 1 && columns->device != kept &&
             columns->device.use_count() == 1;
    });
    const auto found = std::ranges::find(columns_, kept, &Columns::device_of);
    if (found != columns_.end()) return *found;
    auto columns = std::make_shared<Columns>();
    columns->device = kept;
    for (const Tensor& tensor : tensors_)
      columns->memory.push_back(device.allocate(tensor.bytes()));
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      stream.copy_to_device(columns->memory[i]->data(),
                            static_cast<const std::byte*>(tensors_[i].raw()), tensors_[i].bytes());
    }
    stream.synchronize();
    columns_.push_back(columns);
    return columns;
  }

  const std::vector<Tensor> tensors_;
  const std::shared_ptr<Source> source_;  // gives the spec
  const std::int64_t rows_;
  std::optional<data::Permutations> orders_;
  std::mutex mutex_;  // guards columns_, since several feeds may use the source at a time
  std::vector<std::shared_ptr<Columns>> columns_;
  feed::ByStream<std::shared_ptr<Columns>> used_by_;
};

}  // namespace

SourceHandle cache_on_device(Tensor x, Tensor y, ArrayOptions options) {
  std::vector<Tensor> inputs;
  std::vector<Tensor> targets;
  inputs.push_back(std::move(x));
  targets.push_back(std::move(y));
  return cache_on_device(std::move(inputs), std::move(targets), std::vector<Tensor>{}, options);
}

SourceHandle cache_on_device(std::vector<Tensor> inputs, std::vector<Tensor> targets,
                             std::vector<Tensor> sample_weights, ArrayOptions options) {
  std::vector<Tensor> tensors = inputs;
  tensors.insert(tensors.end(), targets.begin(), targets.end());
  tensors.insert(tensors.end(), sample_weights.begin(), sample_weights.end());
  // array_source() checks the arguments, and its spec says what a batch is.
  const SourceHandle arrays =
      array_source(std::move(inputs), std::move(targets), std::move(sample_weights), options);
  return SourceHandle(std::make_shared<DeviceCache>(std::move(tensors), arrays.source(), options));
}

}  // namespace stoker
