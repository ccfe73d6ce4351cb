#include "stoker/callbacks.h"
#include "stoker/error.h"
#include "train/model_access.h"
#include "train/runtime/in_use.h"
#include "train/saving/averages.h"

namespace stoker {

void SwapEMAWeights::swap(bool averages_are_weights) {
  if (averages_are_weights_ == averages_are_weights) return;
  const train::InUse model(detail::ModelAccess::impl(this->model(), "SwapEMAWeights"),
                           "SwapEMAWeights", train::Access::write);
  if (!train::has_averages(*model)) {
    throw ValueError(
        "SwapEMAWeights: expected an optimizer that keeps averages; compile the model with "
        "{.use_ema = true}");
  }
  train::swap_averages(*model);
  averages_are_weights_ = averages_are_weights;
}

void SwapEMAWeights::on_epoch_begin(std::int64_t) {
  if (options_.swap_on_epoch) swap(false);
}

// When the fit ends, the averages take the weights' place, so after the last epoch they have to be
// what the weights are now.
void SwapEMAWeights::on_epoch_end(std::int64_t epoch, Logs&) {
  if (!options_.swap_on_epoch) return;
  swap(true);
  if (epoch + 1 != params().epochs) return;
  const train::InUse model(detail::ModelAccess::impl(this->model(), "SwapEMAWeights"),
                           "SwapEMAWeights", train::Access::write);
  train::overwrite_averages(*model);
}

void SwapEMAWeights::on_test_begin() { swap(true); }
void SwapEMAWeights::on_test_end(const Logs&) { swap(false); }
void SwapEMAWeights::on_predict_begin() { swap(true); }
void SwapEMAWeights::on_predict_end() { swap(false); }

}  // namespace stoker
