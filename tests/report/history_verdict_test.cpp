// The verdict on a fit with a chart of its last epochs.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "report/chart.h"
#include "report/columns.h"
#include "stoker/error.h"
#include "stoker/history.h"
#include "support/acted_fit.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;

History history_of(std::int64_t epochs) {
  History history;
  for (std::int64_t i = 0; i < epochs; ++i) {
    const FeedReport epoch =
        test::act({.generate = 4e-3, .upload = 1e-3, .step = 2e-3}, {.batches = 100 * (1 + i % 3)});
    history.epoch.push_back(i);
    history.feed += epoch;
    history.feed_by_epoch.push_back(epoch);
  }
  return history;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

TEST(HistoryVerdict, is_the_verdict_with_a_line_for_each_of_the_last_epochs) {
  const History history = history_of(30);
  const std::string text = history.verdict();
  ASSERT_TRUE(text.starts_with(history.feed.verdict()));
  const auto lines = lines_of(text.substr(history.feed.verdict().size()));
  ASSERT_EQ(lines.size(), 13U);
  EXPECT_TRUE(contains(lines[1], "epoch 19"));
  EXPECT_TRUE(contains(lines.back(), "epoch 30"));
  EXPECT_TRUE(contains(lines.back(), "▓"));
}

TEST(HistoryVerdict, keeps_to_the_columns) {
  for (const int columns : {40, 80, 200}) {
    const History history = history_of(5);
    for (const std::string& line :
         lines_of(history.verdict(columns).substr(history.feed.verdict().size()))) {
      EXPECT_LE(report::columns_of(line), columns) << line;
    }
  }
  EXPECT_TRUE(
      contains(test::message_of<ValueError>([] { (void)History{}.verdict(3); }), "columns"));
}

TEST(HistoryVerdict, of_no_epoch_has_no_chart) {
  EXPECT_EQ(History{}.verdict(), FeedReport{}.verdict());
}

}  // namespace
}  // namespace stoker
