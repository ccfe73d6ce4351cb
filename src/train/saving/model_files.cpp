// The files of the public class Model: which format a path asks for, and what is done with it.
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "core/atomic_file.h"
#include "core/fields.h"
#include "core/foreign.h"
#include "core/format.h"
#include "io/hdf5.h"
#include "io/hdf5_writer.h"
#include "stoker/error.h"
#include "stoker/model.h"
#include "train/lazy_model.h"
#include "train/model_impl.h"
#include "train/network/model_config.h"
#include "train/network/stacked_layers.h"
#include "train/runtime/in_use.h"
#include "train/saving/keras_archive.h"
#include "train/saving/keras_weights.h"
#include "train/saving/onnx_export.h"
#include "train/saving/safetensors_weights.h"
#include "train/saving/variables.h"

namespace stoker {

namespace {

using train::Access;
using train::InUse;
using train::LoadPlan;
using train::SavedVariable;
using train::VariableAccess;

bool is_keras(const std::string& path) { return path.ends_with(".keras"); }
bool is_safetensors(const std::string& path) { return path.ends_with(".safetensors"); }
bool is_hdf5(const std::string& path) { return path.ends_with(".h5") || path.ends_with(".hdf5"); }

// The weights' half of what a file holds, wherever in it they are.
struct WeightsFile {
  std::optional<train::KerasArchive> archive{};
  std::optional<io::Hdf5File> own{};

  explicit WeightsFile(const std::filesystem::path& path) {
    if (is_keras(path.native())) {
      archive.emplace(path);
    } else {
      own.emplace(path);
    }
  }
  const io::Hdf5File& file() { return archive ? archive->weights() : *own; }

