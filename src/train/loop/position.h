// Where a fit stands, from which another one can go on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "feed/ring/feed_state.h"
#include "stoker/model.h"
#include "train/callbacks/callback_list.h"

namespace stoker::train {

struct FitPosition {
  feed::FeedState feed{};        // The batch that comes next.
  std::uint64_t fits_begun = 0;  // Model::Impl's, when the fit began.
  // The steps that were run in that epoch and in all; batches that were skipped are not among them.
  std::int64_t steps_of_epoch = 0;
  std::int64_t steps = 0;
  std::vector<NamedState> callbacks{};
};

// Returns the position of the fit that is under way on the model; nullopt where there is none.
std::optional<FitPosition> position_of_fit(const Model::Impl& model);
// Whether a fit is under way on the model, or begins.
bool is_in_fit(const Model::Impl& model);
// Throws ValueError while a loop is under way that is past its beginning, and could not go on from
// another place any more. `what` is the name of the call.
void require_restorable(const Model::Impl& model, const char* what);
// Throws ValueError, with what to add, unless the source of the fit that begins can be asked for
// its batches from any place on.
void require_source_resumes(const Model::Impl& model);
// Lets the fit that begins go on from this position. Where none begins, fits that come after it
// draw other random numbers than the one that was restored.
void go_on_from(Model::Impl& model, std::optional<FitPosition> position);

}  // namespace stoker::train
