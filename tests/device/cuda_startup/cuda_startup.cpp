// A program of a user's, for run_startup.py: says which device it got and why it is not CUDA,
// trains one step there, and lists the libraries of CUDA's that were loaded for it.
#include <stoker/stoker.h>

#include <fstream>
#include <set>
#include <string>

namespace {

using namespace stoker;

void print_loaded_libraries() {
  std::set<std::string> loaded;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::string file = line.substr(line.rfind('/') + 1);
    for (const char* name : {"libcudnn", "libnvrtc", "libcublas"}) {
      if (file.starts_with(name)) loaded.insert(file);
    }
  }
  for (const std::string& file : loaded) std::cout << "loaded: " << file << '\n';
}

void train_one_step() {
  Sequential model({Input({4}), Dense(2)}, {.seed = 1, .threads = 1});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  auto batches = generator<float, float>({.x = {2, 4}, .y = {2, 2}},
                                         [](BatchContext&, std::span<float> x, std::span<float> y) {
                                           for (float& value : x) value = 1.0f;
                                           for (float& value : y) value = 0.5f;
                                         });
  model.fit_generator(batches, {.steps_per_epoch = 1, .epochs = 1, .verbose = 0});
}

// What `name` gives, or what it throws.
template <class Name>
std::string name_or_error(Name name) {
  try {
    return name();
  } catch (const DeviceError& error) {
    return error.what();
  }
}

}  // namespace

int main() {
  try {
    const std::string name = Device::best().name();
    const std::string why_not = Device::why_not_cuda();
    std::cout << "device: " << name << "\nwhy not cuda: " << why_not << '\n';
    std::cout << "asked for: " << name_or_error([] { return Device::cuda().name(); }) << '\n';
    print_loaded_libraries();
    train_one_step();
    std::cout << "trained\n";
  } catch (const Error& error) {
    std::cout << "error: " << error.what() << '\n';
    return 1;
  }
}
