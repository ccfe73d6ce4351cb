// The outputs of a prediction, batch after batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "stoker/callback.h"
#include "train/model_impl.h"

namespace stoker::train {

class Collected final : public detail::PredictionsSource {
 public:
  explicit Collected(const Topology& topology);

  // Appends the rows of a batch that `plan` has computed, and waits until they have arrived.
  void take(const Plan& plan, std::int64_t rows, device::Stream& stream);

  // Returns all rows, a tensor for each output.
  std::vector<Tensor> tensors() const { return rows_from(0); }
  std::vector<Tensor> last_batch() const override { return rows_from(count_ - last_rows_); }

 private:
  struct Output {
    Shape shape;
    std::vector<std::byte> rows;
  };
  std::vector<Tensor> rows_from(std::int64_t first) const;

  std::vector<Output> outputs_;
  std::int64_t count_ = 0;
  std::int64_t last_rows_ = 0;
};

}  // namespace stoker::train
