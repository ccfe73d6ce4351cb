// Source of names, steps and order: keras/src/callbacks/tensorboard.py.
#include "stoker/tensorboard.h"

#include <filesystem>
#include <iostream>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "core/timeline.h"
#include "io/event_file.h"
#include "stoker/error.h"
#include "stoker/model.h"
#include "train/callbacks/has_learning_rate.h"
#include "train/callbacks/weight_images.h"

namespace stoker {

UpdateFrequency::UpdateFrequency(const char* word) {
  const std::string_view text = word == nullptr ? "" : word;
  if (text != "epoch" && text != "batch") {
    throw ValueError(
        format("update_freq: expected \"epoch\", \"batch\" or a number of steps, "
               "received \"",
               text, "\""));
  }
  steps_ = text == "batch" ? 1 : 0;
}

UpdateFrequency::UpdateFrequency(std::int64_t steps) : steps_(steps) {
  check::require("update_freq", "a number of steps", steps, check::at_least(1));
}

namespace {

double seconds_since(std::int64_t ns) { return 1e-9 * static_cast<double>(now_ns() - ns); }

// Returns Markdown that shows the text as it is: a paragraph for each line, and items of a list for
// lines that begin with a dash.
std::string as_markdown(const std::string& text) {
  constexpr std::string_view kSigns = "\\`*_{}[]#>";
  std::string markdown;
  for (const char letter : text) {
    if (letter == '\n') {
      markdown += "\n\n";
    } else if (letter == '<' || letter == '&') {
      markdown += letter == '<' ? "&lt;" : "&amp;";
    } else {
      if (kSigns.find(letter) != std::string_view::npos) markdown += '\\';
      markdown += letter;
    }
  }
  return markdown;
}

void write_feed(io::EventFile& file, std::int64_t epoch, const FeedReport& report) {
  file.scalar(epoch, "feed/wall", report.wall);
  file.scalar(epoch, "feed/computed", report.computed);
  file.scalar(epoch, "feed/waited_for_generator", report.waited_for_generator);
  file.scalar(epoch, "feed/waited_for_upload", report.waited_for_upload);
  file.scalar(epoch, "feed/waited_for_launch", report.waited_for_launch);
  file.scalar(epoch, "feed/other", report.other);
  file.text(epoch, "feed/verdict", as_markdown(report.verdict()));
}

void write_weights(io::EventFile& file, std::int64_t epoch, const Model& model, bool as_images) {
  const std::vector<std::string> names = model.weight_names();
  const std::vector<Tensor> weights = model.get_weights();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].dtype() != DType::float32) continue;
    file.histogram(epoch, names[i] + "/histogram", weights[i].data<float>());
    if (!as_images) continue;
    const train::WeightImages images = train::images_of_weight(weights[i]);
    if (images.pngs.empty()) continue;
    file.images(epoch, names[i] + "/image", images.width, images.height, images.pngs);
  }
}

}  // namespace

// The files of a fit, and where it is.
struct TensorBoard::Writers {
  explicit Writers(std::filesystem::path log_dir) : folder(std::move(log_dir)) {}

  const std::filesystem::path folder;
  std::optional<io::EventFile> train{};
  std::optional<io::EventFile> validation{};
  bool has_failed = false;

  std::int64_t epoch = 0;
  std::optional<std::int64_t> step{};  // The steps so far. It is empty before the first of a fit.
  std::int64_t steps_at_epoch_begin = 0;
  std::int64_t epoch_begin_ns = 0;
  std::int64_t last_logged_step = 0;
  std::int64_t last_logged_ns = 0;

  // Has `log` write to one of the files. The first failure is told, and is the last.
  template <class F>
  void write(std::optional<io::EventFile> Writers::*which, const char* name, F&& log) {
    if (has_failed) return;
    try {
      std::optional<io::EventFile>& file = this->*which;
      if (!file) file.emplace(folder / name);
      log(*file);
      file->flush();
    } catch (const IoError& error) {
      has_failed = true;
      std::cerr << "Warning: TensorBoard: " << error.what()
                << ". Nothing more is logged in this fit.\n";
    }
  }
  template <class F>
  void write_train(F&& log) {
    write(&Writers::train, "train", std::forward<F>(log));
  }
  template <class F>
  void write_validation(F&& log) {
    write(&Writers::validation, "validation", std::forward<F>(log));
  }
};

