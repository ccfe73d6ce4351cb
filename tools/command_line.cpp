// The command line of `stoker`: what it takes, its help, and what its exit codes mean.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <optional>
#include <string>

#include <stoker/error.h>

#include "commands.h"

namespace stoker::tool {
namespace {

constexpr int kBadInput = 1;
constexpr int kUsage = 2;
constexpr int kDeviceLost = 75;    // EX_TEMPFAIL of sysexits.h: another try may succeed.
constexpr int kInterrupted = 130;  // 128 and the number of SIGINT, as shells have it.

struct Arguments {
  Summary summary{};
  Predict predict{};
  Evaluate evaluate{};
  Fit fit{};
  Convert convert{};
  WhatIf what_if{};
  Plot plot{};
};

// Without a description of its own, a check would fill the help with its limits.
CLI::Validator at_least_one() {
  return CLI::Range(std::int64_t{1}, std::int64_t{1} << 31).description("");
}

CLI::Option* add_file(CLI::App& command, std::string& file) {
  return command.add_option("FILE", file, "A model: .keras, or Keras's older .h5 or .hdf5")
      ->required();
}

void add_batch_size(CLI::App& command, std::int64_t& batch_size) {
  command.add_option("--batch-size", batch_size, "Rows of a batch")
      ->capture_default_str()
      ->check(at_least_one());
}

CLI::App& add_command(CLI::App& app, const char* name, const char* description,
                      const char* example) {
  CLI::App& command = *app.add_subcommand(name, description);
  command.footer(std::string("Example:\n  ") + example);
  return command;
}

void add_summary(CLI::App& app, Summary& summary) {
  CLI::App& command =
      add_command(app, "summary", "Prints the layers of a model.", "stoker summary model.keras");
  add_file(command, summary.file);
}

void add_predict(CLI::App& app, Predict& predict) {
  CLI::App& command =
      add_command(app, "predict", "Writes what a model predicts for all rows of its inputs.",
                  "stoker predict model.keras --input x.npy --output y.npy");
  add_file(command, predict.file);
  command.add_option("--input", predict.input, "A .npy; for several inputs an .npz")->required();
  command.add_option("--output", predict.output, "A .npy; for several outputs an .npz")->required();
  add_batch_size(command, predict.batch_size);
}

void add_evaluate(CLI::App& app, Evaluate& evaluate) {
  CLI::App& command =
      add_command(app, "evaluate", "Prints the loss and the metrics of a model over a data set.",
                  "stoker evaluate model.keras --x x.npy --y y.npy --json");
  add_file(command, evaluate.file);
  command.add_option("--x", evaluate.x, "The inputs: a .npy or .npz")->required();
  command.add_option("--y", evaluate.y, "The targets: a .npy or .npz")->required();
  add_batch_size(command, evaluate.batch_size);
  command.add_flag("--json", evaluate.json, "Print one line of JSON");
}

void add_fit(CLI::App& app, Fit& fit) {
  CLI::App& command = add_command(
      app, "fit",
      "Trains a compiled model on, with the settings and the optimizer's state of its file.",
      "stoker fit model.keras --x x.npy --y y.npy --epochs 5 --output trained.keras");
  add_file(command, fit.file);
  CLI::Option* x = command.add_option("--x", fit.x, "The inputs: a .npy or .npz");
  CLI::Option* y = command.add_option("--y", fit.y, "The targets: a .npy or .npz");
  x->needs(y);
  y->needs(x);
  CLI::Option* images =
      command.add_option("--images", fit.images,
                         "In place of --x and --y: a folder with a folder of images per class");
  CLI::Option* csv = command.add_option(
      "--csv", fit.csv, "In place of --x and --y: a table whose columns are the inputs' numbers");
  CLI::Option* target =
      command.add_option("--target", fit.target, "The column of --csv to predict");
  csv->needs(target);
  target->needs(csv);
  images->excludes(x)->excludes(csv);
  csv->excludes(x);
  command.add_option("--epochs", fit.epochs, "How often to go through the data")
      ->capture_default_str()
      ->check(at_least_one());
  add_batch_size(command, fit.batch_size);
  command
      .add_option("--shuffle", fit.shuffle, "0 or 1: whether each epoch has an order of its own")
      ->capture_default_str();
  command
      .add_option("--validation-split", fit.validation_split,
                  "The share of the rows, the last ones, to validate on; of images, random ones")
      ->check(CLI::Range(0.0, 0.999999).description(""));
  command.add_option("--output", fit.output, "Where the trained model goes: a .keras")->required();
  command.add_option("--history", fit.history,
                     "A file for the losses and metrics by epoch, as JSON");
  command
      .add_option("--verbose", fit.verbose,
                  "0: silent, 1: a progress bar, 2: a line an epoch, 3: the whole terminal, live")
      ->capture_default_str()
      ->check(CLI::Range(0, 3).description(""));
  command.final_callback([&fit] {
    const bool has_data = !fit.x.empty() || !fit.images.empty() || !fit.csv.empty();
    if (!has_data) throw CLI::RequiredError("One of --x with --y, --images and --csv");
  });
}

void add_convert(CLI::App& app, Convert& convert) {
  CLI::App& command = add_command(app, "convert", "Writes a model in the format that OUT ends in.",
                                  "stoker convert old.h5 new.keras");
  command.add_option("IN", convert.input, "A model: .keras, or Keras's older .h5 or .hdf5")
      ->required();
  command
      .add_option("OUT", convert.output,
                  "The whole model: .keras; weights: .weights.h5 or .safetensors; "
                  "predictions: .onnx")
      ->required();
  command.add_flag("--restricted", convert.restricted,
                   "For files of strangers: read IN in a process that can write OUT and nothing "
                   "else, on the CPU");
}

void add_what_if(CLI::App& app, WhatIf& what_if) {
  CLI::App& command = add_command(
      app, "what-if",
      "Says what a step of a training would have taken with another device, other workers or other "
      "data.",
      "stoker what-if history.json --device-speed 4 --workers 8");
  command.add_option("FILE", what_if.file, "What `fit --history` wrote")->required();
  stoker::WhatIf& change = what_if.change;
  const auto positive = CLI::PositiveNumber.description("");
  command.add_option("--device-speed", change.device_speed, "So many times as fast a device")
      ->check(positive);
  command
      .add_option("--generator-speed", change.generator_speed, "So many times as fast a generator")
      ->check(positive);
  command.add_option("--workers", change.workers, "So many threads that generate")
      ->check(at_least_one());
  command.add_option("--queue", change.queue, "So many batches ahead of the step")
      ->check(at_least_one());
  command.add_option("--upload-bytes", change.upload_bytes, "So many times the bytes of a batch")
      ->check(CLI::NonNegativeNumber.description(""));
  command.add_option("--cores", change.cores, "So many cores")->check(positive);
  command.add_flag("--json", what_if.json, "Print one line of JSON");
}

void add_plot(CLI::App& app, Plot& plot) {
  CLI::App& command = add_command(app, "plot", "Draws a model, in the format that OUT ends in.",
                                  "stoker plot model.keras model.svg --show-shapes");
  add_file(command, plot.file);
  command.add_option("OUT", plot.output, "The picture: .dot, or by Graphviz .png, .svg or .pdf")
      ->required();
  PlotModelOptions& options = plot.options;
  command.add_flag("--show-shapes", options.show_shapes, "Show the shapes of inputs and outputs");
  command.add_flag("--show-dtype", options.show_dtype, "Show the types of outputs");
  command.add_flag("--show-layer-names", options.show_layer_names, "Show names beside classes");
  command.add_flag("--show-layer-activations", options.show_layer_activations,
                   "Show activation functions");
  command.add_flag("--show-trainable", options.show_trainable, "Show which layers are trained");
  command.add_flag("--expand-nested", options.expand_nested,
                   "Draw what is inside of models that are layers");
  command.add_option("--rankdir", options.rankdir, "Where the arrows lead: TB, LR, BT or RL")
      ->capture_default_str()
      ->check(CLI::IsMember({"TB", "LR", "BT", "RL"}).description(""));
  command.add_option("--dpi", options.dpi, "Dots of a .png for each inch")
      ->capture_default_str()
      ->check(at_least_one());
}

void add_doctor(CLI::App& app) {
  add_command(app, "doctor",
              "Says what the library finds on this machine, and tries what it needs.",
              "stoker doctor");
}

// Messages are one line, so that logs and scripts can take them by lines.
std::string in_one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

int run_parsed(const CLI::App& app, const Arguments& arguments,
               const std::function<Device()>& make_device, std::ostream& out,
               std::ostream& errors) {
  std::optional<Device> device;
  const auto fail = [&](int code, const std::string& what) {
    errors << "stoker: " << in_one_line(what) << '\n';
    return code;
  };
  try {
    if (app.got_subcommand("doctor")) return run(Doctor{}, make_device, out) ? 0 : kBadInput;
    if (app.got_subcommand("what-if")) {
      run(arguments.what_if, out);
      return out.flush() ? 0 : fail(kBadInput, "the output could not be written");
    }
    if (app.got_subcommand("convert") && arguments.convert.restricted) {
      run_restricted(arguments.convert, out);
      return 0;
    }
    device = make_device();
    if (app.got_subcommand("summary")) run(arguments.summary, *device, out);
    if (app.got_subcommand("predict")) run(arguments.predict, *device, out);
    if (app.got_subcommand("evaluate")) run(arguments.evaluate, *device, out);
    if (app.got_subcommand("fit")) run(arguments.fit, *device, out);
    if (app.got_subcommand("convert")) run(arguments.convert, *device, out);
    if (app.got_subcommand("plot")) run(arguments.plot, *device, out);
    if (!out.flush()) return fail(kBadInput, "the output could not be written");
    return 0;
  } catch (const Interrupted& error) {
    return fail(kInterrupted, error.what());
  } catch (const std::exception& error) {
    return fail(device && device->is_lost() ? kDeviceLost : kBadInput, error.what());
  }
}

}  // namespace

int run_command(int count, const char* const* arguments, const std::function<Device()>& device,
                std::ostream& out, std::ostream& errors) {
  Arguments parsed;
  CLI::App app(
      "Predicts with, evaluates, trains, converts and draws neural networks in Keras's files.",
      "stoker");
  app.set_version_flag("--version", "stoker " STOKER_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 success, 1 bad input, 2 bad usage, 75 the device was lost, 130 interrupted.\n"
      "Example:\n  stoker predict model.keras --input x.npy --output y.npy");
  add_summary(app, parsed.summary);
  add_predict(app, parsed.predict);
  add_evaluate(app, parsed.evaluate);
  add_fit(app, parsed.fit);
  add_convert(app, parsed.convert);
  add_what_if(app, parsed.what_if);
  add_plot(app, parsed.plot);
  add_doctor(app);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app.exit(error, out, errors);
    }
    std::string command;
    for (const CLI::App* one : app.get_subcommands()) command = " " + one->get_name();
    std::string what = in_one_line(error.what());
    if (const auto words = app.remaining(); command.empty() && !words.empty()) {
      what = "there is no command or option \"" + in_one_line(words[0]) + "\"";
    }
    errors << "stoker: " << what << ". See stoker" << command << " --help\n";
    return kUsage;
  }
  return run_parsed(app, parsed, device, out, errors);
}

}  // namespace stoker::tool
