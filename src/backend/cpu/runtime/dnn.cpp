#include "backend/cpu/runtime/dnn.h"

#include "core/format.h"

namespace stoker::backend::cpu {

using dnnl::memory;

const dnnl::engine& dnn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

namespace {

memory::data_type dnn_type(DType dtype) {
  return dtype == DType::bfloat16 ? memory::data_type::bf16 : memory::data_type::f32;
}

}  // namespace

memory::desc plain(const memory::dims& dims, DType dtype) {
  memory::dims strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strided(dims, strides, dtype);
}

memory::desc strided(const memory::dims& dims, const memory::dims& strides, DType dtype) {
  return {dims, dnn_type(dtype), strides};
}

memory::desc any_layout(const memory::dims& dims, DType dtype) {
  return {dims, dnn_type(dtype), memory::format_tag::any};
}

memory::desc image(const Shape& s, DType dtype) {
  return {{s[0], s[3], s[1], s[2]}, dnn_type(dtype), memory::format_tag::nhwc};
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

dnnl::primitive_attr with_relu() {
  dnnl::primitive_attr attributes = user_scratchpad();
  dnnl::post_ops post;
  post.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attributes.set_post_ops(post);
  return attributes;
}

bool has_bfloat16_products() {
  // The values are sets of bits, each of which stands for a family of instructions.
  static const auto has = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  constexpr auto kNeeded = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (has & kNeeded) == kNeeded;
}

std::string dnn_version() {
  const dnnl_version_t& version = *dnnl_version();
  return format("oneDNN ", version.major, '.', version.minor, '.', version.patch, " for ",
                static_cast<unsigned>(dnnl::get_effective_cpu_isa()));
}

std::string implementation_of(const dnnl::primitive_desc_base& desc) {
  return desc.get(true) ? desc.impl_info_str() : "";
}

Primitive::Primitive(const dnnl::primitive& primitive,
                     std::initializer_list<std::pair<int, memory::desc>> arguments)
    : primitive_(primitive), stream_(dnn_engine()) {
  for (const auto& [number, desc] : arguments) {
    memories_.push_back(memory(desc, dnn_engine(), nullptr));
    arguments_.push_back({number, memories_.back().get()});
    data_.push_back(nullptr);
  }
}

void Primitive::set(std::size_t argument, const void* data) {
  if (data_[argument] == data) return;
  data_[argument] = data;
  dnnl_memory_set_data_handle(memories_[argument].get(), const_cast<void*>(data));
}

void Primitive::execute() {
  dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()),
                         arguments_.data());
}

Primitive make_reorder(const memory::desc& from, const memory::desc& to) {
  if (from == to) return {};
  const dnnl::reorder::primitive_desc desc(dnn_engine(), from, dnn_engine(), to, user_scratchpad());
  return {
      dnnl::reorder(desc),
      {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}};
}

}  // namespace stoker::backend::cpu