TensorBoard::TensorBoard(std::string log_dir, TensorBoardOptions options)
    : log_dir_(std::move(log_dir)),
      options_(options),
      writers_(std::make_unique<Writers>(log_dir_)) {
  check::require("TensorBoard", "histogram_freq", options_.histogram_freq, check::at_least(0));
}

TensorBoard::TensorBoard(TensorBoard&&) noexcept = default;
TensorBoard::~TensorBoard() = default;

void TensorBoard::on_train_begin() {
  writers_ = std::make_unique<Writers>(log_dir_);
  if (!options_.write_graph) return;
  std::string json;
  try {
    json = model().to_json();
  } catch (const Error& error) {
    std::cerr << "Warning: TensorBoard: the graph of layers is not written: " << error.what()
              << '\n';
    return;
  }
  writers_->write_train([&](io::EventFile& file) { file.keras_model(0, "keras", json); });
}

void TensorBoard::on_train_end(const Logs&) {
  writers_->train.reset();
  writers_->validation.reset();
}

void TensorBoard::on_epoch_begin(std::int64_t epoch) {
  writers_->epoch = epoch;
  writers_->steps_at_epoch_begin = writers_->step.value_or(0);
  writers_->epoch_begin_ns = now_ns();
}

// A fit that goes on where another one stopped counts its steps from there.
void TensorBoard::on_train_batch_begin(std::int64_t step) {
  Writers& writers = *writers_;
  if (!writers.step) {
    const bool goes_on = writers.epoch > 0 || step > 0;
    writers.step = !goes_on         ? 0
                   : params().steps ? writers.epoch * *params().steps + step
                                    : model().iterations();
    writers.steps_at_epoch_begin = writers.last_logged_step = *writers.step;
    writers.last_logged_ns = now_ns();
  }
  ++*writers.step;
}

void TensorBoard::on_train_batch_end(std::int64_t, LogsView logs) {
  Writers& writers = *writers_;
  if (options_.update_freq.is_epoch() || writers.has_failed) return;
  const std::int64_t step = writers.step.value_or(0);
  if (step % options_.update_freq.steps() != 0) return;
  const Logs& values = logs.logs();
  writers.write_train([&](io::EventFile& file) {
    if (options_.write_steps_per_second) {
      const auto steps = static_cast<double>(step - writers.last_logged_step);
      file.scalar(step, "batch_steps_per_second", steps / seconds_since(writers.last_logged_ns));
    }
    for (const auto& [name, value] : values) file.scalar(step, "batch_" + name, value);
  });
  writers.last_logged_step = step;
  writers.last_logged_ns = now_ns();
}

void TensorBoard::on_epoch_end(std::int64_t epoch, Logs& logs) {
  Writers& writers = *writers_;
  if (writers.has_failed) return;
  constexpr std::string_view kValidation = "val_";
  constexpr std::string_view kRate = "learning_rate";
  bool is_validated = false;
  writers.write_train([&](io::EventFile& file) {
    for (const auto& [name, value] : logs) {
      const bool is_validation = name.starts_with(kValidation);
      is_validated = is_validated || is_validation;
      if (!is_validation && name != kRate) file.scalar(epoch, "epoch_" + name, value);
    }
    if (train::has_learning_rate(model())) {
      file.scalar(epoch, "epoch_learning_rate", model().learning_rate());
    }
    if (options_.write_steps_per_second) {
      const auto steps =
          static_cast<double>(writers.step.value_or(0) - writers.steps_at_epoch_begin);
      file.scalar(epoch, "epoch_steps_per_second", steps / seconds_since(writers.epoch_begin_ns));
    }
  });
  if (is_validated) {
    writers.write_validation([&](io::EventFile& file) {
      for (const auto& [name, value] : logs) {
        if (!name.starts_with(kValidation)) continue;
        file.scalar(epoch, "epoch_" + name.substr(kValidation.size()), value);
      }
    });
  }
  if (options_.histogram_freq == 0 || epoch % options_.histogram_freq != 0) return;
  writers.write_train(
      [&](io::EventFile& file) { write_weights(file, epoch, model(), options_.write_images); });
}

void TensorBoard::on_epoch_report(std::int64_t epoch, const FeedReport& report) {
  writers_->write_train([&](io::EventFile& file) { write_feed(file, epoch, report); });
}

void TensorBoard::on_test_end(const Logs& logs) {
  const std::int64_t iterations = model().iterations();
  writers_->write_validation([&](io::EventFile& file) {
    for (const auto& [name, value] : logs) {
      file.scalar(iterations, "evaluation_" + name + "_vs_iterations", value);
    }
  });
}

}  // namespace stoker
