#include "train/checkpoint/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "io/crc32c.h"
#include "stoker/config.h"
#include "stoker/error.h"
#include "train/checkpoint/callback_states.h"
#include "train/checkpoint/stored_tensors.h"
#include "train/saving/variables.h"

namespace stoker::train {
namespace {

constexpr std::int64_t kFormat = 2;
// The names of tensors that are no variables of Keras's.
constexpr const char* kScalars = "stoker/scalars";
constexpr const char* kTotals = "stoker/totals";
constexpr const char* kFeed = "stoker/feed";
// The header's own checksum stands in it, and is computed with these digits in its place. The key
// is written as in a text within the header's JSON.
constexpr std::string_view kChecksumKey = R"(\"header_crc32c\": \")";
constexpr std::string_view kNoChecksum = "00000000";

// Returns the place of the digits; npos where there are none.
std::size_t place_of_checksum(std::string_view header) {
  const std::size_t key = header.find(kChecksumKey);
  if (key == std::string_view::npos) return key;
  const std::size_t digits = key + kChecksumKey.size();
  return digits + kNoChecksum.size() <= header.size() ? digits : std::string_view::npos;
}

std::string hex(std::uint32_t value) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

// JSON has no number for all of these.
std::string decimal(std::uint64_t value) { return std::to_string(value); }
std::uint64_t decimal(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw ValueError(format("expected a number, received \"", text, "\""));
  }
  return value;
}

// ---- Writing ----

// Collects tensors one behind the other.
class Packing {
 public:
  Packing(Snapshot& snapshot, std::size_t bytes) : snapshot_(snapshot) {
    snapshot_.header = {};
    snapshot_.bytes.reserve(bytes);
  }
  // Returns the memory of a new tensor.
  std::span<std::byte> add(std::string name, DType dtype, Shape shape) {
    const std::size_t begin = snapshot_.bytes.size();
    const auto bytes = static_cast<std::size_t>(shape.elements()) * size_of(dtype);
    snapshot_.header.entries.push_back(
        {std::move(name), io::safetensors_dtype(dtype), shape, begin, begin + bytes});
    return snapshot_.bytes.add(bytes);
  }
  void add_bytes(const char* name, std::span<const std::byte> bytes) {
    const auto to = add(name, DType::uint8, {static_cast<std::int64_t>(bytes.size())});
    std::ranges::copy(bytes, to.begin());
  }

