#include "train/bench/bench_sources.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "device/device.h"
#include "feed/upload/by_stream.h"

namespace stoker::train {
namespace {

class Replay final : public Source {
 public:
  explicit Replay(std::shared_ptr<const KeptBatches> kept) : kept_(std::move(kept)) {}

  const BatchSpec& spec() const override { return kept_->spec; }
  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    const auto number = static_cast<std::size_t>(batch.sequence) % kept_->batches.size();
    const KeptBatches::One& one = kept_->batches[number];
    for (std::size_t i = 0; i < one.fields.size(); ++i) {
      std::memcpy(slot.field(i), one.fields[i].data(), one.fields[i].size());
    }
    return one.rows;
  }
  bool endless() const override { return true; }
  bool pure() const override { return true; }
  SourceTraits traits() const override { return {.kind = SourceKind::arrays}; }

 private:
  const std::shared_ptr<const KeptBatches> kept_;
};

class RepeatOnDevice final : public Source, public DeviceFiller {
 public:
  explicit RepeatOnDevice(std::shared_ptr<const KeptBatches> kept) : kept_(std::move(kept)) {}

  const BatchSpec& spec() const override { return kept_->spec; }
  std::int64_t fill(BatchContext&, const Slot&) override { return kept_->batches[0].rows; }
  bool endless() const override { return true; }
  bool pure() const override { return true; }
  DeviceFiller* device_filler() override { return this; }
  SourceTraits traits() const override { return {.kind = SourceKind::device}; }

  bool enqueues() const override { return true; }
  void prepare(device::Device& device, device::Stream& stream) override {
    filled_.open(stream, [&] {
      const KeptBatches::One& one = kept_->batches[0];
      Filled fresh;
      for (const std::vector<std::byte>& field : one.fields) {
        fresh.host.push_back(
            device::allocate_staging(device, std::max<std::size_t>(field.size(), 1)));
        std::memcpy(fresh.host.back()->data(), field.data(), field.size());
      }
      return fresh;
    });
  }
  void finish(device::Stream& stream) override { filled_.close(stream); }
  void fill_on_device(BatchContext&, std::int64_t, const std::byte*, const Slot& slot,
                      device::Stream& stream) override {
    Filled& filled = filled_.at(stream);
    if (!filled.slots.insert(slot.field(0)).second) return;
    for (std::size_t i = 0; i < filled.host.size(); ++i) {
      stream.copy_to_device(slot.field(i), filled.host[i]->data(),
                            kept_->batches[0].fields[i].size());
    }
  }

 private:
  struct Filled {
    std::vector<std::unique_ptr<device::Buffer>> host;  // A pinned copy of each field.
    std::set<const std::byte*> slots{};                 // Those that hold the batch already.
  };
  const std::shared_ptr<const KeptBatches> kept_;
  feed::ByStream<Filled> filled_;
};

}  // namespace

std::shared_ptr<Source> replay(std::shared_ptr<const KeptBatches> kept) {
  return std::make_shared<Replay>(std::move(kept));
}

std::shared_ptr<Source> repeat_on_device(std::shared_ptr<const KeptBatches> kept) {
  return std::make_shared<RepeatOnDevice>(std::move(kept));
}

}  // namespace stoker::train
