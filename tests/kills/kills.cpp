// Kills programs at random moments while they write a file, and looks at what is there afterwards:
// the old file, the new one, or none where there was none before; never a part of one. Writing it
// again must then work, whatever the killed program has left behind. Trainings are killed too, a
// tenth as often, and go on from their checkpoints with the bits of one that never stopped.
//
// usage: stoker_kills COUNT FOLDER
#include <stoker/stoker.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "backend/cuda/runtime/code_cache.h"
#include "core/atomic_file.h"
#include "core/format.h"
#include "core/timeline.h"
#include "report/trace.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;
using Seconds = std::chrono::duration<double>;

struct Writer {
  std::string name;
  bool replaces;  // whether a newer version takes the place of an older one
  std::function<void(const fs::path& folder, int version)> write;  // one file
};

// ---- What writes files ----
void write_pieces(const fs::path& folder, int version) {
  AtomicFile file(folder / "pieces");
  for (int piece = 0; piece < 16; ++piece) {
    file.write(std::string(std::size_t{1} << 16, static_cast<char>('a' + 2 * piece + version)));
  }
  file.commit();
}

void write_array(const fs::path& folder, int version) {
  write_npy((folder / "array.npy").string(), Tensor::full({400, 400}, static_cast<float>(version)));
}

void write_stamps(const fs::path& folder, int version) {
  constexpr std::size_t kTracks = 4;
  constexpr std::int64_t kStamps = 500;
  Timeline timeline(kTracks, kStamps);
  for (std::size_t track = 0; track < kTracks; ++track) {
    for (std::int64_t i = 0; i < kStamps; ++i) {
      timeline.track(track).stamp(Stage::generate, static_cast<std::uint64_t>(i), 1000 * i,
                                  1000 * i + 500 + version);
    }
  }
  report::write_trace(timeline, 1, folder / "trace.json");
}

// Reads the cache where there is one.
void write_cache(const fs::path& folder, int version) {
  const auto values =
      range(8192)
          .map<float>({Shape{16}},
                      [version](std::span<const std::int32_t> number, std::span<float> x) {
                        std::ranges::fill(x, static_cast<float>(number[0] + version));
                      })
          .cache((folder / "cache").string());
  int next = version;
  values.for_each([&next](std::span<const float> x) {
    const auto expected = static_cast<float>(next++);
    if (std::ranges::any_of(x, [=](float value) { return value != expected; })) {
      throw Error(format("the cache holds another element in the place of ", expected));
    }
  });
}

void write_code(const fs::path& folder, int version) {
  const std::vector<std::byte> code(std::size_t{1} << 22, static_cast<std::byte>(version + 1));
  backend::cuda::CodeCache(folder.string()).store("key", code);
}

Sequential dense_model() {
  Sequential model({Input({256}), Dense(256, {.activation = "relu"}), Dense(10)},
                   {.seed = 5, .threads = 1, .device = Device::cpu()});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  return model;
}

Sequential model_of(int version) {
  Sequential model = dense_model();
  std::vector<Tensor> weights = model.get_weights();
  for (Tensor& weight : weights) std::ranges::fill(weight.data<float>(), 0.5f + version);
  model.set_weights(weights);
  return model;
}

void write_model(const fs::path& folder, int version) {
  model_of(version).save(folder / "model.keras");
}

void write_checkpoint(const fs::path& folder, int version) {
  model_of(version).save_checkpoint(folder / "checkpoint");
}

std::vector<Writer> writers() {
  return {{"a file in pieces", true, write_pieces}, {"an array (.npy)", true, write_array},
          {"a trace", true, write_stamps},          {"a model (.keras)", true, write_model},
          {"a checkpoint", true, write_checkpoint}, {"a data set's cache", false, write_cache},
          {"compiled kernels", true, write_code}};
}

// ---- Programs that write, and are killed ----
constexpr int kOld = 0;
constexpr int kNew = 1;

