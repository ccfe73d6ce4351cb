#include "backend/cuda/emulation/emulated_backend.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/dnn_reference.h"
#include "backend/cuda/emulation/kernels.h"
#include "backend/cuda/plan/planned_step.h"
#include "device/device.h"

namespace stoker::emulation {

namespace cuda = backend::cuda;
namespace fs = std::filesystem;

namespace {

// Runs a generated kernel on a grid.
using Entry = void (*)(unsigned blocks, unsigned threads, unsigned shared_bytes, bool has_barriers,
                       const void* params);

std::string entry_text(const std::string& name) {
  return "extern \"C\" __attribute__((visibility(\"default\"))) void run_" + name +
         "(unsigned blocks, unsigned threads, unsigned shared_bytes, bool has_barriers,\n"
         "    const void* params) {\n  stoker::emulation::run(" +
         name + ", blocks, threads, shared_bytes, has_barriers,\n      *static_cast<const " + name +
         "_params*>(params));\n}\n";
}

constexpr char kEndOfKernel = '\f';  // in the file of those that were collected

// Kernels by name, from shared objects that stay loaded.
class Library {
 public:
  static Library& instance() {
    static Library library;
    return library;
  }

  void collect_into(const std::string& file) {
    collected_.open(file);
    if (!collected_) throw std::runtime_error("cannot write " + file);
    collector_ = getpid();
  }
  bool is_collecting() const { return collected_.is_open(); }
  void open(const std::string& path) {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    handles_.push_back(handle);
  }

  // Null while collecting.
  Entry find(const cuda::GeneratedLaunch& kernel) {
    const std::lock_guard lock(mutex_);
    if (is_collecting()) {
      // Not by the children that tests fork, which share the file; nothing is left in the buffer
      // for them to write when they end.
      if (getpid() == collector_ && known_.insert(kernel.name).second) {
        collected_ << kernel.source << entry_text(kernel.name) << kEndOfKernel << std::flush;
      }
      return nullptr;
    }
    auto& entry = entries_[kernel.name];
    if (entry == nullptr) entry = lookup(kernel.name);
    if (entry == nullptr) {
      open(compiled(kernel));
      entry = lookup(kernel.name);
    }
    if (entry == nullptr) throw std::runtime_error("no kernel " + kernel.name);
    return entry;
  }

  static void compile(const std::string& sources, const std::string& output) {
    const std::string file = output + ".cpp";
    std::ofstream(file) << "#include \"backend/cuda/emulation/cuda_emulation.h\"\n"
                        << cuda::generated_prelude() << sources;
    const std::string command = std::string(STOKER_CXX_COMPILER) +
                                " -std=c++20 -O1 -w -shared -fPIC -ffp-contract=off "
                                "-I" STOKER_TESTS_FOLDER " -I" STOKER_TESTS_FOLDER
                                "/../src -I" STOKER_TESTS_FOLDER "/../include -o " +
                                output + " " + file;
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
  }

 private:
  Library() {
    std::string name = (fs::temp_directory_path() / "stoker-emulation-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    folder_ = name;
  }
  ~Library() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Entry lookup(const std::string& name) const {
    for (void* handle : handles_) {
      if (void* symbol = dlsym(handle, ("run_" + name).c_str())) {
        return reinterpret_cast<Entry>(symbol);
      }
    }
    return nullptr;
  }

  std::string compiled(const cuda::GeneratedLaunch& kernel) const {
    std::string output = (folder_ / (kernel.name + ".so")).string();
    compile(kernel.source + entry_text(kernel.name), output);
    return output;
  }

  std::mutex mutex_;
  std::ofstream collected_;
  pid_t collector_ = 0;
  std::set<std::string> known_;
  std::map<std::string, Entry> entries_;
  std::vector<void*> handles_;
  fs::path folder_;
};

class Compiler final : public cuda::DnnCompiler {
 public:
  explicit Compiler(Dnn dnn) : dnn_(dnn) {}
  std::optional<std::size_t> workspace_of(const cuda::DnnSpec&) override {
    if (dnn_ == Dnn::refuses_all) return std::nullopt;
    return 0;
  }

 private:
  Dnn dnn_;
};

class EmulatedExecutable final : public cuda::StepExecutable, private device::Work {
 public:
  EmulatedExecutable(cuda::PlannedStep step, std::unique_ptr<device::Buffer> counters)
      : StepExecutable(std::move(step), counters->data()), counters_(std::move(counters)) {
    if (Library::instance().is_collecting()) find_kernels();
  }

