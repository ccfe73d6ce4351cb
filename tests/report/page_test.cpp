// The page of a training: its data as JSON, its size, and what of it is text.
#include "report/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include "report/json_writer.h"
#include "stoker/config.h"
#include "stoker/error.h"
#include "stoker/history.h"
#include "support/contains.h"
#include "support/temporary_folder.h"

namespace stoker::report {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::string kMarkup = "</script><script>alert(1)</script>\"'\\&\n\x01";

FeedReport feed_report() {
  FeedReport report;
  report.wall = 2.0;
  report.computed = 0.5;
  report.waited_for_generator = 1.3;
  report.other = 0.2;
  report.batches = 100;
  report.samples = 3200;
  for (int i = 0; i < 100; ++i) {
    report.generate.add(18'000'000);
    report.step.add(5'000'000);
  }
  return report;
}

Page page_of(std::int64_t epochs, std::size_t metrics) {
  Page page{.title = "A run", .written = "today"};
  for (std::int64_t i = 1; i <= epochs; ++i) page.epochs.push_back(i);
  for (std::size_t i = 0; i < metrics; ++i) {
    Curve curve{.name = "metric_" + std::to_string(i), .epochs = page.epochs};
    for (const std::int64_t epoch : page.epochs) {
      curve.values.push_back(std::sin(static_cast<double>(epoch) + static_cast<double>(i)));
    }
    page.curves.push_back(curve);
  }
  page.feed_by_epoch.assign(page.epochs.size(), feed_report());
  page.feed = feed_report();
  return page;
}

Config data_of(const Page& page) { return Config::from_json(json_of(page)); }

std::vector<std::string> texts(const Config& list) {
  std::vector<std::string> result;
  for (const Config& one : list.list_items()) {
    result.push_back(one.is_string() ? one.string() : one.to_json());
  }
  return result;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

// ---- JSON ----

TEST(JsonWriter, WritesWhatJsonReadersRead) {
  JsonWriter json;
  json.begin_object().member("a", 1).member("b", -2.5).member("c", true);
  json.key("d").begin_list().value("x").value(kNan).value(kInfinity).value(-kInfinity);
  json.begin_object().end_object().begin_list().end_list().end_list().end_object();
  EXPECT_EQ(json.text(), R"({"a":1,"b":-2.5,"c":true,"d":["x","nan","inf","-inf",{},[]]})");
}

TEST(JsonWriter, LeavesNoTextThatEndsAScript) {
  JsonWriter json;
  json.value(kMarkup);
  EXPECT_EQ(json.text().find('<'), std::string::npos);
  EXPECT_EQ(Config::from_json("[" + json.text() + "]").at(0).string(), kMarkup);
}

TEST(JsonWriter, ReplacesWhatIsNoUtf8) {
  JsonWriter json;
  json.value("\xffz\xc3(\xe2\x82µ\xf0\x9f\x98\x80\xed\xa0\x80");
  const std::string text = Config::from_json("[" + json.text() + "]").at(0).string();
  EXPECT_EQ(text, "�z�(��µ😀���");
}

// ---- The data ----

TEST(Page, HasItsCurvesAsNumbers) {
  const Config data = data_of(page_of(5, 2));
  EXPECT_EQ(data["epochs"].size(), 5u);
  EXPECT_EQ(data["curves"].size(), 2u);
  EXPECT_NEAR(data["curves"][1]["y"][2].number(), std::sin(4.0), 1e-5);
}

TEST(Page, MarksNumbersThatAreNotFinite) {
  Page page = page_of(4, 1);
  page.curves[0].values = {0.5, kNan, kInfinity, -kInfinity};
  EXPECT_EQ(texts(data_of(page)["curves"][0]["y"]),
            (std::vector<std::string>{"0.5", "nan", "inf", "-inf"}));
}

TEST(Page, SaysAtWhichEpochsAMetricIsThere) {
  Page page = page_of(6, 1);
  page.curves.push_back({.name = "val_metric_0", .epochs = {2, 4, 6}, .values = {1.0, 2.0, 3.0}});
  EXPECT_EQ(texts(data_of(page)["curves"][1]["x"]), (std::vector<std::string>{"2", "4", "6"}));
}

TEST(Page, OfNoEpochIsAPage) {
  const Page page{.title = "Nothing", .status = Page::Status::failed, .status_text = "early"};
  const Config data = data_of(page);
  EXPECT_EQ(data["epochs"].size(), 0u);
  EXPECT_EQ(data["status"]["kind"].string(), "failed");
  EXPECT_TRUE(test::contains(html_of(page), "</html>"));
}

TEST(Page, HasMarkupAsText) {
  Page page = page_of(2, 1);
  page.title = page.curves[0].name = page.device = page.status_text = kMarkup;
  page.model = PageModel{.name = kMarkup, .layers = {{kMarkup, "Dense", "(None, 1)", 2}}};
  page.settings = {{kMarkup, {{kMarkup, kMarkup}}}};
  page.classification = {{.output = kMarkup, .classes = {kMarkup, "b"}, .total = 1}};
  page.classification[0].mistakes.push_back({.text = kMarkup});
  const std::string html = html_of(page);
  EXPECT_EQ(html.find("alert(1)</script>"), std::string::npos);
  // The page's own scripts, and no others.
  EXPECT_EQ(count_of(html, "<script"), count_of(html_of(page_of(2, 1)), "<script"));
  const Config data = data_of(page);
  EXPECT_EQ(data["title"].string(), kMarkup);
  EXPECT_EQ(data["model"]["layers"][0][0].string(), kMarkup);
}

TEST(Page, RefersToNothingOutsideOfIt) {
  const std::string html = html_of(page_of(2, 1));
  EXPECT_EQ(count_of(html, "src="), 0u);
  EXPECT_EQ(count_of(html, "href=\""), 2u);  // The way to the report itself, and an empty icon.
  EXPECT_TRUE(test::contains(html, "href=\"#main\""));
  EXPECT_TRUE(test::contains(html, "href=\"data:,\""));
  // The one address is the name of the language of the drawings.
  EXPECT_EQ(count_of(html, "http"),
            count_of(html, "http://www.w3.org/2000/svg") + count_of(html, "http-equiv"));
  EXPECT_EQ(count_of(html, "url("), 0u);
  EXPECT_EQ(count_of(html, "@import"), 0u);
}

TEST(Page, AddsEpochsUpWhereThereAreMany) {
  const Config data = data_of(page_of(10'000, 1));
  const Config& bars = data["feed_by_epoch"];
  EXPECT_LE(bars.size(), 250u);
  EXPECT_EQ(bars[0][0].string(), "1–40");
  double computed = 0.0;
  for (const Config& bar : bars.list_items()) computed += bar[1][0].number();
  EXPECT_NEAR(computed, 5000.0, 0.01);
}

TEST(Page, KeepsTheLastPointAndTheOnesThatAreNotFinite) {
  Page page = page_of(10'000, 1);
  page.curves[0].values[777] = kNan;
  page.curves[0].values[9999] = 42.0;
  const Config curve = data_of(page)["curves"][0];
  const std::vector<std::string> x = texts(curve["x"]);
  const std::vector<std::string> y = texts(curve["y"]);
  EXPECT_LE(y.size(), 1100u);
  EXPECT_EQ(x.size(), y.size());
  EXPECT_EQ(x.back(), "10000");
  EXPECT_EQ(y.back(), "42");
  EXPECT_EQ(std::ranges::count(y, "nan"), 1);
}

BatchStamps batch(std::uint64_t i) {
  BatchStamps batch{.sequence = i, .count = 8};
  for (std::size_t k = 0; k < 8; ++k) {
    const auto at = static_cast<std::int64_t>(1'700'000'000'000'000'000 + i * 1'234'567 + k * 1000);
    batch.stamps[k] = {static_cast<Stage>(k), static_cast<std::uint32_t>(k), i, at, at + 987'654};
  }
  batch.begin_ns = batch.stamps[0].begin_ns;
  batch.end_ns = batch.stamps[7].end_ns;
  return batch;
}

// Everything that a page can have, and more of it.
Page full_page(std::size_t metrics, std::int64_t epochs) {
  Page page = page_of(epochs, metrics);
  PageTimeline timeline;
  for (int i = 0; i < 67; ++i) timeline.tracks.push_back("worker " + std::to_string(i));
  for (std::uint64_t i = 0; i < 200; ++i) timeline.first.push_back(batch(i));
  for (std::uint64_t i = 0; i < 200; ++i) timeline.last.push_back(batch(1'000'000 + i));
  for (std::uint64_t i = 0; i < 20; ++i) timeline.slowest.push_back(batch(5000 * i));
  page.timeline = timeline;
  page.model = PageModel{.name = "deep"};
  page.memory = PageMemory{.device = "cpu"};
  for (int i = 0; i < 5000; ++i) {
    const std::string name = "block_" + std::to_string(i) + "/conv2d";
    page.model->layers.push_back({name, "Conv2D", "(None, 224, 224, 64)", 36'928});
    page.memory->layers.push_back({name, 147'712, 147'712, 295'424, 411'041'792});
  }
  Classification one{.classes = std::vector<std::string>(1000, "a class with a name"),
                     .total = 1'000'000};
  for (std::int64_t i = 0; i < 1000; ++i) {
    for (std::int64_t k = 0; k < 1000; ++k) one.cells.push_back({i, k, 1 + i});
  }
  for (std::int64_t i = 0; i < 1000; ++i) {
    one.mistakes.push_back(
        {.row = i, .picture = Picture{64, 64, 3, std::vector<std::uint8_t>(64 * 64 * 3, 200)}});
  }
  page.classification = {one, one};
  return page;
}

TEST(Page, OfAHundredEpochsIsSmallAndQuick) {
  Page page = full_page(12, 100);
  page.classification.clear();
  const auto begin = std::chrono::steady_clock::now();
  page.what_if = page_what_if(*page.feed);
  const std::string html = html_of(page);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(html.size(), 1'000'000u);
  EXPECT_LE(took.count(), 0.2);
}

TEST(Page, OfThousandsOfMetricsStaysBelowItsLimit) {
  const std::string html = html_of(full_page(5000, 100));
  EXPECT_LE(html.size(), 2'000'000u);
  const Config data = data_of(full_page(5000, 100));
  EXPECT_EQ(data["curves"].size(), 4000u);
  EXPECT_EQ(data["left_out_curves"].integer(), 1000);
  EXPECT_EQ(data["model"]["left_out"].integer(), 4000);
  EXPECT_EQ(data["classification"][0]["count"].integer(), 1000);
  EXPECT_GE(data["classification"][0]["mistakes"].size(), 16u);
}

// ---- A history alone ----

History history_of(std::int64_t epochs) {
  History history;
  for (std::int64_t i = 0; i < epochs; ++i) {
    history.epoch.push_back(i);
    history.history["loss"].push_back(1.0 / static_cast<double>(i + 1));
    history.history["accuracy"].push_back(0.1 * static_cast<double>(i));
    history.history["feed_wall"].push_back(1.0);
    if (i % 2 == 1) history.history["val_loss"].push_back(static_cast<double>(i));
  }
  history.feed = feed_report();
  history.feed_by_epoch.assign(static_cast<std::size_t>(epochs), feed_report());
  return history;
}

Config data_in(const std::string& html) {
  const std::string begin = "id=\"data\">";
  const std::size_t at = html.find(begin) + begin.size();
  return Config::from_json(html.substr(at, html.find("</script>", at) - at));
}

TEST(HistoryPage, HasCurvesAndTheVerdict) {
  const test::TemporaryFolder folder;
  history_of(5).save_report(folder / "run.html");
  const Config data = data_in(test::read_all(folder / "run.html"));
  std::vector<std::string> names;
  for (const Config& curve : data["curves"].list_items()) names.push_back(curve["name"].string());
  EXPECT_EQ(names, (std::vector<std::string>{"loss", "val_loss", "accuracy"}));
  // With validation_freq = 2 these are the epochs that were validated.
  EXPECT_EQ(texts(data["curves"][1]["x"]), (std::vector<std::string>{"2", "4"}));
  EXPECT_TRUE(test::contains(data["feed"]["verdict"].string(), "generator-bound"));
  EXPECT_EQ(data["feed_by_epoch"].size(), 5u);
  EXPECT_EQ(data["feed"]["what_if"][0]["change"].string(), "The device is twice as fast");
  EXPECT_EQ(data["feed"]["what_if"][0]["limit"].string(), "generator");
}

TEST(HistoryPage, OfNothingIsAPage) {
  const test::TemporaryFolder folder;
  History().save_report(folder / "run.html");
  EXPECT_EQ(data_in(test::read_all(folder / "run.html"))["curves"].size(), 0u);
}

TEST(HistoryPage, ThatCannotBeWrittenThrows) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(history_of(2).save_report(folder / "missing/run.html"), IoError);
}

}  // namespace
}  // namespace stoker::report
