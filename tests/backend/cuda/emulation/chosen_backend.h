// Which backend models get in a program of tests. A program that uses this header links the
// make_backend() of chosen_backend.cpp in place of the library's own: the library itself has no
// switch.
#pragma once

#include <functional>
#include <memory>

#include "backend/backend.h"

namespace stoker::emulation {

using MakeBackend = std::function<std::unique_ptr<backend::Backend>(
    const std::shared_ptr<device::Device>& device, int threads)>;

// While one lives, models get the backends that it makes; the last one that was made counts. Not
// while models are being made on another thread.
class ChosenBackend {
 public:
  explicit ChosenBackend(MakeBackend make);
  ~ChosenBackend();
  ChosenBackend(const ChosenBackend&) = delete;
  ChosenBackend& operator=(const ChosenBackend&) = delete;

 private:
  MakeBackend before_;
};

}  // namespace stoker::emulation