 private:
  Snapshot& snapshot_;
};

Config position_config(const FitPosition& position) {
  return Config::map({{"fits_begun", decimal(position.fits_begun)},
                      {"epoch", position.feed.epoch},
                      {"step", position.feed.step},
                      {"steps_of_epoch", position.steps_of_epoch},
                      {"steps", position.steps}});
}

// ---- Reading ----

struct Description {
  CheckpointInfo info;
  std::optional<FitPosition> position;
  Config callbacks;  // As read_callbacks() takes them.
  Config checksums;
};

Description described(const io::SafetensorsReader& file) {
  const auto found = file.header().metadata.find("stoker");
  if (found == file.header().metadata.end()) throw ValueError("it has no description of Stoker's");
  const Config config = Config::from_json(found->second);
  if (config["format"].integer() != kFormat) {
    throw ValueError(format("it is of format ", config["format"].integer(),
                            ", and this Stoker reads format ", kFormat));
  }
  Description result;
  result.info.version = config["version"].string();
  result.info.arithmetic = config["arithmetic"].string();
  result.info.iterations = config["iterations"].integer();
  result.checksums = config["checksums"];
  // Checkpoints of Stoker's first versions have none.
  const Config* callbacks = config.find("callbacks");
  result.callbacks = callbacks != nullptr ? *callbacks : Config::list();
  if (const Config* fit = config.find("fit"); fit != nullptr && !fit->is_null()) {
    FitPosition& position = result.position.emplace();
    position.fits_begun = decimal((*fit)["fits_begun"].string());
    result.info.epoch = (*fit)["epoch"].integer();
    result.info.step = (*fit)["step"].integer();
    position.steps_of_epoch = (*fit)["steps_of_epoch"].integer();
    position.steps = (*fit)["steps"].integer();
    if (std::min({result.info.epoch, result.info.step, position.steps_of_epoch, position.steps}) <
        0) {
      throw ValueError("its fit has a place below 0");
    }
    result.info.is_of_fit = true;
  }
  return result;
}

[[noreturn]] void refuse(const io::SafetensorsReader& file, const std::string& what) {
  throw IoError(format(file.path(), ": expected a checkpoint, but ", what));
}

// Checks the header's checksum and takes it apart.
Description open(io::SafetensorsReader& file) {
  std::string text = file.header_text();
  const std::size_t digits = place_of_checksum(text);
  if (digits == std::string::npos) refuse(file, "it has no checksum");
  const std::string stated = text.substr(digits, kNoChecksum.size());
  text.replace(digits, kNoChecksum.size(), kNoChecksum);
  if (hex(io::crc32c(std::as_bytes(std::span(text)))) != stated) {
    refuse(file, "its header is damaged: the checksum differs");
  }
  try {
    return described(file);
  } catch (const ValueError& error) {
    refuse(file, error.what());
  }
}

// Compares the checksum of every tensor, in pieces.
void verify(StoredTensors& tensors, const Config& checksums) {
  std::vector<std::byte> piece(std::size_t{1} << 20);
  for (const io::SafetensorsEntry& entry : tensors.header().entries) {
    std::uint32_t sum = 0;
    for (std::uint64_t at = 0; at < entry.bytes(); at += piece.size()) {
      const auto part = std::span(piece).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), entry.bytes() - at)));
      tensors.read(entry, part, at);
      sum = io::crc32c(part, sum);
    }
    const Config* stated = checksums.find(entry.name);
    if (stated == nullptr || !stated->is_string() || stated->string() != hex(sum)) {
      refuse(tensors.file(),
             format("tensor \"", entry.name, "\" is damaged: the checksum differs"));
    }
  }
}

const io::SafetensorsEntry& entry_of(const io::SafetensorsReader& file, const std::string& name,
                                     DType dtype, const Shape& shape) {
  const io::SafetensorsEntry* entry = file.header().find(name);
  if (entry == nullptr) {
    throw ValueError(
        format(file.path(), ": the model has \"", name,
               "\", which the checkpoint has not; expected a checkpoint of this model, "
               "compiled with the same optimizer"));
  }
  if (!(entry->shape == shape) || entry->dtype != io::safetensors_dtype(dtype)) {
    throw ShapeError(format(file.path(), ": expected \"", name, "\" as ",
                            io::safetensors_dtype(dtype), " ", shape, ", received ", entry->dtype,
                            " ", entry->shape));
  }
  return *entry;
}

std::vector<std::byte> read_bytes(StoredTensors& tensors, const std::string& name,
                                  std::int64_t bytes) {
  std::vector<std::byte> result(static_cast<std::size_t>(bytes));
  tensors.read(entry_of(tensors.file(), name, DType::uint8, {bytes}), result);
  return result;
}

plan::Scalars scalars_of(StoredTensors& tensors) {
  const auto bytes = read_bytes(tensors, kScalars, sizeof(plan::Scalars));
  plan::Scalars scalars;
  std::memcpy(&scalars, bytes.data(), sizeof scalars);
  const bool is_sane = std::isfinite(scalars.learning_rate) && scalars.learning_rate >= 0.0f &&
                       scalars.iterations >= 0 && scalars.finite_steps >= 0 &&
                       scalars.loss_scale >= plan::kSmallestLossScale &&
                       scalars.loss_scale <= plan::kLargestLossScale;
  if (!is_sane) refuse(tensors.file(), "its counters are none that a training could have reached");
  scalars.error = plan::StepError::none;
  scalars.error_node = -1;
  scalars.overflow = plan::kNoOverflow;
  return scalars;
}

