// What the library finds on this machine, and whether it works here.
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ostream>
#include <string>
#include <thread>

#include <unistd.h>

#include <stoker/error.h>
#include <stoker/model.h>

#include "commands.h"

namespace stoker::tool {
namespace {

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string vector_code() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return "AVX-512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "AVX2";
#endif
  return "baseline";
}

class Checks {
 public:
  Checks(std::ostream& out) : out_(out) {}

  void say(const std::string& name, const std::string& text) {
    out_ << name << std::string(name.size() < 12 ? 12 - name.size() : 1, ' ') << text << '\n';
  }
  // Says what `check` returns, or why it failed.
  template <class F>
  void check(const std::string& name, F&& check) {
    try {
      say(name, check());
    } catch (const std::exception& error) {
      is_well_ = false;
      say(name, std::string("FAILED: ") + error.what());
    }
  }
  bool is_well() const { return is_well_; }

 private:
  std::ostream& out_;
  bool is_well_ = true;
};

// y = 2 x0 - x1, which one Dense layer learns.
std::string train(const Device& device) {
  const Tensor x = Tensor::uniform({256, 2}, -1.0f, 1.0f, 1);
  Tensor y({256, 1});
  for (std::size_t i = 0; i < 256; ++i) {
    y.data<float>()[i] = 2.0f * x.data<float>()[2 * i] - x.data<float>()[2 * i + 1];
  }
  Sequential model({Input({2}), Dense(1)}, {.device = device});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  const History history = model.fit(x, y, {.epochs = 20, .verbose = 0});
  const double loss = history["loss"].back();
  if (!(loss < 1e-2)) {
    throw NumericError("expected a loss below 0.01 after 20 epochs, received " +
                       std::to_string(loss));
  }
  return "a small model learns on " + device.name();
}

std::string save_and_load(const Device& device) {
  const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                     ("stoker-doctor-" + std::to_string(getpid()) + ".keras");
  const Sequential model({Input({2}), Dense(1)}, {.device = device});
  model.save(path.string());
  const Model loaded = Model::load(path.string(), {.device = device});
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  if (loaded.count_params() != model.count_params()) {
    throw IoError("expected " + std::to_string(model.count_params()) +
                  " parameters of the file, received " + std::to_string(loaded.count_params()));
  }
  return "a model is written to " + path.parent_path().string() + " and read again";
}

}  // namespace

bool run(const Doctor&, const std::function<Device()>& make_device, std::ostream& out) {
  Checks checks(out);
  checks.say("version", STOKER_VERSION);
  checks.say("processor", processor());
  checks.say("vectors", vector_code());
  checks.say("cores", std::to_string(std::thread::hardware_concurrency()));
  for (const char* name : {"STOKER_DEVICE", "STOKER_THREADS", "STOKER_TF32"}) {
    if (const char* value = std::getenv(name)) checks.say(name, value);
  }
  checks.check("cuda", [] {
    const std::string reason = Device::why_not_cuda();
    return reason.empty() ? std::string("usable") : "not used: " + reason;
  });
  std::optional<Device> device;
  checks.check("device", [&] { return (device = make_device())->name(); });
  if (device) {
    checks.check("training", [&] { return train(*device); });
    checks.check("files", [&] { return save_and_load(*device); });
  }
  checks.say("verdict", checks.is_well() ? "all is well" : "see above");
  return checks.is_well();
}

}  // namespace stoker::tool
