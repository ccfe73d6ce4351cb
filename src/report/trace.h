// A timeline as a trace that Perfetto and chrome://tracing show.
#pragma once

#include <cstddef>
#include <filesystem>

#include "core/timeline.h"

namespace stoker::report {

// Writes the trace, with one row for each track: workers first, then the consumer and the device's
// two streams. Arrows lead each batch from the worker that filled it to the step that consumed it.
// The file is written whole or not at all. Throws IoError.
void write_trace(const Timeline& timeline, std::size_t workers, const std::filesystem::path& path);

}  // namespace stoker::report