void warn_of_differences(const std::string& path, const CheckpointInfo& info,
                         const std::string& arithmetic) {
  const auto warn = [&](const char* what, const std::string& theirs, const std::string& ours) {
    if (theirs == ours) return;
    std::cerr << "Warning: " << path << " was written " << what << ' ' << theirs << ", this is "
              << ours << ": training goes on, but its bits may differ.\n";
  };
  warn("by Stoker", info.version, STOKER_VERSION);
  warn("on", info.arithmetic, arithmetic);
}

}  // namespace

void SnapshotBytes::reserve(std::size_t bytes) {
  size_ = 0;
  if (bytes <= capacity_) return;
  // The position of a fit may take more bytes later on.
  constexpr std::size_t kMore = std::size_t{1} << 20;
  memory_.reset();
  memory_ = std::make_unique_for_overwrite<std::byte[]>(bytes + kMore);
  capacity_ = bytes + kMore;
}

std::span<std::byte> SnapshotBytes::add(std::size_t bytes) {
  if (bytes > capacity_ - size_) throw Error("a snapshot is larger than its parts");
  const std::size_t begin = std::exchange(size_, size_ + bytes);
  return {memory_.get() + begin, bytes};
}

void take_snapshot(Model::Impl& model, const FitPosition* position, Snapshot& snapshot) {
  const std::vector<SavedVariable> variables = variables_of(model);
  std::uint64_t bytes = sizeof(plan::Scalars) + model.state.metric_bytes();
  for (const SavedVariable& variable : variables) bytes += variable.bytes();
  std::vector<std::byte> feed;
  if (position != nullptr) {
    feed = position->feed.to_bytes();
    bytes += feed.size();
    for (const NamedState& one : position->callbacks) {
      for (const Tensor& tensor : one.state.tensors) bytes += tensor.bytes();
    }
  }
  Packing packing(snapshot, static_cast<std::size_t>(bytes));
  const VariableAccess access(model);
  for (const SavedVariable& variable : variables) {
    access.read(variable, packing.add(variable.path, variable.dtype, variable.shape));
  }
  const plan::Scalars scalars = model.state.read_scalars();
  packing.add_bytes(kScalars, std::as_bytes(std::span(&scalars, 1)));
  if (position != nullptr) {
    const std::vector<float> totals = model.state.read_metrics();
    packing.add_bytes(kTotals, std::as_bytes(std::span(totals)));
    packing.add_bytes(kFeed, feed);
    for (std::size_t i = 0; i < position->callbacks.size(); ++i) {
      const std::vector<Tensor>& tensors = position->callbacks[i].state.tensors;
      for (std::size_t k = 0; k < tensors.size(); ++k) {
        const std::span own(static_cast<const std::byte*>(tensors[k].raw()), tensors[k].bytes());
        std::ranges::copy(
            own, packing.add(name_of_callback_tensor(i, k), tensors[k].dtype(), tensors[k].shape())
                     .begin());
      }
    }
  }
  CheckpointInfo& info = snapshot.info;
  info = {.version = STOKER_VERSION,
          .arithmetic = model.state.backend().arithmetic(),
          .iterations = scalars.iterations};
  Config description = Config::map({{"format", kFormat},
                                    {"version", info.version},
                                    {"arithmetic", info.arithmetic},
                                    {"iterations", info.iterations},
                                    {"model", model.name}});
  if (position != nullptr) {
    info.is_of_fit = true;
    info.epoch = position->feed.epoch;
    info.step = position->feed.step;
    description.set("fit", position_config(*position));
    description.set("callbacks", describe_callbacks(position->callbacks));
  }
  snapshot.header.metadata["stoker"] = description.to_json();
}