// This process has one thread only, so that its children may do as they like.
pid_t start(const Writer& writer, const fs::path& folder, int version) {
  const pid_t child = fork();
  if (child < 0) throw Error("fork() failed");
  if (child > 0) return child;
  try {
    writer.write(folder, version);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(EXIT_FAILURE);
  }
  std::_Exit(EXIT_SUCCESS);
}

// Whether it came to its end; throws where that was an error.
bool has_ended(const Writer& writer, pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw Error("waitpid() failed");
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return false;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
    throw Error("writing " + writer.name + " failed");
  }
  return true;
}

// Returns how long it took.
Seconds write_whole(const Writer& writer, const fs::path& folder, int version) {
  const auto begin = std::chrono::steady_clock::now();
  if (!has_ended(writer, start(writer, folder, version))) throw Error("somebody else killed it");
  return std::chrono::steady_clock::now() - begin;
}

void make_empty(const fs::path& folder) {
  fs::remove_all(folder);
  fs::create_directories(folder);
}

class Killing {
 public:
  Killing(Writer writer, fs::path folder) : writer_(std::move(writer)), folder_(std::move(folder)) {
    for (const int version : {kOld, kNew}) {
      make_empty(folder_);
      duration_ = write_whole(writer_, folder_, version);
      file_ = fs::directory_iterator(folder_)->path();
      versions_[version] = test::read_all(file_.string());
    }
    if (versions_[kOld] == versions_[kNew]) throw Error("the versions do not differ");
  }

  void kill_one(Random& random) {
    make_empty(folder_);
    const bool has_old = writer_.replaces && random.integer(0, 2) == 1;
    if (has_old) write_whole(writer_, folder_, kOld);
    const pid_t child = start(writer_, folder_, kNew);
    // Some moments are too late, so that the last of a write is hit as well.
    std::this_thread::sleep_for(1.2 * random.uniform() * duration_);
    kill(child, SIGKILL);
    const bool is_whole = has_ended(writer_, child);
    const bool is_there = fs::exists(file_);
    const std::string found = is_there ? test::read_all(file_.string()) : "";
    const bool is_new = is_there && found == versions_[kNew];
    const bool is_as_before = has_old ? found == versions_[kOld] : !is_there;
    if (!is_new && (is_whole || !is_as_before)) {
      throw Error(format(writer_.name, ": ", file_.native(), ": found ", found.size(),
                         " bytes that are neither the old file nor the new one"));
    }
    ++(is_new ? new_ : as_before_);
    const auto files = std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
    if (files > (is_there ? 1 : 0)) ++in_the_middle_;
    duration_ = 0.9 * duration_ + 0.1 * write_whole(writer_, folder_, kNew);
    if (test::read_all(file_.string()) != versions_[kNew]) {
      throw Error(writer_.name + ": after a kill the file was not written anew");
    }
  }

  // Throws where so many kills have not come at every kind of moment.
  void report() const {
    constexpr int kMany = 400;
    std::printf("%s: %d kills; the file was as before after %d, new after %d; %d left a part\n",
                writer_.name.c_str(), as_before_ + new_, as_before_, new_, in_the_middle_);
    if (as_before_ + new_ >= kMany && std::min({as_before_, new_, in_the_middle_}) == 0) {
      throw Error(writer_.name +
                  ": no kill came before the write was over, or none after, or none within it");
    }
  }

 private:
  Writer writer_;
  fs::path folder_;
  fs::path file_;
  std::string versions_[2];
  Seconds duration_{};  // of a write that nobody kills, lately
  int as_before_ = 0;
  int new_ = 0;
  int in_the_middle_ = 0;
};

void run(int count, const fs::path& folder) {
  std::vector<Killing> killings;
  for (Writer& writer : writers()) killings.emplace_back(std::move(writer), folder);
  Random random(0);
  for (int i = 0; i < count; ++i)
    killings[static_cast<std::size_t>(i) % killings.size()].kill_one(random);
  for (const Killing& killing : killings) killing.report();
}

