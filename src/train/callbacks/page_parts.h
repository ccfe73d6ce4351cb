// What a model can tell of itself for the page of its training.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/page.h"
#include "stoker/model.h"

namespace stoker::train {

class Loop;

report::PageModel page_model(const Model::Impl& model);
report::PageMemory page_memory(const MemoryReport& report);
// Returns the arguments of compile(), one group for each, and where the steps run.
std::vector<report::FactGroup> page_compiled(const Model::Impl& model);
// Returns what is known of the fit's options. `feed` may have no batches yet.
report::FactGroup page_fit(const Loop& loop, const CallbackParams& params, const FeedReport& feed);
std::vector<std::string> page_tracks(const Loop& loop);

}  // namespace stoker::train
