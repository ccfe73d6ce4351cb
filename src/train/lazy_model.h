// What is behind the public class Model: its structure at once, and the rest when it is needed.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "stoker/error.h"
#include "train/model_impl.h"
#include "train/network/model_layer.h"
#include "train/network/topology.h"

namespace stoker {

// Holds the model behind the public class, which is made when it is first needed.
struct Model::Lazy {
  Lazy(std::vector<Value> inputs, std::vector<Value> outputs, ModelOptions options,
       bool is_sequential)
      : inputs(std::move(inputs)),
        outputs(std::move(outputs)),
        options(std::move(options)),
        is_sequential(is_sequential) {}

  const std::vector<Value> inputs;
  const std::vector<Value> outputs;
  const ModelOptions options;
  const bool is_sequential;
  // False where a file gives all weights, which begin as zeros then.
  bool initializes = true;
  std::mutex making{};
  std::unique_ptr<Model::Impl> impl{};
  std::atomic<Model::Impl*> made{};  // impl, for those who need no lock
  // This is the model as a layer of others. It is made when the model is first used so.
  std::mutex layer_mutex{};
  std::shared_ptr<train::ModelLayer> layer{};

  const char* class_name() const { return is_sequential ? "Sequential" : "Functional"; }
  Model::Impl& get() {
    if (Model::Impl* ready = made.load(std::memory_order_acquire)) return *ready;
    // No std::call_once, which thread sanitizers do not follow where the function throws.
    const std::lock_guard lock(making);
    if (!impl) {
      // Models are constructed one after the other, so that two of them neither name one layer,
      // nor give it two places, nor join the same stores crosswise.
      static std::mutex constructing;
      const std::lock_guard lock_of_constructing(constructing);
      if (outputs.empty()) {
        throw ValueError("Sequential: expected layers, received none; add(Input(shape)) first");
      }
      options.device.name();  // throws where the device was moved from
      const std::string name =
          options.name.empty() ? train::snake_case(class_name()) : options.name;
      impl = std::make_unique<Model::Impl>(name, std::make_shared<train::Topology>(inputs, outputs),
                                           options, initializes);
      impl->is_sequential = is_sequential;
      made.store(impl.get(), std::memory_order_release);
    }
    return *impl;
  }
};

}  // namespace stoker