  void run(device::Stream& stream, device::RingState* ring) override {
    if (is_stale(ring)) stream.synchronize();  // launches that still read the old pointers
    resolve(ring);
    find_kernels();
    stream.launch(*this);
  }

 private:
  // Not before they are needed: a plan may be there to be looked at.
  void find_kernels() {
    if (!entries_.empty()) return;
    for (const cuda::Launch& launch : launches().launches) {
      const auto* generated = std::get_if<cuda::GeneratedLaunch>(&launch.what);
      entries_.push_back(generated != nullptr ? Library::instance().find(*generated) : nullptr);
    }
  }

  // device::Work
  void run() override {
    for (std::size_t i = 0; i < launches().launches.size(); ++i) run_launch(i);
  }

  void enqueue(device::Stream& stream, std::size_t index) override {
    stream.synchronize();
    find_kernels();
    run_launch(index);
  }

  std::string dnn_engine(std::size_t) const override { return "emulated"; }

  void run_launch(std::size_t index) {
    if (Library::instance().is_collecting()) return;
    const auto& what = launches().launches[index].what;
    const cuda::BoundLaunch& to = bound(index);
    if (const auto* own = std::get_if<cuda::KernelLaunch>(&what)) {
      run_emulated(*own->kernel, own->grid, to.arguments.data());
    } else if (const auto* generated = std::get_if<cuda::GeneratedLaunch>(&what)) {
      const cuda::Grid& grid = generated->grid;
      entries_[index](grid.blocks, grid.threads, grid.shared_bytes, generated->has_barriers,
                      to.arguments.data());
    } else if (const auto* dnn = std::get_if<cuda::DnnLaunch>(&what)) {
      test::run_dnn_reference(dnn->spec, to.dnn);
    } else if (const auto* zero = std::get_if<cuda::ZeroLaunch>(&what)) {
      std::memset(to.zero, 0, zero->bytes);
    }
  }

  std::unique_ptr<device::Buffer> counters_;
  std::vector<Entry> entries_;
};

cuda::LaunchPlan latest_plan;

class EmulatedBackend final : public backend::Backend {
 public:
  explicit EmulatedBackend(std::shared_ptr<cuda::DnnCompiler> dnn)
      : compiler_(std::move(dnn)), device_(device::make_cpu_device()) {}

  std::string arithmetic() const override { return "emulated"; }

  std::unique_ptr<backend::Executable> compile(std::unique_ptr<graph::Graph> graph,
                                               std::vector<graph::ValueId> keep,
                                               backend::CompileOptions options) override {
    cuda::PlannedStep step = cuda::plan_step(std::move(graph), keep, options, *compiler_);
    latest_plan = step.plan;
    auto counters = device_->allocate(step.plan.counter_bytes);
    return std::make_unique<EmulatedExecutable>(std::move(step), std::move(counters));
  }

 private:
  std::shared_ptr<cuda::DnnCompiler> compiler_;
  std::shared_ptr<device::Device> device_;
};

}  // namespace

std::unique_ptr<backend::Backend> make_emulated_backend(Dnn dnn) {
  return make_emulated_backend(std::make_shared<Compiler>(dnn));
}
std::unique_ptr<backend::Backend> make_emulated_backend(std::shared_ptr<cuda::DnnCompiler> dnn) {
  return std::make_unique<EmulatedBackend>(std::move(dnn));
}

const cuda::LaunchPlan& last_plan() { return latest_plan; }

void collect_into(const std::string& file) { Library::instance().collect_into(file); }

namespace {
// A library is as many shared objects as there are cores to compile them.
std::string part_of(const std::string& library, unsigned part) {
  return library + "." + std::to_string(part);
}
}  // namespace

void use_library(const std::string& library) {
  for (unsigned part = 0; fs::exists(part_of(library, part)); ++part) {
    Library::instance().open(part_of(library, part));
  }
}

void compile_collected(const std::string& file, const std::string& library) {
  const unsigned parts = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::string> sources(parts);
  std::ifstream collected(file);
  std::string kernel;
  for (std::size_t number = 0; std::getline(collected, kernel, kEndOfKernel); ++number) {
    sources[number % parts] += kernel;
  }
  std::vector<std::future<void>> compiling;
  for (unsigned part = 0; part < parts; ++part) {
    compiling.push_back(std::async(std::launch::async, [&, part] {
      Library::compile(sources[part], part_of(library, part));
    }));
  }
  for (auto& one : compiling) one.get();
}

}  // namespace stoker::emulation
