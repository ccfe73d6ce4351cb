// The base of sources that stand around another one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "stoker/source.h"

namespace stoker::detail {

// Answers everything but spec() and fill() as the adapted source does. `Base` is Source, or a class
// derived from it, and is constructed from the arguments behind the source.
template <class Base>
class SourceAdapter : public Base {
 public:
  template <class... Arguments>
  explicit SourceAdapter(std::shared_ptr<Source> source, Arguments&&... arguments)
      : Base(std::forward<Arguments>(arguments)...), adapted_(std::move(source)) {}

  std::optional<std::int64_t> batches_per_epoch() const override {
    return adapted_->batches_per_epoch();
  }
  bool endless() const override { return adapted_->endless(); }
  bool pure() const override { return adapted_->pure(); }
  void begin_epoch(std::int64_t epoch) override { adapted_->begin_epoch(epoch); }
  void end_epoch(std::int64_t epoch) override { adapted_->end_epoch(epoch); }
  bool epochs_apart() const override { return adapted_->epochs_apart(); }
  void begin_run(const RunStart& start) override { adapted_->begin_run(start); }
  bool resumes_by_number() const override { return adapted_->resumes_by_number(); }
  bool saves_state() const override { return adapted_->saves_state(); }
  void save_state(std::vector<std::byte>& state) override { adapted_->save_state(state); }
  void load_state(std::span<const std::byte> state) override { adapted_->load_state(state); }
  bool shuffles_batches() const override { return adapted_->shuffles_batches(); }
  DeviceFiller* device_filler() override { return adapted_->device_filler(); }
  SourceTraits traits() const override { return adapted_->traits(); }
  std::vector<StageReport> stages() const override { return adapted_->stages(); }
  const Source& innermost() const override { return adapted_->innermost(); }

 protected:
  Source& adapted() const { return *adapted_; }

 private:
  const std::shared_ptr<Source> adapted_;
};

}  // namespace stoker::detail
