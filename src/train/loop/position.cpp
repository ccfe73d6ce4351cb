#include "train/loop/position.h"

#include <utility>

#include "core/format.h"
#include "feed/ring/resume.h"
#include "stoker/error.h"
#include "train/loop/loop.h"

namespace stoker::train {
namespace {

// The loop of the fit that is under way; a callback may have begun others within it.
const Loop* fit_of(const Model::Impl& model) {
  const Loop* loop = model.loop;
  while (loop != nullptr && loop->mode() != Mode::train) loop = loop->outer();
  return loop;
}

}  // namespace

std::optional<FitPosition> position_of_fit(const Model::Impl& model) {
  const Loop* fit = fit_of(model);
  if (fit == nullptr || !fit->is_open()) return std::nullopt;
  return fit->position();
}

void require_restorable(const Model::Impl& model, const char* what) {
  for (const Loop* loop = model.loop; loop != nullptr; loop = loop->outer()) {
    if (!loop->is_open()) continue;
    throw ValueError(format("Model \"", model.name, "\": ", what,
                            ": expected a model that does not train or compute, or on_train_begin "
                            "of a callback; a fit, an evaluation or a prediction is under way"));
  }
}

void require_source_resumes(const Model::Impl& model) {
  const Loop* fit = fit_of(model);
  if (fit == nullptr) return;
  const feed::Resume resume = feed::resume_of(fit->source());
  if (resume.kind == feed::ResumeKind::none) throw ValueError(resume.why_not);
}

void go_on_from(Model::Impl& model, std::optional<FitPosition> position) {
  if (fit_of(model) != nullptr) model.resumes_at = std::move(position);
}

}  // namespace stoker::train
