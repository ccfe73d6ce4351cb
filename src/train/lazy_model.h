// What is behind the public class Model: its structure at once, and the rest when it is needed.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "train/model_impl.h"
#include "train/model_layer.h"
#include "train/topology.h"

namespace stoker {

// Holds the model behind the public class, which is made when it is first needed.
struct Model::Lazy {
  std::vector<Value> inputs;
  std::vector<Value> outputs;
  ModelOptions options;
  bool is_sequential = false;
  std::once_flag made{};
  std::unique_ptr<Model::Impl> impl{};
  // This is the model as a layer of others. It is made when the model is first used so.
  std::mutex layer_mutex{};
  std::shared_ptr<train::ModelLayer> layer{};

  const char* class_name() const { return is_sequential ? "Sequential" : "Functional"; }
  Model::Impl& get() {
    std::call_once(made, [&] {
      if (outputs.empty()) {
        throw ValueError("Sequential: expected layers, received none; add(Input(shape)) first");
      }
      const std::string name =
          options.name.empty() ? train::snake_case(class_name()) : options.name;
      auto fresh = std::make_unique<Model::Impl>(
          name, std::make_shared<train::Topology>(inputs, outputs), options);
      fresh->is_sequential = is_sequential;
      impl = std::move(fresh);
    });
    return *impl;
  }
};

}  // namespace stoker
