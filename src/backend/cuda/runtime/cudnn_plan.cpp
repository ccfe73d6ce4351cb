#include "backend/cuda/runtime/cudnn_plan.h"

// cuDNN is loaded at run time, so that nothing links to it. Without the JSON library this file
// compiles in half the time.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>

#include <array>
#include <sstream>
#include <utility>
#include <vector>

#include "core/format.h"
#include "device/cuda/libraries.h"
#include "stoker/error.h"

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;  // declared by the frontend, defined by its user
}

namespace stoker::backend::cuda {
namespace {

namespace fe = cudnn_frontend;
using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;

// Ids of tensors, by which a plan is given its pointers.
enum Id : std::int64_t { kA = 1, kB, kBias, kAux, kY };

fe::DataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return fe::DataType_t::FLOAT;
    case DType::bfloat16:
      return fe::DataType_t::BFLOAT16;
    case DType::float16:
      return fe::DataType_t::HALF;
    case DType::int32:
      return fe::DataType_t::INT32;
    case DType::uint8:
      return fe::DataType_t::UINT8;
  }
  return fe::DataType_t::NOT_SET;
}

class Graph : public fe::graph::Graph {
 public:
  explicit Graph(const DnnSpec& spec) {
    set_io_data_type(type_of(spec.a.dtype));
    set_intermediate_data_type(fe::DataType_t::FLOAT);
    set_compute_data_type(fe::DataType_t::FLOAT);
    // Plans outlive the CUDA graphs that launch them, so that a CUDA graph need not keep its plans
    // alive.
    set_cuda_graph_retention(fe::CudaGraphRetention_t::NONE);
    Tensor result = product(spec, input(spec.a, kA), input(spec.b, kB));
    result->set_dim(spec.y.dims).set_stride(spec.y.strides);
    if (spec.bias) result = apply(fe::PointwiseMode_t::ADD, result, input(*spec.bias, kBias));
    if (spec.epilogue == DnnEpilogue::relu) result = apply(fe::PointwiseMode_t::RELU_FWD, result);
    if (spec.epilogue == DnnEpilogue::relu_backward) {
      result = apply(fe::PointwiseMode_t::RELU_BWD, result, input(*spec.aux, kAux));
    }
    result->set_output(true)
        .set_uid(kY)
        .set_dim(spec.y.dims)
        .set_stride(spec.y.strides)
        .set_data_type(type_of(spec.y.dtype));
  }

  // Returns the engines that heuristics propose, best first. The frontend's own loop over them
  // compiles as it goes, and its execute() needs libcudart.so; therefore DnnPlan::make and
  // DnnPlan::run take the steps one by one.
  fe::graph::Execution_plan_list& proposals() { return plans; }

 private:
  Tensor input(const DnnTensor& tensor, Id id) {
    return this->tensor(fe::graph::Tensor_attributes()
                            .set_uid(id)
                            .set_dim(tensor.dims)
                            .set_stride(tensor.strides)
                            .set_data_type(type_of(tensor.dtype)));
  }

  Tensor apply(fe::PointwiseMode_t mode, const Tensor& x, const Tensor& y = nullptr) {
    const auto attributes = fe::graph::Pointwise_attributes().set_mode(mode);
    return y ? pointwise(x, y, attributes) : pointwise(x, attributes);
  }

  template <class Attributes>
  static Attributes convolution(const DnnSpec& spec) {
    const auto pair = [](const auto& values) {
      return std::vector<std::int64_t>(values.begin(), values.end());
    };
    Attributes attributes;
    attributes.set_stride(pair(spec.strides));
    attributes.set_dilation(pair(spec.dilations));
    attributes.set_pre_padding(pair(spec.padding_before));
    attributes.set_post_padding(pair(spec.padding_after));
    return attributes;
  }

  Tensor product(const DnnSpec& spec, const Tensor& a, const Tensor& b) {
    switch (spec.kind) {
      case DnnKind::conv_forward:
        return conv_fprop(a, b, convolution<fe::graph::Conv_fprop_attributes>(spec));
      case DnnKind::conv_backward_data:
        return conv_dgrad(a, b, convolution<fe::graph::Conv_dgrad_attributes>(spec));
      case DnnKind::conv_backward_weights:
        return conv_wgrad(a, b, convolution<fe::graph::Conv_wgrad_attributes>(spec));
      case DnnKind::matmul:
        break;
    }
    return matmul(a, b, fe::graph::Matmul_attributes());
  }
};

