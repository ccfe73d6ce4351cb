#include <cstdio>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "stoker/callback_state.h"
#include "stoker/callbacks.h"
#include "stoker/error.h"
#include "stoker/model.h"

namespace stoker {
namespace {

bool is_weights(const std::string& path) {
  return path.ends_with(".weights.h5") || path.ends_with(".safetensors");
}

// Formats a number by the specification behind the colon of a placeholder: [0][width][.digits]
// and d, f, e or g. Throws ValueError for another one.
std::string formatted(double value, bool is_count, const std::string& specification,
                      const std::string& pattern) {
  const auto refuse = [&] {
    throw ValueError(format("ModelCheckpoint: \"", pattern,
                            "\": expected a format such as {epoch:02d} "
                            "or {val_loss:.2f}, received \"",
                            specification, "\""));
  };
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < specification.size() && specification[at] >= '0' && specification[at] <= '9') ++at;
    if (at - begin > 3) refuse();
    return specification.substr(begin, at - begin);
  };
  std::string flags = "%" + digits();
  if (at < specification.size() && specification[at] == '.') {
    ++at;
    flags += "." + digits();
  }
  const char kind = at < specification.size() ? specification[at++] : is_count ? 'd' : 'g';
  if (at != specification.size()) refuse();
  char text[1100];
  if (kind == 'd' && is_count) {
    std::snprintf(text, sizeof text, (flags + "lld").c_str(), static_cast<long long>(value));
  } else if (kind == 'f' || kind == 'e' || kind == 'g') {
    std::snprintf(text, sizeof text, (flags + kind).c_str(), value);
  } else {
    refuse();
  }
  return text;
}

}  // namespace

ModelCheckpoint::ModelCheckpoint(std::string filepath, ModelCheckpointOptions options)
    : filepath_(std::move(filepath)),
      options_(std::move(options)),
      monitor_("ModelCheckpoint", options_.monitor, options_.mode),
      best_(options_.initial_value_threshold) {
  if (options_.save_weights_only ? !is_weights(filepath_) : !filepath_.ends_with(".keras")) {
    throw ValueError(format("ModelCheckpoint: expected a filepath that ends in ",
                            options_.save_weights_only ? ".weights.h5 or .safetensors" : ".keras",
                            ", received \"", filepath_, "\""));
  }
}

void ModelCheckpoint::on_train_begin() { steps_since_save_ = 0; }

void ModelCheckpoint::on_epoch_begin(std::int64_t epoch) { epoch_ = epoch; }

void ModelCheckpoint::on_train_batch_end(std::int64_t step, LogsView logs) {
  if (options_.save_freq.is_epoch() || ++steps_since_save_ < options_.save_freq.steps()) return;
  steps_since_save_ = 0;
  save(step, logs);
}

void ModelCheckpoint::on_epoch_end(std::int64_t, Logs& logs) {
  if (options_.save_freq.is_epoch()) save(std::nullopt, logs);
}

bool ModelCheckpoint::should_save(const Logs& logs, const std::string& path) {
  const auto tell = [&](auto... parts) {
    if (options_.verbose > 0) {
      std::cout << "\nEpoch " << epoch_ + 1 << ": " << format(parts...) << '\n';
    }
  };
  const std::optional<double> current =
      options_.save_best_only ? monitor_.value(logs) : std::nullopt;
  if (!current) {
    if (!options_.save_best_only) tell("saving model to ", path);
    return true;
  }
  char before[64] = "None", now[64];
  if (best_) std::snprintf(before, sizeof before, "%.5f", *best_);
  std::snprintf(now, sizeof now, "%.5f", *current);
  if (!monitor_.is_improvement(*current, best_, model())) {
    tell(options_.monitor, " did not improve from ", before);
    return false;
  }
  tell(options_.monitor, " improved from ", before, " to ", now, ", saving model to ", path);
  best_ = current;
  return true;
}

void ModelCheckpoint::save_state(CallbackState& state) const {
  state.values.set("best", detail::saved_number(best_)).set("steps_since_save", steps_since_save_);
}

void ModelCheckpoint::load_state(const CallbackState& state) {
  best_ = detail::loaded_number(state.values["best"]);
  steps_since_save_ = state.values["steps_since_save"].integer();
}

// As in Python, {name} or {name:format} stands for a number of the logs, and {{ for a brace.
std::string ModelCheckpoint::path_of(std::optional<std::int64_t> step, const Logs& logs) const {
  std::string path;
  for (std::size_t at = 0; at < filepath_.size(); ++at) {
    const char letter = filepath_[at];
    if ((letter == '{' || letter == '}') && at + 1 < filepath_.size() &&
        filepath_[at + 1] == letter) {
      path += filepath_[at++];
      continue;
    }
    if (letter != '{') {
      path += letter;
      continue;
    }
    const std::size_t end = filepath_.find('}', at);
    if (end == std::string::npos) {
      throw ValueError(format("ModelCheckpoint: \"", filepath_, "\": expected a } for each {"));
    }
    const std::string inside = filepath_.substr(at + 1, end - at - 1);
    const std::size_t colon = std::min(inside.find(':'), inside.size());
    const std::string name = inside.substr(0, colon);
    const std::string specification =
        colon < inside.size() ? inside.substr(colon + 1) : std::string();
    const bool is_count = name == "epoch" || (name == "batch" && step);
    const double value = name == "epoch" ? static_cast<double>(epoch_ + 1)
                         : is_count      ? static_cast<double>(*step + 1)
                                         : logs[name];
    path += formatted(value, is_count, specification, filepath_);
    at = end;
  }
  return path;
}

void ModelCheckpoint::save(std::optional<std::int64_t> step, const Logs& logs) {
  const std::string path = path_of(step, logs);
  if (!should_save(logs, path)) return;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) {
    throw IoError(format("ModelCheckpoint: ", folder.string(),
                         ": expected a folder, received: ", error.message()));
  }
  if (options_.save_weights_only) {
    model().save_weights(path);
  } else {
    model().save(path);
  }
  if (options_.verbose > 0) {
    std::cout << "\nEpoch " << epoch_ + 1 << ": finished saving model to " << path << '\n';
  }
}

}  // namespace stoker
