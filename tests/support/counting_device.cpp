#include "support/counting_device.h"

#include <utility>

namespace stoker::test {
namespace {

using device::Event;
using device::Stream;

class CountingEvent final : public Event {
 public:
  CountingEvent(std::unique_ptr<Event> inner, HostCalls& calls)
      : inner_(std::move(inner)), calls_(calls) {}
  Event& inner() { return *inner_; }

  bool has_passed() override {
    ++calls_.queries;
    return inner_->has_passed();
  }
  void synchronize() override {
    ++calls_.event_waits;
    inner_->synchronize();
  }
  double seconds_since(Event& earlier) override {
    ++calls_.queries;
    return inner_->seconds_since(static_cast<CountingEvent&>(earlier).inner());
  }

 private:
  std::unique_ptr<Event> inner_;
  HostCalls& calls_;
};

class CountingStream final : public Stream {
 public:
  CountingStream(std::unique_ptr<Stream> inner, HostCalls& calls)
      : inner_(std::move(inner)), calls_(calls) {}

  void copy_to_device(std::byte* to, const std::byte* from, std::size_t bytes) override {
    ++calls_.copies_to_device;
    inner_->copy_to_device(to, from, bytes);
  }
  void copy_to_host(std::byte* to, const std::byte* from, std::size_t bytes) override {
    ++calls_.copies_to_host;
    inner_->copy_to_host(to, from, bytes);
  }
  void fill_zero(std::byte* to, std::size_t bytes) override {
    ++calls_.fills;
    inner_->fill_zero(to, bytes);
  }
  void write(std::byte* to, std::span<const std::byte> value) override {
    ++calls_.writes;
    inner_->write(to, value);
  }
  void gather_rows(std::span<const device::RowGather> gathers,
                   std::span<const std::int64_t> rows) override {
    inner_->gather_rows(gathers, rows);
  }
  void launch(device::Work& work) override {
    ++calls_.launches;
    inner_->launch(work);
  }
  void record(Event& event) override {
    ++calls_.records;
    inner_->record(static_cast<CountingEvent&>(event).inner());
  }
  void wait(Event& event) override {
    ++calls_.waits;
    inner_->wait(static_cast<CountingEvent&>(event).inner());
  }
  void synchronize() override {
    ++calls_.synchronizations;
    inner_->synchronize();
  }

 private:
  std::unique_ptr<Stream> inner_;
  HostCalls& calls_;
};

class CountingDevice final : public device::Device {
 public:
  CountingDevice(std::shared_ptr<device::Device> inner, HostCalls& calls)
      : inner_(std::move(inner)), calls_(calls) {}

  device::Kind kind() const override { return inner_->kind(); }
  const std::string& name() const override { return inner_->name(); }
  bool reads_host_memory() const override { return inner_->reads_host_memory(); }
  std::unique_ptr<device::Buffer> allocate(std::size_t bytes) override {
    return inner_->allocate(bytes);
  }
  std::unique_ptr<device::Buffer> allocate_pinned(std::size_t bytes) override {
    return inner_->allocate_pinned(bytes);
  }
  std::unique_ptr<Stream> make_stream() override {
    return std::make_unique<CountingStream>(inner_->make_stream(), calls_);
  }
  std::unique_ptr<Event> make_event() override {
    return std::make_unique<CountingEvent>(inner_->make_event(), calls_);
  }
  std::unique_ptr<Event> make_timed_event() override {
    return std::make_unique<CountingEvent>(inner_->make_timed_event(), calls_);
  }

 private:
  std::shared_ptr<device::Device> inner_;
  HostCalls& calls_;
};

}  // namespace

std::shared_ptr<device::Device> counting_device(std::shared_ptr<device::Device> inner,
                                                HostCalls& calls) {
  return std::make_shared<CountingDevice>(std::move(inner), calls);
}

}  // namespace stoker::test
