// Writes the trace of a fit when it ends.
#pragma once

#include <string>

#include "report/trace.h"
#include "stoker/callback.h"
#include "train/loop/loop.h"

namespace stoker::train {

class TraceWriter final : public Callback {
 public:
  // Writes nothing where `path` is empty.
  TraceWriter(const Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}

  void on_train_end(const Logs&) override {
    if (path_.empty() || !loop_.is_open()) return;
    report::write_trace(loop_.feed().timeline(), loop_.feed().consumer_track(), path_);
  }

 private:
  const Loop& loop_;
  const std::string path_;
};

}  // namespace stoker::train
