// Warns of batches that were asked for and did not come.
#pragma once

#include <cstdint>

#include "feed/feed.h"
#include "stoker/callback.h"

namespace stoker::train {

class Loop;

// For a fit: tells that the source ran out of data, and once that an epoch was short, because every
// pass through such a source would repeat it.
class MissingBatches final : public Callback {
 public:
  MissingBatches(const Loop& loop, const feed::FeedOptions& options)
      : loop_(loop), options_(options) {}

  void on_epoch_end(std::int64_t epoch, Logs& logs) override;
  void on_train_end(const Logs& logs) override;

 private:
  const Loop& loop_;
  const feed::FeedOptions& options_;
  bool warned_ = false;
};

// For an evaluation or a prediction: warns so that a mean over fewer batches than were asked for
// does not pass for one over all of them.
class ShortPass final : public Callback {
 public:
  ShortPass(const Loop& loop, const feed::FeedOptions& options) : loop_(loop), options_(options) {}

  void on_test_end(const Logs&) override { warn(); }
  void on_predict_end() override { warn(); }

 private:
  void warn() const;

  const Loop& loop_;
  const feed::FeedOptions& options_;
};

}  // namespace stoker::train
