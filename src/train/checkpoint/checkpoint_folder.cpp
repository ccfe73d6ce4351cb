#include "train/checkpoint/checkpoint_folder.h"

#include <pthread.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoint-";

// Returns the number in the name of a checkpoint; nullopt for other names.
std::optional<std::uint64_t> number_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace

CheckpointFolder::CheckpointFolder(fs::path folder, std::int64_t keep)
    : folder_(std::move(folder)), keep_(keep) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) {
    throw IoError(format(folder_.string(),
                         ": expected a folder for checkpoints, received: ", error.message()));
  }
  const auto existing = files();
  if (!existing.empty()) next_ = *number_of(existing.back()) + 1;
}

CheckpointFolder::~CheckpointFolder() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::vector<fs::path> CheckpointFolder::files() const {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (number_of(entry.path())) found.push_back(entry.path());
  }
  if (error) throw IoError(format(folder_.string(), ": could not list it: ", error.message()));
  std::ranges::sort(found, {}, [](const fs::path& path) { return *number_of(path); });
  return found;
}

std::optional<std::optional<FitPosition>> CheckpointFolder::restore(Model::Impl& model) {
  const auto found = files();
  for (auto path = found.rbegin(); path != found.rend(); ++path) {
    try {
      return restore_checkpoint(model, *path);
    } catch (const IoError& error) {
      if (path + 1 == found.rend()) throw;
      std::cerr << "Warning: " << error.what() << ". The checkpoint before it is taken.\n";
    }
  }
  return std::nullopt;
}

void CheckpointFolder::prepare(Model::Impl& model) { take_snapshot(model, nullptr, spare_); }

void CheckpointFolder::save(Model::Impl& model, const FitPosition* position) {
  rethrow();
  Snapshot snapshot = [&] {
    const std::lock_guard lock(mutex_);
    return std::move(spare_);
  }();
  take_snapshot(model, position, snapshot);
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), "stoker-save");
  }
  {
    const std::lock_guard lock(mutex_);
    if (waiting_) spare_ = std::move(*waiting_);
    waiting_ = std::move(snapshot);
  }
  changed_.notify_all();
}

void CheckpointFolder::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return waiting_ || stops_; });
    if (!waiting_) return;
    Snapshot snapshot = std::move(*waiting_);
    waiting_.reset();
    is_writing_ = true;
    lock.unlock();
    std::exception_ptr failure;
    try {
      write(snapshot);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    is_writing_ = false;
    if (failure && !failure_) failure_ = failure;
    spare_ = std::move(snapshot);
    changed_.notify_all();
  }
}

// Only this thread changes the folder while a fit goes on.
void CheckpointFolder::write(Snapshot& snapshot) {
  char number[24];
  std::snprintf(number, sizeof number, "%010llu", static_cast<unsigned long long>(next_));
  write_checkpoint(snapshot, folder_ / (std::string(kPrefix) + number));
  ++next_;
  const auto found = files();
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep_) < found.size(); ++i) {
    std::error_code error;
    fs::remove(found[i], error);
    if (error) throw IoError(format(found[i].string(), ": could not remove it: ", error.message()));
  }
}

void CheckpointFolder::rethrow() {
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void CheckpointFolder::finish() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !waiting_ && !is_writing_; });
  }
  rethrow();
}

void CheckpointFolder::remove() {
  for (const fs::path& path : files()) {
    std::error_code error;
    fs::remove(path, error);
    if (error) throw IoError(format(path.string(), ": could not remove it: ", error.message()));
  }
  std::error_code not_empty;
  fs::remove(folder_, not_empty);
}

}  // namespace stoker::train