// Returns the notes that an engine must not have.
std::vector<fe::NumericalNote_t> barred(const DnnSpec& spec, const DnnOptions& options) {
  std::vector<fe::NumericalNote_t> notes{fe::NumericalNote_t::REDUCED_PRECISION_REDUCTION};
  if (!options.tensor_cores) notes.push_back(fe::NumericalNote_t::TENSOR_CORE);
  if (options.deterministic) notes.push_back(fe::NumericalNote_t::NONDETERMINISTIC);
  if (spec.a.dtype == DType::float32 && !spec.tf32) {
    using Note = fe::NumericalNote_t;  // only engines that add up plain float32 products are left
    notes.insert(notes.end(),
                 {Note::TENSOR_CORE, Note::DOWN_CONVERT_INPUTS, Note::FFT, Note::WINOGRAD});
  }
  return notes;
}

void load_cudnn() {
  const device::Cudnn& cudnn = device::cudnn();
  if (!cudnn.problem.empty()) throw DeviceError(cudnn.problem);
  fe::cudnn_dlhandle = cudnn.handle;
}

void check(fe::error_t status, const std::string& what) {
  if (status.is_bad()) throw DeviceError(format("cuDNN: ", what, ": ", status.get_message()));
}

}  // namespace

std::string DnnOptions::text() const {
  return format("workspace ", workspace_limit, deterministic ? " deterministic" : "",
                tensor_cores ? "" : " no_tensor_cores");
}

bool may_compute(const DnnSpec& spec, const DnnOptions& options, const std::string& engine,
                 bool uses_cublaslt) {
  const bool is_engine_0 = engine == "eng0" || engine.starts_with("eng0_");
  const bool is_cublaslt = uses_cublaslt || (spec.kind == DnnKind::matmul && is_engine_0);
  const bool keeps_float32 = spec.a.dtype == DType::float32 && !spec.tf32;
  return !is_cublaslt || (options.tensor_cores && !keeps_float32);
}

struct DnnTarget::Impl {
  cudnnHandle_t handle = nullptr;
  std::shared_ptr<const fe::DeviceProperties> properties;
  std::string place;
  std::string model;
};

namespace {

// Adds the versions of the frontend and of cuDNN, which determine how plans are written and read.
std::string with_versions(std::string model) {
  return format(std::move(model), "\ncudnn ", device::cudnn().version, " frontend ",
                CUDNN_FRONTEND_VERSION);
}

}  // namespace

DnnTarget DnnTarget::of_handle(void* cudnn_handle, std::string place, std::string model) {
  load_cudnn();
  DnnTarget target;
  target.impl_ = std::make_shared<Impl>(Impl{static_cast<cudnnHandle_t>(cudnn_handle), nullptr,
                                             std::move(place), with_versions(std::move(model))});
  return target;
}

const std::string& DnnTarget::place() const { return impl_->place; }
const std::string& DnnTarget::model() const { return impl_->model; }

DnnTarget DnnTarget::of_properties(const std::string& json) {
  load_cudnn();
  auto properties = std::make_shared<fe::DeviceProperties>();
  check(properties->deserialize({json.begin(), json.end()}), "properties of a device");
  DnnTarget target;
  target.impl_ =
      std::make_shared<Impl>(Impl{nullptr, std::move(properties), "", with_versions(json)});
  return target;
}

std::string properties_of_device(int ordinal) {
  load_cudnn();
  fe::DeviceProperties properties;
  std::vector<std::uint8_t> json;
  check(properties.set_device_id(ordinal).build(), "properties of a device");
  check(properties.serialize(json), "properties of a device");
  return {json.begin(), json.end()};
}

struct DnnPlan::Impl {
  std::shared_ptr<Graph> graph;             // null where the plan came from text
  std::shared_ptr<fe::ExecutionPlan> plan;  // null where nothing was compiled
  std::string engine;
  std::size_t workspace_bytes = 0;
  std::vector<std::int64_t> ids;  // of the spec's tensors, in the order of DnnPointers
  std::mutex mutex;               // for run()
};

namespace {

// Takes the graph up to the list of proposals.
fe::error_t propose(Graph& graph, cudnnHandle_t handle,
                    const std::shared_ptr<const fe::DeviceProperties>& properties) {
  if (properties) graph.set_device_properties(properties);
  if (auto status = graph.validate(); status.is_bad()) return status;
  auto status = properties ? graph.build_operation_graph() : graph.build_operation_graph(handle);
  if (status.is_bad()) return status;
  return graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK});
}

std::vector<std::int64_t> ids_of(const DnnSpec& spec) {
  std::vector<std::int64_t> ids{kA, kB};
  if (spec.bias) ids.push_back(kBias);
  if (spec.aux) ids.push_back(kAux);
  ids.push_back(kY);
  return ids;
}

}  // namespace

