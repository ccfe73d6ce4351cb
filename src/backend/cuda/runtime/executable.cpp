// Runs planned steps on a GPU: op by op the first time, then as one captured graph.
#include <cuda_runtime_api.h>

#include <map>
#include <mutex>
#include <utility>

#include "backend/backend.h"
#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/plan/planned_step.h"
#include "backend/cuda/runtime/module.h"
#include "backend/cuda/runtime/plan_cache.h"
#include "core/check.h"
#include "core/format.h"
#include "device/cuda/cuda_device.h"
#include "device/cuda/libraries.h"
#include "device/cuda/nvtx.h"
#include "stoker/error.h"

namespace stoker::backend {
namespace cuda {
namespace {

using device::CudaDevice;
using device::CudaStream;

CudaStream& cuda_stream(device::Stream& stream) { return static_cast<CudaStream&>(stream); }

// A handle of cuDNN's, which must outlive the plans that are made for it.
class Handle {
 public:
  explicit Handle(CudaDevice& device) : device_(device) {
    const device::Cudnn& cudnn = device::cudnn();
    if (!cudnn.problem.empty()) throw DeviceError(cudnn.problem);
    device_.make_current();
    check(cudnn.create(&handle_), "cudnnCreate");
  }
  ~Handle() {
    if (device_.try_make_current()) device::cudnn().destroy(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  cudnnHandle_t get() const { return handle_; }
  cudnnHandle_t on(CudaStream& stream) const {
    check(device::cudnn().set_stream(handle_, stream.handle()), "cudnnSetStream");
    return handle_;
  }

 private:
  void check(cudnnStatus_t status, const char* call) const {
    if (status == CUDNN_STATUS_SUCCESS) return;
    throw DeviceError(
        format(device_.name(), ": ", call, ": ", device::cudnn().get_error_string(status)));
  }

  CudaDevice& device_;
  cudnnHandle_t handle_ = nullptr;
};

// Returns the target that the process's plans for a device are made for. It has a handle of its own
// that nothing runs on, since models share the plans while each runs on its own handle. Like the
// plans, it lives until the process ends.
DnnTarget target_of(CudaDevice& device) {
  static std::mutex& mutex = *new std::mutex;
  struct Kept {
    std::unique_ptr<Handle> handle;
    DnnTarget target;
  };
  static auto& targets = *new std::map<int, Kept>;
  const std::lock_guard lock(mutex);
  const auto found = targets.find(device.ordinal());
  if (found != targets.end()) return found->second.target;
  const device::CudaProperties& is = device.properties();
  const std::string model =
      format(is.name, ' ', is.capability_major, '.', is.capability_minor, ", ", is.multiprocessors,
             " multiprocessors, ", is.memory_bytes, " bytes");
  auto handle = std::make_unique<Handle>(device);
  DnnTarget target = DnnTarget::of_handle(handle->get(), device.name(), model);
  return targets.emplace(device.ordinal(), Kept{std::move(handle), std::move(target)})
      .first->second.target;
}

// The parts that all programs of a model share: a handle to run on, and the source of plans.
class Session {
 public:
  explicit Session(std::shared_ptr<device::Device> device)
      : keep_alive_(std::move(device)),
        device_(static_cast<CudaDevice&>(*keep_alive_)),
        handle_(device_),
        compiler_(target_of(device_)) {}

  CudaDevice& device() { return device_; }
  CudnnCompiler& compiler() { return compiler_; }
  int capability() const {
    return 10 * device_.properties().capability_major + device_.properties().capability_minor;
  }
  cudnnHandle_t handle_on(CudaStream& stream) { return handle_.on(stream); }

 private:
  std::shared_ptr<device::Device> keep_alive_;
  CudaDevice& device_;
  Handle handle_;
  CudnnCompiler compiler_;
};

// Returns whether an environment variable switches something off. STOKER_TF32=0 computes float32
// products without TF32, STOKER_CUDNN=0 runs our own kernels in cuDNN's place, and
// STOKER_CUDA_GRAPHS=0 runs each step launch by launch. Tests use them, and they help to find the
// cause of a fault. They are read whenever a program is compiled.
bool is_off(const char* variable) { return check::switch_from_environment(variable) == false; }

class RefusesAll final : public DnnCompiler {
 public:
  std::optional<std::size_t> workspace_of(const DnnSpec&) override { return std::nullopt; }
};

// Returns all generated kernels of a plan as one source.
std::string source_of(const LaunchPlan& plan) {
  std::map<std::string, const std::string*> sources;  // by name, so that equal kernels appear once
  for (const Launch& launch : plan.launches) {
    if (const auto* generated = std::get_if<GeneratedLaunch>(&launch.what)) {
      sources.emplace(generated->name, &generated->source);
    }
  }
  if (sources.empty()) return {};
  std::string text = generated_prelude();
  for (const auto& [name, source] : sources) text += *source;
  return text;
}

class CudaExecutable final : public StepExecutable {
 public:
  CudaExecutable(std::shared_ptr<Session> session, PlannedStep step,
                 std::unique_ptr<device::Buffer> counters)
      : StepExecutable(std::move(step), counters->data()),
        session_(std::move(session)),
        counters_(std::move(counters)),
        kernels_(launches().launches.size()),
        dnn_plans_(launches().launches.size()) {
    load_kernels();
  }
  ~CudaExecutable() override { drop_graph(); }

  void run(device::Stream& stream, device::RingState* ring) override {
    const device::NvtxRange range("step");
    CudaStream& cuda = cuda_stream(stream);
    resolve(ring);
    if (binding() != graph_binding_) {  // replaced by this run, or by run_checked() or run_timed()
      drop_graph();
      is_warm_ = false;
      graph_binding_ = binding();
    }
    // An instantiated graph knows its device; launched or captured kernels go to the current one.
    if (graph_ != nullptr) {
      cuda.device().attach();
    } else {
      cuda.device().make_current();
    }
    if (!is_warm_ || !uses_graph_) {
      // The first run is not captured, since cuDNN loads its kernels at their first launch, which a
      // capture does not allow.
      enqueue_all(stream);
      is_warm_ = true;
      return;
    }
    if (graph_ == nullptr) capture(cuda);
    cuda.device().check(cudaGraphLaunch(graph_, cuda.handle()), "cudaGraphLaunch");
  }

 private:
  void load_kernels() {
    const std::string source = source_of(launches());
    if (!source.empty()) {
      module_ = std::make_unique<Module>(session_->device(),
                                         compile_source(source, session_->capability()));
    }
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
      const auto& what = launches().launches[i].what;
      if (const auto* own = std::get_if<KernelLaunch>(&what)) {
        kernels_[i] = own->kernel->function();
      } else if (const auto* generated = std::get_if<GeneratedLaunch>(&what)) {
        kernels_[i] = module_->kernel(generated->name);
      } else if (const auto* dnn = std::get_if<DnnLaunch>(&what)) {
        dnn_plans_[i] = session_->compiler().plan(dnn->spec);
      }
    }
  }

  void enqueue(device::Stream& stream, std::size_t index) override {
    const Launch& launch = launches().launches[index];
    const device::NvtxRange range(launch.label.c_str());
    CudaStream& cuda = cuda_stream(stream);
    if (const auto* own = std::get_if<KernelLaunch>(&launch.what)) {
      launch_kernel(cuda, index, own->grid);
    } else if (const auto* generated = std::get_if<GeneratedLaunch>(&launch.what)) {
      launch_kernel(cuda, index, generated->grid);
    } else if (std::holds_alternative<DnnLaunch>(launch.what)) {
      dnn_plans_[index]->run(session_->handle_on(cuda), bound(index).dnn);
    } else if (const auto* zero = std::get_if<ZeroLaunch>(&launch.what)) {
      cuda.fill_zero(bound(index).zero, zero->bytes);
    }
  }

  std::string dnn_engine(std::size_t index) const override { return dnn_plans_[index]->engine(); }

  void launch_kernel(CudaStream& stream, std::size_t index, const Grid& grid) {
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(grid.blocks);
    config.blockDim = dim3(grid.threads);
    config.dynamicSmemBytes = grid.shared_bytes;
    config.stream = stream.handle();
    void* arguments[] = {const_cast<std::byte*>(bound(index).arguments.data())};
    stream.device().check(cudaLaunchKernelExC(&config, kernels_[index], arguments),
                          launches().launches[index].label.c_str());
  }

  void enqueue_all(device::Stream& stream) {
    for (std::size_t i = 0; i < kernels_.size(); ++i) enqueue(stream, i);
  }

  // The capture is thread-local, because the feed's threads may allocate pinned memory and query
  // events meanwhile.
  void capture(CudaStream& stream) {
    CudaDevice& device = stream.device();
    device.check(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeThreadLocal),
                 "cudaStreamBeginCapture");
    cudaGraph_t graph = nullptr;
    try {
      enqueue_all(stream);
    } catch (...) {
      cudaStreamEndCapture(stream.handle(), &graph);  // the first error is the one to report
      if (graph != nullptr) cudaGraphDestroy(graph);
      throw;
    }
    device.check(cudaStreamEndCapture(stream.handle(), &graph), "cudaStreamEndCapture");
    const cudaError_t made = cudaGraphInstantiate(&graph_, graph, 0);
    cudaGraphDestroy(graph);
    device.check(made, "cudaGraphInstantiate");
  }

