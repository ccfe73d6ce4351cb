#include "train/callbacks/silent_mistakes.h"

#include <cmath>
#include <string>

#include "core/format.h"
#include "report/progress_bar.h"

namespace stoker::train {
namespace {

// Sums of the same losses in another order differ by this much.
constexpr double kRounding = 1e-6;

}  // namespace

void ConstantLoss::on_epoch_end(std::int64_t epoch, Logs& logs) {
  if (!is_new_ || epoch > 1) return;
  const double loss = logs["loss"];
  if (!first_) {
    first_ = loss;
    return;
  }
  if (loss == 0.0 || !(std::fabs(loss - *first_) <= kRounding * std::fabs(loss))) return;
  report::print_warning(
      format("the loss of epoch 2 is that of epoch 1, ", loss,
             ": nothing is learned. Gradients may be 0 (units that are all silent, inputs that are "
             "not scaled and saturate an activation), the learning rate too small, or all layers "
             "frozen"));
}

void UnusedClassWeights::on_epoch_end(std::int64_t epoch, Logs&) {
  const std::shared_ptr<const ClassUse> use = std::exchange(use_, nullptr);
  if (use == nullptr) return;
  if (use->has_fraction()) {
    report::print_warning(
        "class_weight: there are labels that are no whole numbers, and so no classes; they have "
        "the "
        "weight of the number before the point. Sample weights weigh targets of any kind");
  }
  std::string classes;
  for (const std::int64_t unused : use->unused()) {
    classes += format(classes.empty() ? "" : ", ", unused);
  }
  if (classes.empty()) return;
  report::print_warning(format("class_weight: no label of epoch ", epoch + 1, " is ", classes,
                               ", which has a weight. Are labels numbered otherwise?"));
}

}  // namespace stoker::train
