// The commands that load a model and use it.
#include <filesystem>
#include <iomanip>
#include <limits>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include <stoker/config.h>
#include <stoker/error.h>
#include <stoker/model.h>

#include "commands.h"
#include "model_data.h"
#include "restricted.h"

namespace stoker::tool {
namespace {

// A file whose optimizer, loss or metrics are not offered still has layers and weights.
Model load_compiled_or_not(const std::string& file, const Device& device) {
  try {
    return Model::load(file, {.device = device});
  } catch (const ValueError&) {
    return Model::load(file, {.device = device}, false);
  }
}

}  // namespace

void run(const Summary& arguments, const Device& device, std::ostream& out) {
  load_compiled_or_not(arguments.file, device).summary(out);
}

void run(const Predict& arguments, const Device& device, std::ostream&) {
  Model model = Model::load(arguments.file, {.device = device}, false);
  const std::vector<std::string> names = output_names(model);
  require_output_path(arguments.output, names.size());
  const Several<Tensor> x = read_inputs(arguments.input, model);
  write_outputs(arguments.output,
                model.predict_outputs(
                    x, {.batch_size = arguments.batch_size, .on_interrupt = OnInterrupt::raise}),
                names);
}

void run(const Evaluate& arguments, const Device& device, std::ostream& out) {
  Model model = Model::load(arguments.file, {.device = device});
  const Several<Tensor> x = read_inputs(arguments.x, model);
  const Several<Tensor> y = read_tensors(arguments.y);
  const Logs logs = model.evaluate(
      x, y, {.verbose = 0, .batch_size = arguments.batch_size, .on_interrupt = OnInterrupt::raise});
  Config json = Config::map();
  for (const auto& [name, value] : logs) {
    if (arguments.json) {
      json.set(name, value);
    } else {
      out << name << ": " << std::setprecision(std::numeric_limits<float>::max_digits10) << value
          << '\n';
    }
  }
  if (arguments.json) out << json.to_json() << '\n';
}

void run(const Convert& arguments, const Device& device, std::ostream&) {
  const std::string_view output = arguments.output;
  if (output.ends_with(".keras")) {
    return Model::load(arguments.input, {.device = device}).save(arguments.output);
  }
  if (output.ends_with(".weights.h5") || output.ends_with(".safetensors")) {
    return load_compiled_or_not(arguments.input, device).save_weights(arguments.output);
  }
  if (output.ends_with(".onnx")) {
    return Model::load(arguments.input, {.device = device}, false).export_onnx(arguments.output);
  }
  throw ValueError(
      "OUT: expected a path that ends in .keras, .weights.h5, .safetensors or .onnx, received " +
      arguments.output);
}

void run_restricted(const Convert& arguments, std::ostream& out) {
  run_restricted(arguments.input, arguments.output, [&](const std::filesystem::path& written) {
    run(Convert{.input = arguments.input, .output = written.string()}, Device::cpu(), out);
  });
}

void run(const Plot& arguments, const Device& device, std::ostream&) {
  plot_model(load_compiled_or_not(arguments.file, device), arguments.output, arguments.options);
}

}  // namespace stoker::tool