// ---- Trainings that are killed, and go on ----

constexpr std::int64_t kStepsPerEpoch = 25;

auto batches() {
  return generator<float, float>({.x = {4, 256}, .y = {4, 10}},
                                 [](BatchContext& batch, std::span<float> x, std::span<float> y) {
                                   batch.random.fill_uniform(x);
                                   batch.random.fill_uniform(y);
                                 });
}

// Trains until it is killed, with a checkpoint after each step.
void train_and_save(const fs::path& folder) {
  Sequential model = dense_model();
  model.fit(batches(), {.steps_per_epoch = kStepsPerEpoch,
                        .epochs = 1'000'000,
                        .verbose = 0,
                        .callbacks = {BackupAndRestore(folder, {.save_freq = 1})}});
}

// Restores the newest checkpoint, or the one before it where that is damaged, and compares it with
// a training of as many steps that never stopped. Returns the number of steps.
std::int64_t compare_newest(const fs::path& folder, bool compares) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("checkpoint-")) files.push_back(entry.path());
  }
  std::ranges::sort(files, std::greater());
  Sequential restored = dense_model();
  CheckpointInfo info;
  bool is_loaded = files.empty();
  for (std::size_t i = 0; i < std::min<std::size_t>(2, files.size()) && !is_loaded; ++i) {
    try {
      info = restored.restore_checkpoint(files[i]);
      is_loaded = true;
    } catch (const IoError&) {
    }
  }
  if (!is_loaded) throw Error("neither the newest checkpoint nor the one before it can be loaded");
  if (!compares) return info.iterations;
  Sequential whole = dense_model();
  whole.fit(batches(), {.steps_per_epoch = kStepsPerEpoch,
                        .epochs = 1'000'000,
                        .verbose = 0,
                        .on_train_batch_end = [&](std::int64_t, LogsView) {
                          if (whole.iterations() == info.iterations) whole.stop_training();
                        }});
  const auto a = whole.get_weights(), b = restored.get_weights();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::ranges::equal(a[i].data<float>(), b[i].data<float>())) {
      throw Error(format("after ", info.iterations,
                         " steps the weights are not those of a training "
                         "that never stopped"));
    }
  }
  return info.iterations;
}

// In a child, so that this process keeps its one thread.
void require_child(const std::function<void()>& work) {
  const Writer writer{"a training", false, [&](const fs::path&, int) { work(); }};
  write_whole(writer, {}, kNew);
}

void run_trainings(int count, const fs::path& folder) {
  make_empty(folder);
  const fs::path backup = folder / "backup";
  const Writer writer{"a training", true, [](const fs::path& to, int) { train_and_save(to); }};
  Random random(1);
  for (int i = 0; i < count; ++i) {
    const pid_t child = start(writer, backup, kNew);
    std::this_thread::sleep_for(Seconds(0.02 + 0.1 * random.uniform()));
    kill(child, SIGKILL);
    has_ended(writer, child);
    // Steps are compared now and then, because a training from the start takes ever longer.
    const bool compares = i % 50 == 49 || i == count - 1;
    if (fs::exists(backup)) require_child([&] { compare_newest(backup, compares); });
  }
  require_child([&] {
    std::printf("trainings: %d kills; the last checkpoint is of step %lld\n", count,
                static_cast<long long>(compare_newest(backup, false)));
    std::fflush(stdout);
  });
}

}  // namespace
}  // namespace stoker

int main(int argc, char** argv) {
  const int count = argc == 3 ? std::atoi(argv[1]) : 0;
  if (count < 1) {
    std::fprintf(stderr, "usage: stoker_kills COUNT FOLDER\n");
    return 2;
  }
  try {
    stoker::run(count, argv[2]);
    stoker::run_trainings(std::max(1, count / 10), argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stoker_kills: %s\n", error.what());
    return 1;
  }
}
