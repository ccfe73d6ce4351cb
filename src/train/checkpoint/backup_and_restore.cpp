// The callback that saves checkpoints and goes on from them, and the calls beneath it.
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/foreign.h"
#include "core/format.h"
#include "stoker/checkpoint.h"
#include "stoker/error.h"
#include "stoker/model.h"
#include "train/checkpoint/checkpoint_folder.h"
#include "train/loop/position.h"
#include "train/model_access.h"
#include "train/runtime/in_use.h"

namespace stoker {

using train::Access;
using train::InUse;

// ---- Model ----

void Model::save_checkpoint(const std::string& path) const {
  with_own_errors("save_checkpoint", [&] {
    const InUse model(impl("save_checkpoint"), "save_checkpoint", Access::read);
    const auto position = train::position_of_fit(*model);
    train::Snapshot snapshot;
    train::take_snapshot(*model, position ? &*position : nullptr, snapshot);
    train::write_checkpoint(snapshot, path);
  });
}

CheckpointInfo Model::restore_checkpoint(const std::string& path) {
  return with_own_errors("restore_checkpoint", [&] {
    const InUse model(impl("restore_checkpoint"), "restore_checkpoint", Access::write);
    train::require_restorable(*model, "restore_checkpoint");
    CheckpointInfo info = read_checkpoint_info(path);
    train::go_on_from(*model, train::restore_checkpoint(*model, path));
    return info;
  });
}

// ---- SaveFrequency ----

SaveFrequency::SaveFrequency(const char* word) {
  if (word == nullptr || std::string_view(word) != "epoch") {
    throw ValueError(format("save_freq: expected \"epoch\" or a number of steps, received \"",
                            word == nullptr ? "" : word, "\""));
  }
}

SaveFrequency::SaveFrequency(std::int64_t steps) : steps_(steps) {
  check::require("save_freq", "a number of steps", steps, check::at_least(1));
}

// ---- BackupAndRestore ----

struct BackupAndRestore::Impl {
  std::string path;
  BackupAndRestoreOptions options;
  std::optional<train::CheckpointFolder> folder{};
  std::int64_t steps_since_save = 0;
};

BackupAndRestore::BackupAndRestore(std::string backup_dir, BackupAndRestoreOptions options) {
  if (backup_dir.empty()) throw ValueError("BackupAndRestore: expected a folder, received no name");
  check::require("BackupAndRestore", "a number of checkpoints to keep", options.keep,
                 check::at_least(1));
  impl_ = std::make_unique<Impl>();
  impl_->path = std::move(backup_dir);
  impl_->options = options;
}

BackupAndRestore::BackupAndRestore(BackupAndRestore&&) noexcept = default;
BackupAndRestore::~BackupAndRestore() = default;

void BackupAndRestore::on_train_begin() {
  impl_->steps_since_save = 0;
  impl_->folder.emplace(impl_->path, impl_->options.keep);
  Model::Impl& trained = detail::ModelAccess::impl(model(), "BackupAndRestore");
  train::require_source_resumes(trained);
  if (auto restored = impl_->folder->restore(trained)) {
    train::go_on_from(trained, std::move(*restored));
  }
  impl_->folder->prepare(trained);
}

void BackupAndRestore::save() {
  Model::Impl& trained = detail::ModelAccess::impl(model(), "BackupAndRestore");
  const auto position = train::position_of_fit(trained);
  impl_->folder->save(trained, position ? &*position : nullptr);
  impl_->steps_since_save = 0;
}

void BackupAndRestore::on_train_batch_end(std::int64_t, LogsView) {
  if (impl_->options.save_freq.is_epoch()) return;
  if (++impl_->steps_since_save >= impl_->options.save_freq.steps()) save();
}

// Other callbacks have then seen the end of the epoch too, wherever they stand in the list, and may
// have changed the learning rate, for example.
void BackupAndRestore::on_epoch_report(std::int64_t, const FeedReport&) {
  if (impl_->options.save_freq.is_epoch()) save();
}

void BackupAndRestore::on_train_end(const Logs&) {
  impl_->folder->finish();
  if (impl_->options.delete_checkpoint) impl_->folder->remove();
  impl_->folder.reset();
}

bool BackupAndRestore::on_train_failure(const Error& failure) {
  if (dynamic_cast<const Interrupted*>(&failure) != nullptr) {
    save();
    impl_->folder->finish();
  }
  return false;
}

}  // namespace stoker
