#include "train/runtime/step_runner.h"

#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker::train {

StepRunner::StepRunner(Model::Impl& model, Mode mode, const Source& source)
    : model_(model), mode_(mode), spec_(source.spec()), offsets_(feed::SlotLayout(spec_).offsets) {
  known_.reserve(kMostKnown);
}

Plan& StepRunner::prepare() { return plan(spec_.batch_size()); }

Plan& StepRunner::plan(std::int64_t rows) {
  for (const auto& plan : known_) {
    if (plan->rows == rows) return *plan;
  }
  if (known_.size() == kMostKnown) {
    model_.synchronize();  // The last step of the dropped plan may be under way.
    // The first plan is kept because it is that of whole batches.
    known_.erase(known_.begin() + 1);
  }
  known_.push_back(model_.plan(mode_, spec_, offsets_, rows));
  return *known_.back();
}

void StepRunner::run(const feed::Batch& batch, device::RingState* ring, const StepPlace& place) {
  last_ = nullptr;
  last_ = &plan(batch.rows);
  model_.run(*last_, ring, place);
}

void StepRunner::check(const StepPlace& place) {
  if (last_ != nullptr) model_.check(*last_, place);
}

void StepRunner::check(const StepPlace& place, const plan::Scalars& found) {
  if (last_ != nullptr) model_.check(*last_, place, found);
}

void require_source(const std::shared_ptr<Source>& source, const char* what) {
  if (!source) detail::throw_no_source(what);
}

void require_end(const Source& source, const std::optional<std::int64_t>& steps, const char* what,
                 const char* option) {
  if (steps) check::require(what, option, *steps, check::at_least(1));
  if (source.endless() && !steps) {
    throw ValueError(format(what, ": the source never ends, so ", option,
                            " must say how many batches to take: {.", option, " = ...}"));
  }
}

}  // namespace stoker::train
