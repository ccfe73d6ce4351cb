#include "model_data.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include <stoker/config.h>
#include <stoker/error.h>
#include <stoker/npy.h>

namespace stoker::tool {
namespace {

// Keras writes one input or output as a list of its layer's name and two numbers, and several as a
// list of such lists.
std::vector<std::string> layer_names(const Config& list) {
  if (list.size() > 0 && list.at(std::size_t{0}).is_string()) {
    return {list.at(std::size_t{0}).string()};
  }
  std::vector<std::string> names;
  for (const Config& one : list.list_items()) names.push_back(one.at(std::size_t{0}).string());
  return names;
}

bool is_sequential(const Config& config) {
  return config.at("class_name").string() == "Sequential";
}

// Returns the tensors in order where their names are the prefix and 0, 1, ...
bool take_numbered(std::map<std::string, Tensor>& tensors, std::string_view prefix,
                   std::vector<Tensor>& result) {
  const auto name = [&](std::size_t i) { return std::string(prefix) + std::to_string(i); };
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors.contains(name(i))) return false;
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) result.push_back(std::move(tensors[name(i)]));
  return true;
}

bool is_npz(const std::string& path) { return path.ends_with(".npz"); }

Tensor as_integers(const Tensor& tensor, const std::string& where) {
  Tensor result(tensor.shape(), DType::int32);
  const std::span<std::int32_t> out = result.data<std::int32_t>();
  const std::span<const float> in = tensor.data<float>();
  for (std::size_t i = 0; i < in.size(); ++i) {
    // 2^31 is a float32, and the largest int32 is none.
    constexpr float kLimit = 2147483648.0f;
    if (!(in[i] >= -kLimit && in[i] < kLimit)) {
      throw DataError(where + ": element " + std::to_string(i) + ", " + std::to_string(in[i]) +
                      ", does not fit int32, which the model takes");
    }
    out[i] = static_cast<std::int32_t>(in[i]);
  }
  return result;
}

}  // namespace

std::vector<InputInfo> inputs_of(const Model& model) {
  const Config config = model.config();
  const Config& inside = config.at("config");
  std::vector<std::string> names;
  if (!is_sequential(config)) names = layer_names(inside.at("input_layers"));
  std::vector<InputInfo> inputs;
  const std::vector<Value> values = model.inputs();
  for (const Layer& layer : model.layers()) {
    if (layer.class_name() == "InputLayer" && is_sequential(config)) names = {layer.name()};
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    InputInfo input{i < names.size() ? names[i] : "x" + std::to_string(i), values[i].shape()};
    if (i < names.size()) {
      const Config layer = model.get_layer(names[i]).config();
      const Config* dtype = layer.at("config").find("dtype");
      input.is_integer = dtype != nullptr && dtype->is_string() && dtype->string() == "int32";
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

std::vector<std::string> output_names(const Model& model) {
  const Config config = model.config();
  if (is_sequential(config)) return {model.layers().back().name()};
  std::vector<std::string> names;
  for (const std::string& layer : layer_names(config.at("config").at("output_layers"))) {
    std::string name = layer;
    for (int number = 1; std::ranges::find(names, name) != names.end(); ++number) {
      name = layer + "_" + std::to_string(number);
    }
    names.push_back(std::move(name));
  }
  return names;
}

Several<Tensor> read_tensors(const std::string& path) {
  const NpyOptions options{.convert = true};
  if (!is_npz(path)) return read_npy(path, options);
  std::map<std::string, Tensor> tensors = read_npz(path, options);
  if (tensors.empty()) {
    throw ValueError(path + ": expected arrays named x0, x1, ... or by the model's layers, " +
                     "received none");
  }
  std::vector<Tensor> numbered;
  for (const char* prefix : {"x", "y", "arr_"}) {
    if (take_numbered(tensors, prefix, numbered)) return numbered;
  }
  return tensors;
}

Several<Tensor> read_inputs(const std::string& path, const Model& model) {
  const Several<Tensor> given = read_tensors(path);
  const std::vector<InputInfo> inputs = inputs_of(model);
  std::vector<Tensor> ordered;
  std::vector<std::pair<std::string, Tensor>> named;
  for (std::size_t i = 0; i < given.entries().size(); ++i) {
    const auto& [name, tensor] = given.entries()[i];
    const auto by_name = std::ranges::find(inputs, name, &InputInfo::name);
    const bool is_known = given.is_named() ? by_name != inputs.end() : i < inputs.size();
    const bool wants_integers = is_known && (given.is_named() ? *by_name : inputs[i]).is_integer;
    Tensor converted =
        wants_integers && tensor.dtype() == DType::float32 ? as_integers(tensor, path) : tensor;
    if (given.is_named()) {
      named.emplace_back(name, std::move(converted));
    } else {
      ordered.push_back(std::move(converted));
    }
  }
  if (given.is_named()) return named;
  return ordered;
}

void require_output_path(const std::string& path, std::size_t tensors) {
  if (is_npz(path) || (tensors == 1 && path.ends_with(".npy"))) return;
  throw ValueError(
      "--output: expected a path that ends in " +
      std::string(tensors == 1 ? ".npy or .npz" : ".npz, for a model of several outputs") +
      ", received " + path);
}

void write_outputs(const std::string& path, std::vector<Tensor> tensors,
                   const std::vector<std::string>& names) {
  require_output_path(path, tensors.size());
  if (!is_npz(path)) return write_npy(path, tensors[0]);
  std::map<std::string, Tensor> named;
  for (std::size_t i = 0; i < tensors.size(); ++i) named[names.at(i)] = std::move(tensors[i]);
  write_npz(path, named);
}

}  // namespace stoker::tool
