// What a training would have been with another device, other workers or other data.
#include <fstream>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>

#include <stoker/config.h>
#include <stoker/error.h>
#include <stoker/report.h>

#include "commands.h"

namespace stoker::tool {
namespace {

// Histories of long trainings are a few megabytes.
constexpr std::streamsize kMostBytes = std::streamsize{256} << 20;

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw IoError(path + ": it can't be read");
  std::string text;
  text.resize(1 << 16);
  std::streamsize bytes = 0;
  while (file.read(text.data() + bytes, static_cast<std::streamsize>(text.size()) - bytes) ||
         file.gcount() > 0) {
    bytes += file.gcount();
    if (bytes > kMostBytes) throw IoError(path + ": it is too large to be a history");
    text.resize(static_cast<std::size_t>(bytes) + (1 << 20));
  }
  if (file.bad()) throw IoError(path + ": it is no file that can be read");
  text.resize(static_cast<std::size_t>(bytes));
  return text;
}

// The report of a history, or of a report that was written by itself.
FeedReport report_in(const std::string& path) {
  const std::string text = read_text(path);
  try {
    const Config json = Config::from_json(text);
    const Config* feed = json.is_map() ? json.find("feed") : nullptr;
    return feed != nullptr ? FeedReport::from_json(feed->to_json()) : FeedReport::from_json(text);
  } catch (const ValueError& error) {
    throw ValueError(
        path + ": expected what `fit --history` or FeedReport::to_json() wrote: " + error.what());
  }
}

}  // namespace

void run(const WhatIf& arguments, std::ostream& out) {
  const FeedReport report = report_in(arguments.file);
  const Outcome outcome = report.what_if(arguments.change);
  if (arguments.json) {
    out << outcome.to_json() << '\n';
  } else {
    out << "It was " << report.headline() << ".\nThen " << outcome.text() << ".\n";
  }
}

}  // namespace stoker::tool
