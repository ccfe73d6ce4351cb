// Execution plans of cuDNN's for DnnSpecs. This header knows no type of CUDA's; its source is the
// only file that includes cudnn_frontend.h.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backend/cuda/plan/dnn_spec.h"

namespace stoker::backend::cuda {

// What plans are made for: the GPU of a cuDNN handle, or a GPU that is not there, described by the
// JSON that cuDNN writes of a device's properties. Plans for the second kind can't run. Both throw
// DeviceError where cuDNN does not load, and the second where it does not accept the text.
class DnnTarget {
 public:
  // `place` is the GPU itself, among those of this process; `model` says all that plans depend on,
  // in this process and in others. The handle must outlive every plan that is made for it, and
  // nobody else may use it meanwhile.
  static DnnTarget of_handle(void* cudnn_handle, std::string place, std::string model);
  static DnnTarget of_properties(const std::string& json);

  const std::string& place() const;
  const std::string& model() const;

 private:
  friend class DnnPlan;
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// What of_properties() takes, of a device that is here.
std::string properties_of_device(int ordinal);

struct DnnOptions {
  // Engines that want more are passed over.
  std::size_t workspace_limit = std::size_t{64} << 20;
  // Only engines that give the same bits each time.
  bool deterministic = true;
  // Engines that multiply on tensor cores too.
  bool tensor_cores = true;

  // All of it in one line: part of a key.
  std::string text() const;
};

// Whether an engine that its notes did not rule out may compute the spec. cuBLASLt, which is engine
// 0 of matrix products and is only offered with a handle, has no notes: nothing says whether it
// rounds to TF32, so it is refused where that is not wanted.
bool may_compute(const DnnSpec& spec, const DnnOptions& options, const std::string& engine,
                 bool uses_cublaslt);

// Pointers on the device, in the order of DnnSpec's tensors; null for those that it lacks.
struct DnnPointers {
  const void* a = nullptr;
  const void* b = nullptr;
  const void* bias = nullptr;
  const void* aux = nullptr;
  void* y = nullptr;
  void* workspace = nullptr;  // aligned to 256 bytes
};

class DnnPlan {
 public:
  // The first of the engines that cuDNN's heuristics propose and that builds. Null where none does;
  // `refusal` then says why. `compile` = false stops short of compiling kernels at run time, which
  // costs up to seconds: workspace and engine are then those of the first engine that claims
  // support, and the plan can't run.
  static std::unique_ptr<DnnPlan> make(const DnnSpec& spec, const DnnTarget& target,
                                       const DnnOptions& options, std::string* refusal,
                                       bool compile = true);
  // From what serialized() gave, in this process or another, for a target of the same model. Null
  // where cuDNN does not take it.
  static std::unique_ptr<DnnPlan> from_text(const std::string& text, const DnnSpec& spec,
                                            const DnnTarget& target);
  ~DnnPlan();
  DnnPlan(const DnnPlan&) = delete;
  DnnPlan& operator=(const DnnPlan&) = delete;

  std::size_t workspace_bytes() const;
  // cuDNN's name of the engine with its knobs.
  const std::string& engine() const;
  // Empty where cuDNN does not serialise it: not every engine's plan can be.
  std::string serialized() const;
  // Enqueues on the handle's stream, which may be capturing: a graph so made needs this plan for as
  // long as it lives. Any handle of the plan's GPU will do. Several threads may call it, each with
  // a handle of its own; cuDNN's plans are not for several threads at once, so they wait for each
  // other. Throws DeviceError.
  void run(void* cudnn_handle, const DnnPointers& pointers) const;

 private:
  struct Impl;
  explicit DnnPlan(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What lowering asks while it decides what to ask cuDNN for.
class DnnCompiler {
 public:
  virtual ~DnnCompiler() = default;
  // Bytes of workspace; nullopt where cuDNN refuses the spec.
  virtual std::optional<std::size_t> workspace_of(const DnnSpec& spec) = 0;
};

}  // namespace stoker::backend::cuda
