// What a model says of itself, in the form of the config.json of a .keras file, and the model that
// such a text describes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "stoker/config.h"
#include "stoker/model.h"

namespace stoker {

void describe(Fields& fields, CompileOptions& options);

}  // namespace stoker

namespace stoker::train {

// {"class_name": "Functional", "config": {...}, "compile_config": {...}, ...}. `learning_rate` is
// the optimizer's as it is now.
Config config_of(const Model::Impl& model, std::optional<double> learning_rate);

// A layer by that name; layers that have no dtype policy of their own get `policy`.
Config layer_config(const layers::LayerBase& layer, const std::string& name,
                    const std::string& policy);

// What is needed to construct a model.
struct ModelParts {
  bool is_sequential = false;
  std::vector<Layer> layers;  // of a Sequential
  std::vector<Value> inputs;  // of a functional model, as is the next
  std::vector<Value> outputs;
  ModelOptions options;
  std::optional<CompileOptions> compile_options;
};

// `options` with the name and the dtype policy that the config says. Throws ValueError and
// ShapeError with the place of what is wrong: "layers[2].config.units".
ModelParts model_parts(const Config& config, ModelOptions options, bool compile);

}  // namespace stoker::train
