// What device_generator() of stoker/device_source.h does. Programs include that header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "stoker/device_source.h"

namespace stoker {
namespace detail {

void* native_of(device::Stream& stream);

template <class F, class... T>
class DeviceGenerator final : public BatchGenerator<T...>, public DeviceFiller {
 public:
  using BatchGenerator<T...>::fill;
  DeviceGenerator(const BatchShapes& shapes, F function, bool by_number)
      : BatchGenerator<T...>(shapes), function_(std::move(function)), by_number_(by_number) {}

  // There is nothing to do on the feed's thread.
  std::int64_t fill(BatchContext&, const Slot&) override { return this->spec().batch_size(); }
  std::int64_t fill(BatchContext&, std::span<T>...) override { return this->spec().batch_size(); }
  bool endless() const override { return true; }
  bool resumes_by_number() const override { return by_number_; }
  DeviceFiller* device_filler() override { return this; }
  SourceTraits traits() const override { return this->traits_of(SourceKind::device); }

  void fill_on_device(BatchContext& batch, std::int64_t, const std::byte*, const Slot& slot,
                      device::Stream& stream) override {
    call(batch, DeviceQueue{native_of(stream)}, slot, std::index_sequence_for<T...>{});
  }
  bool enqueues() const override { return false; }

 private:
  template <std::size_t... I>
  void call(BatchContext& batch, DeviceQueue queue, const Slot& slot, std::index_sequence<I...>) {
    function_(batch, queue,
              std::span<T>(reinterpret_cast<T*>(slot.field(I)),
                           static_cast<std::size_t>(this->spec().field(I).shape.elements()))...);
  }

  F function_;
  bool by_number_;
};

}  // namespace detail

template <class... T, class F>
Generator<T...> device_generator(const BatchShapes& shapes, F function) {
  using Purity = detail::Purity<F>;
  using Function = typename Purity::Function;
  constexpr bool kFits =
      std::is_invocable_v<Function&, BatchContext&, DeviceQueue, std::span<T>...>;
  static_assert(std::is_invocable_v<Function&, BatchContext&, DeviceQueue, std::span<T>...>,
                "device_generator<T...>(shapes, f) takes f(BatchContext&, DeviceQueue, "
                "std::span<T>...), with a span for each of the types T, in their order");
  if constexpr (kFits) {
    return Generator<T...>(std::make_shared<detail::DeviceGenerator<Function, T...>>(
        shapes, Purity::function(function), Purity::kIsPure));
  } else {
    detail::refused();
  }
}

}  // namespace stoker