void put_back(Model::Impl& model, const Snapshot& snapshot) {
  const std::span<const std::byte> bytes = snapshot.bytes.all();
  const auto bytes_of = [&](const std::string& name) {
    const io::SafetensorsEntry& entry = *snapshot.header.find(name);
    return bytes.subspan(static_cast<std::size_t>(entry.begin),
                         static_cast<std::size_t>(entry.bytes()));
  };
  const VariableAccess access(model);
  for (const SavedVariable& variable : variables_of(model)) {
    access.write(variable, bytes_of(variable.path));
  }
  plan::Scalars scalars;
  std::memcpy(&scalars, bytes_of(kScalars).data(), sizeof scalars);
  model.state.write_scalars(scalars);
}

void write_checkpoint(Snapshot& snapshot, const std::filesystem::path& path) {
  Config description = Config::from_json(snapshot.header.metadata["stoker"]);
  Config checksums = Config::map();
  const std::span<const std::byte> bytes = snapshot.bytes.all();
  for (const io::SafetensorsEntry& entry : snapshot.header.entries) {
    const auto own = bytes.subspan(static_cast<std::size_t>(entry.begin),
                                   static_cast<std::size_t>(entry.bytes()));
    checksums.set(entry.name, hex(io::crc32c(own)));
  }
  description.set("checksums", std::move(checksums));
  description.set("header_crc32c", std::string(kNoChecksum));
  snapshot.header.metadata["stoker"] = description.to_json();
  std::string text = io::write_safetensors_header(snapshot.header);
  const std::string sum = hex(io::crc32c(std::as_bytes(std::span(text))));
  text.replace(place_of_checksum(text), kNoChecksum.size(), sum);
  io::SafetensorsWriter file(path, text);
  file.write(bytes);
  file.commit();
}

std::optional<FitPosition> restore_checkpoint(Model::Impl& model,
                                              const std::filesystem::path& path) {
  io::SafetensorsReader file(path);
  Description description = open(file);
  StoredTensors tensors(file);
  verify(tensors, description.checksums);
  const std::vector<SavedVariable> variables = variables_of(model);
  // Everything is looked at before anything is changed.
  std::vector<const io::SafetensorsEntry*> entries;
  std::vector<std::byte> value;
  for (const SavedVariable& variable : variables) {
    entries.push_back(&entry_of(file, variable.path, variable.dtype, variable.shape));
    if (variable.kind == VariableKind::weight || variable.kind == VariableKind::slot) continue;
    value.resize(static_cast<std::size_t>(variable.bytes()));
    tensors.read(*entries.back(), value);
    VariableAccess::require_valid(variable, value);
  }
  const plan::Scalars scalars = scalars_of(tensors);
  // Outside of a fit nothing goes on in the middle of an epoch, and there may be no totals yet.
  std::vector<float> totals;
  if (description.position && is_in_fit(model)) {
    totals.resize(model.state.metric_bytes() / sizeof(float));
    const auto bytes =
        read_bytes(tensors, kTotals, static_cast<std::int64_t>(model.state.metric_bytes()));
    std::memcpy(totals.data(), bytes.data(), bytes.size());
    const io::SafetensorsEntry* feed = file.header().find(kFeed);
    if (feed == nullptr) refuse(file, "it has no state of the feed");
    try {
      description.position->feed = feed::FeedState::from_bytes(
          read_bytes(tensors, kFeed, static_cast<std::int64_t>(feed->bytes())), "fit");
      description.position->callbacks = read_callbacks(description.callbacks, file);
    } catch (const ValueError& error) {
      refuse(file, format("its states of callbacks are not as they should be: ", error.what()));
    }
  }
  warn_of_differences(file.path(), description.info, model.state.backend().arithmetic());

  const VariableAccess access(model);
  for (std::size_t i = 0; i < variables.size(); ++i) {
    value.resize(static_cast<std::size_t>(variables[i].bytes()));
    tensors.read(*entries[i], value);
    access.write(variables[i], value);
  }
  model.state.write_scalars(scalars);
  if (!totals.empty()) model.state.write_metrics(totals);
  return std::move(description.position);
}

}  // namespace stoker::train

namespace stoker {

CheckpointInfo read_checkpoint_info(const std::string& path) {
  io::SafetensorsReader file(path);
  return train::open(file).info;
}

}  // namespace stoker