  void drop_graph() {
    if (graph_ == nullptr) return;
    if (session_->device().try_make_current()) cudaGraphExecDestroy(graph_);
    graph_ = nullptr;
  }

  // The order matters, since later members are destroyed first: plans go before the handle that
  // they run on.
  std::shared_ptr<Session> session_;
  std::unique_ptr<device::Buffer> counters_;
  std::unique_ptr<Module> module_;
  // Each launch has a kernel, or a plan of cuDNN's, which the captured graph needs as long as it
  // lives.
  std::vector<const void*> kernels_;
  std::vector<std::shared_ptr<const DnnPlan>> dnn_plans_;
  cudaGraphExec_t graph_ = nullptr;
  std::uint64_t graph_binding_ = 0;  // the binding whose pointers the graph has
  bool is_warm_ = false;
  const bool uses_graph_ = !is_off("STOKER_CUDA_GRAPHS");
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(std::shared_ptr<device::Device> device)
      : session_(std::make_shared<Session>(std::move(device))) {}

  std::string arithmetic() const override {
    const device::CudaProperties& is = session_->device().properties();
    return format("cuda, ", is.name, ' ', is.capability_major, '.', is.capability_minor, ", cuDNN ",
                  device::cudnn().version);
  }

  std::unique_ptr<Executable> compile(std::unique_ptr<graph::Graph> graph,
                                      std::vector<graph::ValueId> keep,
                                      CompileOptions options) override {
    RefusesAll refuses_all;
    DnnCompiler& dnn =
        is_off("STOKER_CUDNN") ? static_cast<DnnCompiler&>(refuses_all) : session_->compiler();
    options.tf32 = options.tf32 && !is_off("STOKER_TF32");
    session_->device().make_current();  // plans load their code into the thread's current device
    PlannedStep step = plan_step(std::move(graph), keep, options, dnn);
    auto counters = session_->device().allocate(step.plan.counter_bytes);
    return std::make_unique<CudaExecutable>(session_, std::move(step), std::move(counters));
  }

 private:
  std::shared_ptr<Session> session_;
};

}  // namespace
}  // namespace cuda

std::unique_ptr<Backend> make_cuda_backend(std::shared_ptr<device::Device> device) {
  return std::make_unique<cuda::CudaBackend>(std::move(device));
}

}  // namespace stoker::backend
