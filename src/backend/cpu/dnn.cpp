#include "backend/cpu/dnn.h"

namespace stoker::backend::cpu {

using dnnl::memory;

const dnnl::engine& dnn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::desc plain(const memory::dims& dims) {
  memory::dims strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strided(dims, strides);
}

memory::desc strided(const memory::dims& dims, const memory::dims& strides) {
  return {dims, memory::data_type::f32, strides};
}

memory::desc any_layout(const memory::dims& dims) {
  return {dims, memory::data_type::f32, memory::format_tag::any};
}

memory::desc image(const Shape& s) {
  return {{s[0], s[3], s[1], s[2]}, memory::data_type::f32, memory::format_tag::nhwc};
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
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
