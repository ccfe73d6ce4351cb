// Training on, from arrays, a table or a folder of images.
#include <cmath>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <stoker/csv.h>
#include <stoker/error.h>
#include <stoker/image_folder.h>
#include <stoker/model.h>

#include "commands.h"
#include "model_data.h"

namespace stoker::tool {
namespace {

FitOptions options_of(const Fit& arguments) {
  return {.epochs = arguments.epochs,
          .verbose = arguments.verbose,
          .batch_size = arguments.batch_size,
          .shuffle = arguments.shuffle,
          .on_interrupt = OnInterrupt::raise};
}

History fit_arrays(Model& model, const Fit& arguments) {
  const Several<Tensor> x = read_inputs(arguments.x, model);
  const Several<Tensor> y = read_tensors(arguments.y);
  FitOptions options = options_of(arguments);
  options.validation_split = arguments.validation_split;
  return model.fit(x, y, std::move(options));
}

// All columns but the target are inputs, in the file's order.
History fit_table(Model& model, const Fit& arguments) {
  const Csv table = read_csv(arguments.csv);
  table.column(arguments.target);  // Throws the error that lists the names.
  std::vector<std::string> columns;
  for (const std::string& name : table.names()) {
    if (name != arguments.target) columns.push_back(name);
  }
  if (columns.empty()) {
    throw ValueError(arguments.csv + ": expected columns beside the target, received none");
  }
  FitOptions options = options_of(arguments);
  options.validation_split = arguments.validation_split;
  return model.fit(table.floats(columns), table.floats({arguments.target}), std::move(options));
}

ImageSize image_size_of(const Model& model) {
  const std::vector<InputInfo> inputs = inputs_of(model);
  const Shape shape = inputs.at(0).shape;
  const bool fits = inputs.size() == 1 && shape.rank() == 4 && shape.without_batch().is_known();
  if (!fits) {
    throw ShapeError("--images: expected a model of one input (None, height, width, channels), " +
                     std::string("received one of ") + to_string(shape));
  }
  return {.height = shape[1], .width = shape[2], .channels = shape[3]};
}

// Classes are numbered in the order of their folders' names. The images to validate on are drawn
// once, so that none of them is trained on.
History fit_images(Model& model, const Fit& arguments) {
  const ImageFolder folder =
      image_folder(arguments.images, {.size = image_size_of(model), .shuffle = false});
  const auto count = static_cast<std::int64_t>(folder.files.size());
  const auto held_out = static_cast<std::int64_t>(
      std::floor(static_cast<double>(count) * arguments.validation_split));
  constexpr std::uint64_t kSplitSeed = 1;
  constexpr std::uint64_t kOrderSeed = 2;
  auto train = folder.dataset;
  FitOptions options = options_of(arguments);
  options.workers = AUTOTUNE;
  if (held_out > 0) {
    const auto drawn = train.shuffle(count, kSplitSeed, {.reshuffle_each_iteration = false});
    train = drawn.skip(held_out);
    options.validation_data = drawn.take(held_out).batch(arguments.batch_size);
  }
  if (arguments.shuffle) train = train.shuffle(count - held_out, kOrderSeed);
  return model.fit(train.batch(arguments.batch_size), std::move(options));
}

}  // namespace

void run(const Fit& arguments, const Device& device, std::ostream&) {
  if (!arguments.output.ends_with(".keras")) {
    throw ValueError("--output: expected a path that ends in .keras, received " + arguments.output);
  }
  Model model = Model::load(arguments.file, {.device = device});
  const History history = !arguments.images.empty() ? fit_images(model, arguments)
                          : !arguments.csv.empty()  ? fit_table(model, arguments)
                                                    : fit_arrays(model, arguments);
  model.save(arguments.output);
  if (!arguments.history.empty()) history.save_json(arguments.history);
}

}  // namespace stoker::tool
