#include "stoker/several.h"

namespace stoker {

template class Several<double>;
template class Several<Tensor>;

Tensors::Tensors() = default;
Tensors::Tensors(const Tensor& one) : entries_{one} {}
Tensors::Tensors(std::initializer_list<Entry> entries) : entries_(entries) {}
Tensors::Tensors(const std::vector<Tensor>& list) : entries_(list.begin(), list.end()) {}
Tensors::Tensors(const std::map<std::string, Tensor>& named) {
  for (const auto& [name, tensor] : named) entries_.emplace_back(name, tensor);
}
Tensors::Tensors(const Several<Tensor>& several) {
  for (const auto& entry : several.entries()) entries_.emplace_back(entry.name, entry.value);
}
Tensors::Tensors(const Tensors& other) = default;
Tensors::Tensors(Tensors&& other) noexcept = default;
Tensors& Tensors::operator=(const Tensors& other) = default;
Tensors& Tensors::operator=(Tensors&& other) noexcept = default;
Tensors::~Tensors() = default;

}  // namespace stoker
