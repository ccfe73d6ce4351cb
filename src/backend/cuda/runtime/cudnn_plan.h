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

// The GPU that plans are made for. It is the GPU of a cuDNN handle, or a GPU that is not there,
// described by the JSON that cuDNN writes of a device's properties; plans for the latter can't run.
// Both functions throw DeviceError if cuDNN does not load, and the second also if cuDNN does not
// accept the text.
class DnnTarget {
 public:
  // `place` identifies the GPU among those of this process; `model` names everything that plans
  // depend on, in this process and in others. The handle must outlive every plan that is made for
  // it, and nobody else may use it meanwhile.
  static DnnTarget of_handle(void* cudnn_handle, std::string place, std::string model);
  static DnnTarget of_properties(const std::string& json);

  const std::string& place() const;
  const std::string& model() const;

 private:
  friend class DnnPlan;
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// Returns the text that of_properties() takes for a device that is here.
std::string properties_of_device(int ordinal);

struct DnnOptions {
  // Engines that need more workspace are passed over.
  std::size_t workspace_limit = std::size_t{64} << 20;
  // If true, only engines that give the same bits each time are taken.
  bool deterministic = true;
  // If true, engines that multiply on tensor cores are taken too.
  bool tensor_cores = true;

  // Returns all options in one line, as a part of a key.
  std::string text() const;
};

// Returns whether an engine that its notes did not rule out may compute the spec. cuBLASLt, which
// is engine 0 of matrix products and is only offered with a handle, has no notes. Since nothing
// says whether it rounds to TF32, it is refused if it must not.
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
  // Makes a plan of the first engine that cuDNN's heuristics propose and that builds. Returns null
  // if none does; `refusal` then says why. With `compile` = false no kernels are compiled at run
  // time, which would take up to seconds: workspace and engine are then those of the first engine
  // that claims support, and the plan can't run.
  static std::unique_ptr<DnnPlan> make(const DnnSpec& spec, const DnnTarget& target,
                                       const DnnOptions& options, std::string* refusal,
                                       bool compile = true);
  // Makes a plan from the text that serialized() gave, in this process or another, for a target of
  // the same model. Returns null if cuDNN does not accept the text.
  static std::unique_ptr<DnnPlan> from_text(const std::string& text, const DnnSpec& spec,
                                            const DnnTarget& target);
  ~DnnPlan();
  DnnPlan(const DnnPlan&) = delete;
  DnnPlan& operator=(const DnnPlan&) = delete;

  std::size_t workspace_bytes() const;
  // Returns cuDNN's name of the engine with its knobs.
  const std::string& engine() const;
  // Returns the plan as text, or an empty text if cuDNN cannot serialise plans of this engine.
  std::string serialized() const;
  // Enqueues the plan on the handle's stream, which may be capturing; a captured graph needs this
  // plan for as long as it lives. Any handle of the plan's GPU will do. Several threads may call
  // it, each with a handle of its own. They wait for each other, since one of cuDNN's plans must
  // not be used by several threads at once. Throws DeviceError.
  void run(void* cudnn_handle, const DnnPointers& pointers) const;

 private:
  struct Impl;
  explicit DnnPlan(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The questions that lowering has while it decides what to ask cuDNN for.
class DnnCompiler {
 public:
  virtual ~DnnCompiler() = default;
  // Returns the bytes of workspace; nullopt if cuDNN refuses the spec.
  virtual std::optional<std::size_t> workspace_of(const DnnSpec& spec) = 0;
};

}  // namespace stoker::backend::cuda
