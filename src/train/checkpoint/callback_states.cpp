#include "train/checkpoint/callback_states.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {
namespace {

Tensor read_tensor(io::SafetensorsReader& file, const std::string& name) {
  const io::SafetensorsEntry* entry = file.header().find(name);
  if (entry == nullptr) throw ValueError(format("expected a tensor \"", name, '"'));
  Tensor tensor(entry->shape, io::dtype_of_safetensors(entry->dtype));
  file.read(*entry, {static_cast<std::byte*>(tensor.raw()), tensor.bytes()});
  return tensor;
}

}  // namespace

std::string name_of_callback_tensor(std::size_t i, std::size_t k) {
  return format("stoker/callbacks/", i, '/', k);
}

Config describe_callbacks(const std::vector<NamedState>& states) {
  Config list = Config::list();
  for (const NamedState& one : states) {
    list.append(Config::map({{"name", one.name},
                             {"place", one.place},
                             {"tensors", one.state.tensors.size()},
                             {"values", one.state.values}}));
  }
  return list;
}

std::vector<NamedState> read_callbacks(const Config& described, io::SafetensorsReader& file) {
  std::vector<NamedState> states;
  for (const Config& one : described.list_items()) {
    NamedState state{one["name"].string(), one["place"].integer()};
    state.state.values = one["values"];
    const std::int64_t tensors = one["tensors"].integer();
    // A tensor that is missing ends this, however many a file says there are.
    for (std::int64_t k = 0; k < tensors; ++k) {
      state.state.tensors.push_back(
          read_tensor(file, name_of_callback_tensor(states.size(), static_cast<std::size_t>(k))));
    }
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace stoker::train
