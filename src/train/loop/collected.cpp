#include "train/loop/collected.h"

#include <cstring>

namespace stoker::train {

Collected::Collected(const Topology& topology) {
  for (std::size_t i = 0; i < topology.outputs().size(); ++i) {
    outputs_.push_back({topology.output(i).value.shape, {}});
  }
}

void Collected::take(const Plan& plan, std::int64_t rows, device::Stream& stream) {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    std::vector<std::byte>& to = outputs_[i].rows;
    const auto elements = outputs_[i].shape.without_batch().with_batch(rows).elements();
    const std::size_t bytes = static_cast<std::size_t>(elements) * sizeof(float);
    to.resize(to.size() + bytes);
    stream.copy_to_host(to.data() + to.size() - bytes, plan.executable->address(plan.outputs[i]),
                        bytes);
  }
  count_ += rows;
  last_rows_ = rows;
  stream.synchronize();
}

std::vector<Tensor> Collected::rows_from(std::int64_t first) const {
  std::vector<Tensor> result;
  for (const auto& [shape, rows] : outputs_) {
    Tensor& tensor = result.emplace_back(shape.without_batch().with_batch(count_ - first));
    if (tensor.bytes() == 0) continue;
    std::memcpy(tensor.raw(), rows.data() + rows.size() - tensor.bytes(), tensor.bytes());
  }
  return result;
}

}  // namespace stoker::train
