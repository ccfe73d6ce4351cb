#include "train/callbacks/history_recorder.h"

namespace stoker::train {

void HistoryRecorder::on_epoch_end(std::int64_t epoch, Logs& logs) {
  history_.epoch.push_back(epoch);
  for (const auto& [key, value] : logs) history_.history[key].push_back(value);
}

void HistoryRecorder::on_epoch_report(std::int64_t, const FeedReport& report) {
  history_.history["feed_wall"].push_back(report.wall);
  history_.history["feed_waited_for_generator"].push_back(report.waited_for_generator);
  history_.history["feed_waited_for_upload"].push_back(report.waited_for_upload);
  history_.history["feed_waited_for_launch"].push_back(report.waited_for_launch);
  history_.history["feed_computed"].push_back(report.computed);
  history_.feed += report;
  history_.feed_by_epoch.push_back(report);
}

}  // namespace stoker::train
