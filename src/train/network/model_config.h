// Writes a model in the form of the config.json of a .keras file, and reads the model that such a
// text describes.
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

// Returns {"class_name": "Functional", "config": {...}, "compile_config": {...}, ...}.
// `learning_rate` is the optimizer's present one.
Config config_of(const Model::Impl& model, std::optional<double> learning_rate);

// Returns the configuration of a layer under that name. Layers without a dtype policy of their own
// get `policy`.
Config layer_config(const layers::LayerBase& layer, const std::string& name,
                    const std::string& policy);

// The parts from which a model is constructed.
struct ModelParts {
  bool is_sequential = false;
  std::vector<Layer> layers;  // Set for a Sequential.
  std::vector<Value> inputs;  // Set for a functional model, like the next member.
  std::vector<Value> outputs;
  ModelOptions options;
  std::optional<CompileOptions> compile_options;
};

// Reads the parts. The config gives the dtype policy of `options`, and its name where it has none.
// Throws ValueError and ShapeError with the place of the error: "layers[2].config.units".
ModelParts model_parts(const Config& config, ModelOptions options, bool compile);

}  // namespace stoker::train
