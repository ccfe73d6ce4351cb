// Checkpoints of a model: a snapshot is taken of it in the host's memory, which any thread may then
// write to a file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>

#include "io/safetensors.h"
#include "stoker/checkpoint.h"
#include "train/loop/position.h"
#include "train/model_impl.h"

namespace stoker::train {

// Memory that is filled once from front to back. Unlike a vector's it is never set to zero before,
// which would take a step that waits for it as long as the copy itself.
class SnapshotBytes {
 public:
  SnapshotBytes() = default;
  SnapshotBytes(SnapshotBytes&& other) noexcept { *this = std::move(other); }
  // One that was moved from has no memory.
  SnapshotBytes& operator=(SnapshotBytes&& other) noexcept {
    memory_ = std::move(other.memory_);
    capacity_ = std::exchange(other.capacity_, 0);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  // Empties it, and makes room for so many bytes, in the same memory where that is enough.
  void reserve(std::size_t bytes);
  // Returns the next so many bytes. There has to be room for them.
  std::span<std::byte> add(std::size_t bytes);
  std::size_t size() const { return size_; }
  std::span<const std::byte> all() const { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> memory_{};
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

// A checkpoint in memory: the header, and the bytes of its tensors one behind the other.
struct Snapshot {
  CheckpointInfo info;
  io::SafetensorsHeader header;
  SnapshotBytes bytes;
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
