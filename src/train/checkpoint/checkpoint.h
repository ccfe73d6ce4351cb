// Checkpoints of a model: a snapshot is taken of it in the host's memory, which any thread may then
// write to a file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include "io/safetensors.h"
#include "stoker/checkpoint.h"
#include "train/loop/position.h"
#include "train/model_impl.h"

namespace stoker::train {

// A checkpoint in memory: the header, and the bytes of its tensors one behind the other.
struct Snapshot {
  CheckpointInfo info;
  io::SafetensorsHeader header;
  std::vector<std::byte> bytes;
};

// Copies the state of the model, and of the fit where there is one, into `snapshot`, whose memory
// is used again. It waits for the device. The model is held for reading, or by a fit.
void take_snapshot(Model::Impl& model, const FitPosition* position, Snapshot& snapshot);

// Sets the state of the same model back to that of a snapshot which was taken of it outside of a
// fit. The model is held for writing.
void put_back(Model::Impl& model, const Snapshot& snapshot);

// Writes a checkpoint, whole or not at all. Throws IoError.
void write_checkpoint(Snapshot& snapshot, const std::filesystem::path& path);

// Sets the model's state to that of a checkpoint, and returns the position of its fit, if it has
// one. The model is held for writing, or by a fit. Throws IoError for a file that is damaged, and
// ValueError or ShapeError for one of another model; the model is then as it was. Warns where the
// checkpoint comes from another version or arithmetic.
std::optional<FitPosition> restore_checkpoint(Model::Impl& model,
                                              const std::filesystem::path& path);

}  // namespace stoker::train
