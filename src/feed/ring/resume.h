// How a source is resumed: what a training needs to go on with it where an earlier one stopped.
#pragma once

#include <cstdint>
#include <string>

#include "feed/ring/feed_options.h"
#include "stoker/source.h"

namespace stoker::feed {

enum class ResumeKind : std::uint8_t {
  by_number,  // the batch's number is enough
  by_state,   // by what the source saved after the last batch
  none,       // not exactly
};

struct Resume {
  ResumeKind kind = ResumeKind::by_number;
  std::string why_not{};  // for ResumeKind::none: the reason, and what to do about it
};

Resume resume_of(const Source& source);

// Throws ValueError if the options begin in the middle of a training with a source that can't be
// resumed exactly, or without the state that it saves.
void check_resume(const FeedOptions& options, const Source& source);

}  // namespace stoker::feed
