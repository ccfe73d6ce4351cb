// Writes a fit's history.
#pragma once

#include <cstdint>
#include <utility>

#include "stoker/callback.h"
#include "stoker/history.h"

namespace stoker::train {

class HistoryRecorder final : public Callback {
 public:
  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_epoch_report(std::int64_t epoch, const FeedReport& report) override;

  History take() { return std::move(history_); }

 private:
  History history_;
};

}  // namespace stoker::train