  LoadPlan plan(const train::KerasModel& model, const std::vector<SavedVariable>& variables,
                const LoadWeightsOptions& options) {
    const bool is_older = !archive && !own->has_group("layers") && !own->has_group("vars");
    return is_older ? train::plan_older_h5(file(), model, variables, options)
                    : train::plan_weights_h5(file(), model, variables, options);
  }
};

void print_warnings(const char* what, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    std::cerr << "Warning: " << what << ": " << warning << '\n';
  }
}

void load_into(Model::Impl& model, WeightsFile& file, const char* what,
               const LoadWeightsOptions& options, bool keeps_nothing) {
  const std::vector<SavedVariable> variables = train::variables_of(model);
  const LoadPlan plan = file.plan(train::keras_model(model), variables, options);
  train::load_planned(plan, file.file(), variables, VariableAccess(model), keeps_nothing);
  print_warnings(what, plan.warnings);
}

// An older file keeps the arguments of compile() apart, with the optimizer under another name.
Config config_of_older(const io::Hdf5File& file) {
  const auto text = file.text("", "model_config");
  if (!text) {
    throw IoError(format(file.name(), ": expected a whole model, received a file without a ",
                         "model_config. Weights alone are read by load_weights()"));
  }
  const auto parse = [&](const char* name, const std::string& json) {
    try {
      return Config::from_json(json);
    } catch (const ValueError& error) {
      throw IoError(format(file.name(), ": ", name, ": ", error.what()));
    }
  };
  Config config = parse("model_config", *text);
  const auto training = file.text("", "training_config");
  if (!training || !config.is_map()) return config;
  const Config given = parse("training_config", *training);
  if (!given.is_map()) return config;
  Config compiled = Config::map();
  for (const auto& [key, value] : given.members()) {
    compiled.set(key == "optimizer_config" ? "optimizer" : key, value);
  }
  return config.set("compile_config", compiled);
}

template <class F>
void write_atomically(const std::filesystem::path& path, F&& write) {
  AtomicFile file(path);
  write([&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.commit();
}

}  // namespace

void Model::save(const std::string& path) const {
  with_own_errors<IoError>("save", [&] {
    if (!is_keras(path)) {
      throw ValueError(format("save: expected a path that ends in .keras, received ", path,
                              ". save_weights() writes .weights.h5"));
    }
    const InUse model(impl("save"), "save", Access::read);
    std::optional<double> learning_rate;
    if (model->compiled) learning_rate = model->state.read_scalars().learning_rate;
    const std::string config = train::config_of(*model, learning_rate).to_json();
    const std::vector<SavedVariable> variables = train::variables_of(*model);
    io::Hdf5Writer weights(path, train::hdf5_objects(train::keras_model(*model), variables));
    train::describe_weights_h5(weights, train::keras_model(*model), variables,
                               VariableAccess(*model));
    const std::uint64_t bytes = weights.close();
    write_atomically(path, [&](const io::Hdf5Writer::Sink& sink) {
      train::write_keras_archive(sink, config, weights, bytes);
    });
  });
}

void Model::save_weights(const std::string& path) const {
  with_own_errors<IoError>("save_weights", [&] {
    if (!path.ends_with(".weights.h5") && !is_safetensors(path)) {
      throw ValueError(format(
          "save_weights: expected a path that ends in .weights.h5 or .safetensors, received ", path,
          ". save() writes a whole model"));
    }
    const InUse model(impl("save_weights"), "save_weights", Access::read);
    const std::vector<SavedVariable> variables = train::variables_of(*model);
    if (is_safetensors(path)) {
      return train::write_safetensors(path, variables, VariableAccess(*model));
    }
    io::Hdf5Writer weights(path, train::hdf5_objects(train::keras_model(*model), variables));
    train::describe_weights_h5(weights, train::keras_model(*model), variables,
                               VariableAccess(*model));
    weights.close();
    write_atomically(path, [&](const io::Hdf5Writer::Sink& sink) { weights.write(sink); });
  });
}

void Model::load_weights(const std::string& path, LoadWeightsOptions options) {
  with_own_errors<IoError>("load_weights", [&] {
    if (!is_keras(path) && !is_hdf5(path) && !is_safetensors(path)) {
      throw ValueError(
          format("load_weights: expected a path that ends in .weights.h5, .safetensors, .keras, ",
                 ".h5 or .hdf5, received ", path));
    }
    const InUse model(impl("load_weights"), "load_weights", Access::write);
    if (is_safetensors(path)) {
      const std::vector<SavedVariable> variables = train::variables_of(*model);
      io::SafetensorsReader file(path);
      const train::SafetensorsPlan plan = train::plan_safetensors(file, variables, options);
      train::load_safetensors(plan, file, VariableAccess(*model));
      return print_warnings("load_weights", plan.warnings);
    }
    WeightsFile file(path);
    load_into(*model, file, "load_weights", options, false);
  });
}

void Model::export_onnx(const std::string& path) const {
  with_own_errors<IoError>("export_onnx", [&] {
    const InUse model(impl("export_onnx"), "export_onnx", Access::read);
    train::export_onnx(path, name(), *model, VariableAccess(*model));
  });
}

Model Model::load(const std::string& path, ModelOptions options, bool compile) {
  const auto load = [&]() -> Model {
    if (!is_keras(path) && !is_hdf5(path)) {
      throw ValueError(format("Model::load: expected a path that ends in .keras, .h5 or .hdf5, ",
                              "received ", path));
    }
    WeightsFile file(path);
    const Config config = file.archive ? file.archive->config() : config_of_older(*file.own);
    train::ModelParts parts = Fields::with_place(
        path, [&] { return train::model_parts(config, std::move(options), compile); });
    if (parts.is_sequential) {
      const train::StackedLayers stacked(parts.layers);
      parts.inputs = {stacked.input()};
      parts.outputs = {stacked.output()};
    }
    Model model(std::move(parts.inputs), std::move(parts.outputs), parts.options,
                parts.is_sequential);
    {
      // The weights that the configuration asks for are compared with those of the file before any
      // memory is taken for them.
      const train::Network network(
          std::make_shared<train::Topology>(model.lazy_->inputs, model.lazy_->outputs));
      file.plan({network, parts.is_sequential, parts.options.name},
                train::variables_of(network, nullptr, {}), {});
    }
    model.lazy_->initializes = false;
    model.make();
    if (parts.compile_options) model.compile(std::move(*parts.compile_options));
    const InUse use(model.impl("load"), "load", Access::write);
    load_into(*use, file, "Model::load", {}, true);
    // Dropout draws its numbers by the step. A file has only the updates, which are as many unless
    // a loss scale has refused some.
    plan::Scalars scalars = use->state.read_scalars();
    scalars.step = static_cast<std::uint32_t>(scalars.iterations);
    use->state.write_scalars(scalars);
    return model;
  };
  return with_own_errors<IoError>("Model::load", load);
}

}  // namespace stoker
