// What a page imagines of a run.
#include <string>
#include <utility>

#include "core/format.h"
#include "report/page.h"
#include "stoker/error.h"

namespace stoker::report {

std::vector<PageWhatIf> page_what_if(const FeedReport& report) {
  std::vector<PageWhatIf> rows;
  if (report.by_hand || report.classify() == FeedReport::Class::nothing) return rows;
  const auto add = [&](std::string change, const WhatIf& what) {
    rows.push_back({std::move(change), report.what_if(what)});
  };
  add("The device is twice as fast", {.device_speed = 2.0});
  add("The device is four times as fast", {.device_speed = 4.0});
  add("The generator is twice as fast", {.generator_speed = 2.0});
  if (report.is_pure) {
    const int more = 2 * report.workers;
    add(format(more, " workers instead of ", report.workers), {.workers = more});
  }
  if (report.upload.count() > 0) add("A batch has half the bytes", {.upload_bytes = 0.5});
  return rows;
}

}  // namespace stoker::report
