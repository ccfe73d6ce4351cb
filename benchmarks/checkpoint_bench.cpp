// Measures how long a step waits for BackupAndRestore: the time in its hook, less that of a memcpy
// of as many bytes, for a model whose weights and optimizer take 50 MB. On a machine that has other
// work the CPU's time of the thread says more than the clock; that the hook waits for no write,
// which it would not show, is held by the test faults.SlowDisk.
//
//   checkpoint_bench FOLDER [SAVES]
#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kUnits = 2048;
constexpr std::size_t kStateBytes = 3 * sizeof(float) * kUnits * (kUnits + 1);

// What has passed on the clock and of the thread's CPU time, in milliseconds.
struct Time {
  double wall = 0.0;
  double cpu = 0.0;
};

template <class F>
Time time_of(F&& f) {
  const auto cpu = [] {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
  };
  const auto wall_begin = Clock::now();
  const double cpu_begin = cpu();
  f();
  return {std::chrono::duration<double, std::milli>(Clock::now() - wall_begin).count(),
          cpu() - cpu_begin};
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Copies as many bytes as a snapshot has, between memory that has been used before.
class Copy {
 public:
  Copy() : from_(kStateBytes, 'x'), to_(kStateBytes) {}
  Time time() {
    return time_of([&] { std::memcpy(to_.data(), from_.data(), kStateBytes); });
  }

 private:
  std::vector<char> from_, to_;
};

// Saves after each step, and times that and a copy by turns.
class Timed : public BackupAndRestore {
 public:
  Timed(std::string folder, bool waits_for_write)
      : BackupAndRestore(folder, {.save_freq = 1}),
        folder_(std::move(folder)),
        waits_for_write_(waits_for_write) {}

  void on_train_batch_end(std::int64_t step, LogsView logs) override {
    // The step itself has to end before its state can be copied.
    static_cast<void>(logs.loss());
    hooks.push_back(time_of([&] { BackupAndRestore::on_train_batch_end(step, logs); }));
    copies.push_back(copy_.time());
    if (waits_for_write_) wait_for(step);
  }

  std::vector<Time> hooks, copies;

 private:
  // Files count up from 0, as steps do.
  void wait_for(std::int64_t step) const {
    char name[32];
    std::snprintf(name, sizeof name, "checkpoint-%010lld", static_cast<long long>(step));
    const auto end = Clock::now() + std::chrono::seconds(10);
    while (!std::filesystem::exists(std::filesystem::path(folder_) / name) && Clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::string folder_;
  bool waits_for_write_;
  Copy copy_;
};

void measure(const std::string& folder, std::int64_t saves, bool waits_for_write) {
  Sequential model({Input({kUnits}), Dense(kUnits)}, {.device = Device::cpu()});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  Timed timed(folder, waits_for_write);
  const auto batches =
      generator<float, float>({.x = {1, kUnits}, .y = {1, kUnits}},
                              [](BatchContext&, std::span<float> x, std::span<float> y) {
                                std::ranges::fill(x, 0.5f);
                                std::ranges::fill(y, 0.5f);
                              });
  model.fit(batches, {.steps_per_epoch = saves, .verbose = 0, .callbacks = {timed}});
  // The first saves take new memory from the system.
  const auto first =
      std::min<std::ptrdiff_t>(4, static_cast<std::ptrdiff_t>(timed.hooks.size()) - 1);
  std::vector<double> beyond_cpu, beyond_wall, copy;
  for (std::size_t i = static_cast<std::size_t>(first); i < timed.hooks.size(); ++i) {
    beyond_cpu.push_back(timed.hooks[i].cpu - timed.copies[i].cpu);
    beyond_wall.push_back(timed.hooks[i].wall - timed.copies[i].wall);
    copy.push_back(timed.copies[i].cpu);
  }
  std::printf(
      "%s: beyond a memcpy of %.2f ms: %.2f ms of the CPU's time, %.2f ms on the clock "
      "(medians of %zu); the first save %.2f ms\n",
      waits_for_write ? "nothing being written" : "an earlier write going on", median(copy),
      median(beyond_cpu), median(beyond_wall), copy.size(), timed.hooks.front().wall);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: checkpoint_bench FOLDER [SAVES]\n");
    return 2;
  }
  const std::int64_t saves = count > 2 ? std::atoll(arguments[2]) : 30;
  std::printf("%.1f MB of state\n", 1e-6 * static_cast<double>(kStateBytes));
  try {
    for (const bool waits_for_write : {true, false}) measure(arguments[1], saves, waits_for_write);
  } catch (const Error& error) {
    std::fprintf(stderr, "checkpoint_bench: %s\n", error.what());
    return 1;
  }
}
