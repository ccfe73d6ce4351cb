// Writes reports of small trainings of every kind into a folder, for check_pages.py to open.
//   stoker_report_pages FOLDER
#include <stoker/stoker.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/atomic_file.h"
#include "report/page.h"

using namespace stoker;

namespace {

const std::string kMarkup = "<script>alert(1)</script>";

// Images whose class is where a bright spot is, with noise.
auto images(std::int64_t rows, std::int32_t classes, std::chrono::microseconds pause) {
  return generator<float, std::int32_t>(
      {.x = {rows, 12, 12, 1}, .y = {rows}},
      pure([classes, pause](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        for (std::size_t i = 0; i < y.size(); ++i) {
          y[i] = static_cast<std::int32_t>(batch.random.integer(0, classes));
          x[144 * i + static_cast<std::size_t>(y[i])] = 2.0f;
        }
        std::this_thread::sleep_for(pause);
      }));
}

Sequential classifier(std::int32_t classes, Device device) {
  Sequential model({Input({12, 12, 1}), Conv2D(4, 3, {.activation = "relu"}),
                    Flatten({.name = kMarkup}), Dense(classes)},
                   {.device = std::move(device)});
  model.compile({.optimizer = Adam(),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

// Workers that the step waits for, uploads, and a classifier of so many classes.
void classes(const std::string& path, std::int32_t count, const std::vector<std::string>& names) {
  Sequential model = classifier(count, Device::simulated({.upload_bytes_per_second = 5e8}));
  auto training = images(32, count, std::chrono::microseconds(1500));
  auto validation = images(100, count, {});
  model.fit(training, {.steps_per_epoch = 150,
                       .epochs = 4,
                       .verbose = 0,
                       .validation_generator = validation,
                       .validation_steps = 5,
                       .workers = 2,
                       .callbacks = {Report(path, {.title = "Images and " + kMarkup,
                                                   .validation = validation,
                                                   .class_names = names})}});
}

void regression(const std::string& path) {
  Sequential model({Input({8}), Dense(16, {.activation = "relu"}), Dense(1)});
  model.compile({.optimizer = SGD({.learning_rate = CosineDecay(0.01, 600)}), .loss = "mse"});
  FitOptions options{.epochs = 30, .verbose = 0, .validation_split = 0.2};
  options.callbacks = {Report(path)};
  model.fit(Tensor::uniform({640, 8}), Tensor::uniform({640, 1}, 0.0f, 1.0f, 1), options);
}

void failure(const std::string& path) {
  Sequential model = classifier(2, Device::cpu());
  auto source = generator<float, std::int32_t>(
      {.x = {2, 12, 12, 1}, .y = {2}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t>) {
        if (batch.sequence == 3) throw std::runtime_error(kMarkup + " " + std::string(200, 'x'));
        batch.random.fill_uniform(x);
      });
  try {
    model.fit(source, {.steps_per_epoch = 10, .verbose = 0, .callbacks = {Report(path)}});
  } catch (const DataError&) {
  }
}

// What a fit rarely has: thousands of metrics with long names, losses that are not finite.
void odd(const std::string& path) {
  report::Page page{.title = std::string(300, 'W'), .device = "cpu", .written = "today"};
  for (std::int64_t i = 1; i <= 50; ++i) page.epochs.push_back(i);
  for (std::size_t metric = 0; metric < 3000; ++metric) {
    report::Curve curve{.name = "a_metric_with_a_name_that_has_no_end_" + std::to_string(metric),
                        .epochs = page.epochs};
    for (const std::int64_t epoch : page.epochs) {
      curve.values.push_back(std::sin(static_cast<double>(epoch)) *
                             std::pow(10.0, static_cast<double>(metric % 17) - 8.0));
    }
    if (metric < 3) {
      curve.values[5] = std::numeric_limits<double>::quiet_NaN();
      curve.values[20] = std::numeric_limits<double>::infinity();
      curve.values[30] = -std::numeric_limits<double>::infinity();
    }
    page.curves.push_back(std::move(curve));
  }
  page.settings = {{"Odd", {{kMarkup, std::string(400, 'y')}}}};
  write_file(path, report::html_of(page));
}

void run(const std::string& folder) {
  classes(folder + "/classes.html", 10, {"T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Bag"});
  classes(folder + "/many_classes.html", 100, {});
  regression(folder + "/regression.html");
  failure(folder + "/failure.html");
  odd(folder + "/odd.html");
  History().save_report(folder + "/empty.html");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: stoker_report_pages FOLDER\n";
    return EXIT_FAILURE;
  }
  try {
    run(argv[1]);
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << "stoker_report_pages: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
