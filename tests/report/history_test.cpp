// A history as JSON, as CSV, and as a table.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

History of(std::vector<std::int64_t> epochs, std::map<std::string, std::vector<double>> values) {
  History history;
  history.epoch = std::move(epochs);
  history.history = std::move(values);
  return history;
}

// A history whose epochs spent these seconds outside of training.
History with_times(History history, const std::vector<double>& others) {
  for (const double other : others) {
    history.feed_by_epoch.emplace_back();
    history.feed_by_epoch.back().other = other;
  }
  return history;
}

std::string printed(const History& history) {
  std::ostringstream out;
  out << history;
  return out.str();
}

std::string csv_of(const History& history) {
  const test::TemporaryFolder folder;
  history.save_csv(folder / "h.csv");
  return test::read_all(folder / "h.csv");
}

History trained(FitOptions options) {
  Sequential model({Input({4}), Dense(1)}, {.seed = 7});
  model.compile({.optimizer = SGD(), .loss = "mse", .metrics = {"mae"}});
  options.verbose = 0;
  return model.fit(Tensor::uniform({32, 4}), Tensor::uniform({32, 1}), std::move(options));
}

// ---- JSON ----

TEST(HistoryJson, has_everything_and_reads_back_to_the_same_numbers) {
  const History history = trained({.epochs = 2, .validation_split = 0.25});
  const Config json = Config::from_json(history.to_json());
  ASSERT_EQ(json.members().size(), 4u);
  EXPECT_EQ(json["epoch"], Config::list({0, 1}));
  ASSERT_EQ(json["history"].size(), history.history.size());
  for (const auto& [name, values] : history.history) {
    ASSERT_EQ(json["history"][name].size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(json["history"][name][i].number(), values[i]) << name;
    }
  }
  EXPECT_EQ(json["feed"], Config::from_json(history.feed.to_json()));
  ASSERT_EQ(json["feed_by_epoch"].size(), 2u);
  EXPECT_EQ(json["feed_by_epoch"][std::size_t{1}],
            Config::from_json(history.feed_by_epoch[1].to_json()));
}

TEST(HistoryJson, has_null_for_what_is_not_finite_and_escapes_names) {
  const History history = of({0, 1, 2}, {{"a\"\n<ü\xff", {kNaN, kInfinity, 0.1}}});
  EXPECT_TRUE(test::contains(history.to_json(), R"({"epoch": [0, 1, 2], "history": {"a\"\n<ü)"
                                                "\ufffd"
                                                R"(": [null, null, 0.1]}, "feed": {)"));
}

TEST(HistoryJson, is_an_object_for_a_history_of_nothing) {
  const Config json = Config::from_json(History().to_json());
  EXPECT_EQ(json["epoch"].size(), 0u);
  EXPECT_EQ(json["feed"]["batches"].integer(), 0);
}

TEST(HistoryJson, is_written_whole_or_not_at_all) {
  const test::TemporaryFolder folder;
  const History history = of({0}, {{"loss", {0.5}}});
  history.save_json(folder / "h.json");
  EXPECT_EQ(test::read_all(folder / "h.json"), history.to_json() + "\n");
  EXPECT_TRUE(
      test::contains(test::message_of<IoError>([&] { history.save_json(folder / "none/h.json"); }),
                     "none/h.json"));
  EXPECT_THROW(history.save_csv(folder / "none/h.csv"), IoError);
}

// ---- CSV ----

TEST(HistoryCsv, has_a_row_for_each_epoch_and_names_in_their_order) {
  EXPECT_EQ(csv_of(of({3, 4}, {{"val_loss", {0.1, 1.0 / 3}},
                               {"loss", {kNaN, -kInfinity}},
                               {"a,\"b\"", {1e300, 2.0}}})),
            "epoch,\"a,\"\"b\"\"\",loss,val_loss\n"
            "3,1e+300,nan,0.1\n"
            "4,2,-inf,0.3333333333333333\n");
}

TEST(HistoryCsv, reads_back_to_the_same_numbers) {
  const test::TemporaryFolder folder;
  const History history = trained({.epochs = 3});
  history.save_csv(folder / "h.csv");
  const Tensor losses = read_csv(folder / "h.csv").floats({"loss"});
  ASSERT_EQ(losses.size(), 3);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(losses.data<float>()[i], static_cast<float>(history["loss"][i]));
  }
}