std::unique_ptr<DnnPlan> DnnPlan::make(const DnnSpec& spec, const DnnTarget& target,
                                       const DnnOptions& options, std::string* refusal,
                                       bool compile) {
  const auto refuse = [&](const std::string& why) {
    *refusal = format(why, "\nasked for: ", spec.text());
    return nullptr;
  };
  auto graph = std::make_shared<Graph>(spec);
  auto status = propose(*graph, target.impl_->handle, target.impl_->properties);
  if (status.is_bad()) return refuse(status.get_message());

  fe::graph::Execution_plan_list& proposals = graph->proposals();
  status = proposals.filter_numeric_notes(barred(spec, options), false);
  if (status.is_bad()) return refuse(status.get_message());
  if (!may_compute(spec, options, "", true)) {
    status = proposals.filter_behavior_notes({fe::BehaviorNote_t::CUBLASLT_DEPENDENCY}, false);
    if (status.is_bad()) return refuse(status.get_message());
  }
  // In spite of its name, this function returns the engines of the list that have not been barred.
  auto engines = proposals.get_barred_engine_configs();
  std::string tried = format(engines.size(), " of ", graph->get_execution_plan_count(),
                             " engines compute as asked");
  for (auto& engine : engines) {
    auto made = std::make_unique<Impl>();
    made->engine = fe::detail::get_engine_tag(engine);
    if (!may_compute(spec, options, made->engine, false)) {
      tried += format("\n", made->engine, " is cuBLASLt, whose notes do not say how it multiplies");
      continue;
    }
    std::int64_t workspace = 0;
    status = fe::detail::get_workspace_size(engine, workspace);
    made->workspace_bytes = static_cast<std::size_t>(workspace);
    if (status.is_good() && made->workspace_bytes > options.workspace_limit) {
      tried += format("\n", made->engine, " wants a workspace of ", workspace, " bytes");
      continue;
    }
    if (status.is_good() && compile) {
      status = fe::detail::create_cudnn_execution_plan(made->plan, engine, made->engine, nullptr,
                                                       fe::CudaGraphRetention_t::NONE);
    }
    if (status.is_good()) {
      made->graph = std::move(graph);
      made->ids = ids_of(spec);
      return std::unique_ptr<DnnPlan>(new DnnPlan(std::move(made)));
    }
    tried += format("\n", made->engine, ": ", status.get_message());
  }
  return refuse(tried);
}

// The text is a line with engine and workspace, then cuDNN's own.
std::string DnnPlan::serialized() const {
  if (!impl_->plan) return {};
  try {
    const std::string text = impl_->plan->getJsonRepresentation();
    return text.empty() ? text : format(impl_->engine, ' ', impl_->workspace_bytes, '\n', text);
  } catch (const fe::cudnnException&) {
    return {};
  }
}

std::unique_ptr<DnnPlan> DnnPlan::from_text(const std::string& text, const DnnSpec& spec,
                                            const DnnTarget& target) {
  std::istringstream in(text);
  auto made = std::make_unique<Impl>();
  in >> made->engine >> made->workspace_bytes;
  const std::size_t end = text.find('\n');
  if (!in || end == std::string::npos) return nullptr;
  const std::string json = text.substr(end + 1);
  const DnnTarget::Impl& to = *target.impl_;
  const auto status = to.properties
                          ? fe::detail::create_cudnn_execution_plan(made->plan, json, to.properties,
                                                                    fe::CudaGraphRetention_t::NONE)
                          : fe::detail::create_cudnn_execution_plan(made->plan, json, to.handle,
                                                                    fe::CudaGraphRetention_t::NONE);
  if (status.is_bad()) return nullptr;
  // The plan must take the workspace that memory was laid out for.
  const auto workspace = static_cast<std::size_t>(made->plan->getWorkspaceSize());
  if (workspace > made->workspace_bytes) return nullptr;
  made->ids = ids_of(spec);
  return std::unique_ptr<DnnPlan>(new DnnPlan(std::move(made)));
}

DnnPlan::DnnPlan(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DnnPlan::~DnnPlan() = default;

std::size_t DnnPlan::workspace_bytes() const { return impl_->workspace_bytes; }
const std::string& DnnPlan::engine() const { return impl_->engine; }

void DnnPlan::run(void* cudnn_handle, const DnnPointers& pointers) const {
  const void* const all[]{nullptr, pointers.a, pointers.b, pointers.bias, pointers.aux, pointers.y};
  std::array<void*, 5> used{};
  for (std::size_t i = 0; i < impl_->ids.size(); ++i) {
    used[i] = const_cast<void*>(all[impl_->ids[i]]);  // cuDNN's table holds void*
  }
  const std::lock_guard lock(impl_->mutex);
  check(fe::detail::execute(static_cast<cudnnHandle_t>(cudnn_handle), impl_->plan.get(),
                            used.data(), impl_->ids, pointers.workspace),
        impl_->engine);
}

}  // namespace stoker::backend::cuda
