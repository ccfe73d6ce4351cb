// Measures how fast a model's file is read, beside a plain read of the same file.
//
//   saving_bench FOLDER [MEGABYTES]
#include <fcntl.h>
#include <stoker/stoker.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;

template <class F>
double seconds(F&& f) {
  const auto begin = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Reads the file into memory that is new, as that of a new model is.
void read_whole(const std::string& path) {
  const auto bytes = static_cast<std::size_t>(std::filesystem::file_size(path));
  const auto memory = std::make_unique_for_overwrite<char[]>(bytes);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t count = read(file, memory.get() + done, bytes - done);
    if (count <= 0) std::abort();
    done += static_cast<std::size_t>(count);
  }
  close(file);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: saving_bench FOLDER [MEGABYTES]\n");
    return 2;
  }
  const std::string folder = arguments[1];
  const double megabytes = count > 2 ? std::atof(arguments[2]) : 500.0;
  // Four layers of equal size.
  const auto units = static_cast<std::int64_t>(std::sqrt(1e6 * megabytes / 16.0));
  Sequential model({Input({units}), Dense(units), Dense(units), Dense(units), Dense(units)},
                   {.device = Device::cpu()});
  model.save(folder + "/m.keras");
  model.save_weights(folder + "/m.weights.h5");
  model.save_weights(folder + "/m.safetensors");
  const auto measure = [&](const char* what, const std::string& path, auto&& load) {
    const double size = 1e-6 * static_cast<double>(std::filesystem::file_size(path));
    std::vector<double> loads, reads, ratios;
    // By turns, so that other work on the machine meets both.
    for (int i = 0; i < kRounds; ++i) {
      reads.push_back(seconds([&] { read_whole(path); }));
      loads.push_back(seconds([&] { load(path); }));
      ratios.push_back(reads.back() / loads.back());
    }
    std::ranges::sort(ratios);
    std::printf(
        "%s, %.0f MB: read %.0f MB/s, loaded %.0f MB/s (best of %d each); %.2f of the read "
        "rate (median)\n",
        what, size, size / *std::ranges::min_element(reads),
        size / *std::ranges::min_element(loads), kRounds, ratios[kRounds / 2]);
  };
  measure("Model::load, .keras", folder + "/m.keras", [](const std::string& path) {
    const Model loaded = Model::load(path, {.device = Device::cpu()});
  });
  for (const char* name : {"/m.weights.h5", "/m.safetensors"}) {
    measure(name + 1, folder + name, [&](const std::string& path) { model.load_weights(path); });
  }
}