TEST(HistoryCsv, leaves_epochs_without_validation_empty) {
  const History history = trained({.epochs = 5, .validation_split = 0.25, .validation_freq = 2});
  ASSERT_EQ(history["val_loss"].size(), 2u);
  std::istringstream lines(csv_of(history));
  std::string line;
  std::getline(lines, line);
  EXPECT_TRUE(line.ends_with(",val_loss,val_mae"));
  for (int epoch = 0; epoch < 5; ++epoch) {
    std::getline(lines, line);
    EXPECT_EQ(line.ends_with(",,"), epoch % 2 == 0) << line;
  }
}

TEST(HistoryCsv, counts_validation_from_the_first_epoch_of_a_fit_that_goes_on) {
  EXPECT_EQ(csv_of(of({3, 4, 5, 6}, {{"val_loss", {1, 2}}})), "epoch,val_loss\n3,1\n4,\n5,2\n6,\n");
  EXPECT_EQ(csv_of(of({4, 5, 6}, {{"val_loss", {1}}})), "epoch,val_loss\n4,\n5,1\n6,\n");
}

// Of five epochs with one validation the frequency may have been 3, 4 or 5.
TEST(HistoryCsv, asks_the_time_where_several_frequencies_are_possible) {
  const History history = of({0, 1, 2, 3, 4}, {{"val_loss", {7}}});
  EXPECT_EQ(csv_of(with_times(history, {0.1, 0.1, 0.1, 0.1, 0.9})),
            "epoch,val_loss\n0,\n1,\n2,\n3,\n4,7\n");
  EXPECT_EQ(csv_of(with_times(history, {0.5, 0.1, 0.1, 0.9, 0.1})),
            "epoch,val_loss\n0,\n1,\n2,\n3,7\n4,\n");
}

TEST(HistoryCsv, has_values_of_callbacks_that_began_late_in_the_last_epochs) {
  EXPECT_EQ(csv_of(of({0, 1, 2}, {{"own", {5}}})), "epoch,own\n0,\n1,\n2,5\n");
}

TEST(HistoryCsv, keeps_values_without_an_epoch) {
  EXPECT_EQ(csv_of(of({0}, {{"own", {5, 6}}})), "epoch,own\n0,5\n,6\n");
  EXPECT_EQ(csv_of(History()), "epoch\n");
}

// ---- The table ----

TEST(HistoryTable, has_a_line_for_each_epoch_and_fits_a_terminal) {
  const History history = of({0, 1, 10}, {{"accuracy", {0.5, 0.75, 1.0}},
                                          {"feed_computed", {1, 1, 1}},
                                          {"feed_wall", {1.234, 234e-6, 123.4}},
                                          {"learning_rate", {1e-3, 1e-4, 1e-5}},
                                          {"loss", {1.25, kNaN, 1e7}},
                                          {"val_accuracy", {0.25, 0.5, 0.0}},
                                          {"val_loss", {2, 1.5, kInfinity}}});
  const std::string text = printed(history);
  EXPECT_EQ(text,
            "epoch        loss  accuracy  val_loss  val_accuracy  learning_rate    time\n"
            "    0      1.2500    0.5000    2.0000        0.2500     1.0000e-03  1.23 s\n"
            "    1         nan    0.7500    1.5000        0.5000     1.0000e-04  234 µs\n"
            "   10  1.0000e+07    1.0000       inf        0.0000     1.0000e-05   123 s");
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 81u);
}

TEST(HistoryTable, leaves_cells_without_a_value_empty) {
  EXPECT_EQ(printed(of({0, 1}, {{"loss", {1, 2}}, {"val_loss", {3}}})),
            "epoch    loss  val_loss\n"
            "    0  1.0000\n"
            "    1  2.0000    3.0000");
  EXPECT_EQ(printed(History()), "epoch");
}

TEST(HistoryTable, shows_names_without_what_a_terminal_would_obey) {
  EXPECT_EQ(printed(of({0}, {{"損失\n\x1b", {1}}})),
            "epoch  損失^J^[\n"
            "    0    1.0000");
}

}  // namespace
}  // namespace stoker
