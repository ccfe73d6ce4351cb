// The Trace Event Format (Google, 2016): complete events "X", metadata "M", flow events "s", "t"
// and "f" that share an id. Times are in microseconds.
#include "report/trace.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/format.h"
#include "report/text.h"

namespace stoker::report {
namespace {

std::string track_name(std::size_t track, std::size_t workers) {
  if (track < workers) return format("worker ", track);
  if (track == workers) return "training loop";
  return track == workers + 1 ? "device: copies" : "device: steps";
}

std::string microseconds(std::int64_t ns) {
  return print("%lld.%03lld", static_cast<long long>(ns / 1000), static_cast<long long>(ns % 1000));
}

// Returns the phase of a stage in its batch's arrow, which begins, passes or ends there.
const char* flow_phase(Stage stage) {
  switch (stage) {
    case Stage::generate:
      return "s";
    case Stage::upload:
      return "t";
    case Stage::compute:
      return "f";
    default:
      return nullptr;
  }
}

}  // namespace

void write_trace(const Timeline& timeline, std::size_t workers, const std::filesystem::path& path) {
  const std::vector<Stamp> stamps = timeline.stamps();
  const std::int64_t begin = stamps.empty() ? 0 : stamps.front().begin_ns;
  std::string text = "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n";
  text += R"({"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": {"name": "stoker"}})";
  for (std::size_t track = 0; track < timeline.size(); ++track) {
    text += format(",\n{\"ph\": \"M\", \"pid\": 1, \"tid\": ", track,
                   ", \"name\": \"thread_name\", \"args\": {\"name\": \"",
                   track_name(track, workers), "\"}}");
  }
  for (const Stamp& stamp : stamps) {
    const std::string at = format("\"pid\": 1, \"tid\": ", stamp.worker,
                                  ", \"ts\": ", microseconds(stamp.begin_ns - begin));
    text += format(
        ",\n{\"ph\": \"X\", ", at,
        ", \"dur\": ", microseconds(std::max<std::int64_t>(0, stamp.end_ns - stamp.begin_ns)),
        ", \"name\": \"", name_of(stamp.stage), "\", \"args\": {\"batch\": ", stamp.sequence, "}}");
    if (const char* phase = flow_phase(stamp.stage)) {
      text += format(",\n{\"ph\": \"", phase, "\", ", at, ", \"id\": ", stamp.sequence,
                     ", \"name\": \"batch\", \"cat\": \"batch\"",
                     stamp.stage == Stage::compute ? ", \"bp\": \"e\"}" : "}");
    }
  }
  text += "\n]}\n";
  write_file(path, text);
}

}  // namespace stoker::report
