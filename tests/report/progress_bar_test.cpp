// The progress bar: one line on terminals of any width, as a small terminal in memory shows it.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "report/columns.h"
#include "report/progress_bar.h"
#include "support/contains.h"
#include "support/environment.h"
#include "support/pseudo_terminal.h"

namespace stoker::report {
namespace {

using test::PseudoTerminal;
using test::ScopedVariable;

constexpr std::int64_t kSecond = 1'000'000'000;

Logs logs_of(std::initializer_list<std::pair<std::string, double>> values) {
  Logs logs;
  for (const auto& [name, value] : values) logs.set(name, value);
  return logs;
}

Logs three_metrics() { return logs_of({{"loss", 0.2345}, {"mae", 0.25}, {"accuracy", 0.9123}}); }

// A bar on a pseudo-terminal, with an environment of its own.
class BarOn {
 public:
  BarOn(int columns, const char* locale = "C.UTF-8", const char* no_color = "",
        const char* kind = "xterm-256color", bool reflows = true)
      : locale_("LC_ALL", locale),
        no_color_("NO_COLOR", no_color),
        kind_("TERM", kind),
        terminal(columns, 12, reflows) {
    bar.emplace(terminal.out(), terminal_at(terminal.descriptor()), 1);
    bar->begin_epoch(0, 2, 1000);
  }
  // Draws after so many steps, a tenth of a second each.
  void draw(std::int64_t step, const Logs& logs) {
    bar->update(step, logs, now() + step * kSecond / 10);
  }
  void finish(std::int64_t step, const Logs& logs) {
    bar->finish(step, logs, now() + step * kSecond / 10);
  }
  std::vector<std::string> screen() { return terminal.read().screen(); }

 private:
  static std::int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  ScopedVariable locale_, no_color_, kind_;

 public:
  PseudoTerminal terminal;
  std::optional<ProgressBar> bar{};
};

class OfWidth : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(ProgressBar, OfWidth, testing::Values(2, 5, 9, 12, 20, 40, 80, 81, 200),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(OfWidth, the_bar_stays_one_line_while_the_epoch_runs) {
  BarOn on(GetParam());
  const std::size_t heading = on.screen().size();
  for (const std::int64_t step : {1, 9, 99, 500, 999}) {
    on.draw(step, three_metrics());
    EXPECT_EQ(on.screen().size(), heading + 1) << "step " << step;
  }
  EXPECT_EQ(on.terminal.read().unknown(), "");
}

TEST_P(OfWidth, the_last_line_is_complete_and_leaves_no_fragments) {
  BarOn on(GetParam());
  for (const std::int64_t step : {1, 500, 999}) on.draw(step, three_metrics());
  on.finish(1000, three_metrics());
  on.bar->begin_epoch(1, 2, 1000);
  std::string all;
  for (const std::string& line : on.terminal.read().everything()) all += line;
  std::erase(all, ' ');
  EXPECT_TRUE(all.starts_with("Epoch1/21000/1000")) << all;
  EXPECT_TRUE(all.ends_with("-accuracy:0.9123-loss:0.2345-mae:0.2500Epoch2/2")) << all;
  EXPECT_EQ(all.find("999"), std::string::npos) << all;
}

TEST(ProgressBar, leaves_out_the_bar_then_metrics_and_never_the_step_count) {
  const Progress progress{.step = 412, .steps = 1000, .seconds = 4.12};
  const auto line = [&](int columns) {
    return text_of(progress_line(progress, three_metrics(), {.columns = columns}).line, false);
  };
  EXPECT_EQ(line(99),
            " 412/1000 ━━━━━━━━━━━━━━━━━━━━ 5s 10ms/step - accuracy: 0.9123 - loss: 0.2345 - mae: "
            "0.2500");
  EXPECT_EQ(line(79),
            " 412/1000 ━━━━━━━━ 5s 10ms/step - accuracy: 0.9123 - loss: 0.2345 - mae: 0.2500");
  EXPECT_EQ(line(72), " 412/1000 5s 10ms/step - accuracy: 0.9123 - loss: 0.2345 - mae: 0.2500");
  EXPECT_EQ(line(60), " 412/1000 5s 10ms/step - accuracy: 0.9123 - loss: 0.2345 …");
  EXPECT_EQ(line(45), " 412/1000 5s 10ms/step - accuracy: 0.9123 …");
  EXPECT_EQ(line(30), " 412/1000 5s 10ms/step …");
  EXPECT_EQ(line(20), " 412/1000 5s …");
  EXPECT_EQ(line(12), " 412/1000 …");
  EXPECT_EQ(line(10), " 412/1000");
}

TEST(ProgressBar, has_an_ascii_bar_where_the_locale_is_c) {
  for (const char* locale : {"C", "POSIX", "en_US.ISO-8859-1"}) {
    BarOn on(100, locale);
    on.draw(500, logs_of({{"größe", 1.0}}));
    const std::string line = on.screen().back();
    EXPECT_TRUE(test::contains(line, "[=========>..........]")) << line;
    EXPECT_TRUE(test::contains(line, "gr??e: 1.0000")) << line;
  }
  BarOn narrow(40, "C");
  narrow.draw(500, three_metrics());
  EXPECT_TRUE(narrow.screen().back().ends_with(" ...")) << narrow.screen().back();
}

TEST(ProgressBar, has_colours_on_a_terminal_alone_and_never_where_no_color_is_set) {
  BarOn coloured(80);
  coloured.draw(500, three_metrics());
  EXPECT_TRUE(coloured.terminal.read().has_seen_color());
  BarOn plain(80, "C.UTF-8", "1");
  plain.draw(500, logs_of({{"loss", 1.0}}));
  EXPECT_FALSE(plain.terminal.read().has_seen_color());
  // Without colours the bar tells by its shape what is done.
  EXPECT_TRUE(test::contains(plain.screen().back(), "━━━━━━━━━━──────────"));
}

TEST(ProgressBar, draws_plain_lines_where_there_is_no_terminal_or_a_dumb_one) {
  const auto written = [](Terminal terminal, int verbose) {
    std::ostringstream out;
    ProgressBar bar(out, terminal, verbose);
    bar.begin_epoch(0, 1, 10);
    if (bar.wants_update(std::numeric_limits<std::int64_t>::max())) bar.update(5, {}, 0);
    bar.finish(10, logs_of({{"loss", 0.5}, {"acc\x1b[2Juracy", 1.0}}), 0);
    return out.str();
  };
  const std::string expected =
      "Epoch 1/1\n10/10 - 0s 0s/step - acc^[[2Juracy: 1.0000 - loss: 0.5000\n";
  for (const int verbose : {1, 2, 3}) EXPECT_EQ(written({}, verbose), expected);
  EXPECT_EQ(written({}, 0), "");
  const ScopedVariable dumb("TERM", "dumb");
  PseudoTerminal terminal(80, 5);
  EXPECT_EQ(written(terminal_at(terminal.descriptor()), 1), expected);
}

TEST(ProgressBar, shows_names_harmlessly) {
  BarOn on(200);
  on.draw(500, logs_of({{"a\x1b[2J\x1b]0;x\a", 1.0},
                        {"b\n\r\t", 1.0},
                        {"c\xff\xc2\x9b", 1.0},
                        {"d\u202e", 1.0},
                        {"損失", 1.0}}));
  const std::string line = on.screen().back();
  EXPECT_EQ(on.screen().size(), 2U);
  for (const char* text : {"a^[[2J^[]0;x^G: 1", "b^J^M^I: 1", "c��: 1", "d�: 1", "損失: 1"}) {
    EXPECT_TRUE(test::contains(line, text)) << text << " in " << line;
  }
}

TEST(ProgressBar, counts_columns_and_not_bytes) {
  EXPECT_EQ(columns_of(std::string_view("größe")), 5);
  EXPECT_EQ(columns_of(std::string_view("損失")), 4);
  EXPECT_EQ(columns_of(std::string_view("e\u0301")), 1);
  EXPECT_EQ(shortened("損失損失", 6, true), "損失…");
  EXPECT_EQ(shortened("損失損", 6, true), "損失損");
  for (const int columns : {60, 61, 62, 63}) {
    BarOn on(columns);
    on.draw(500, logs_of({{"損失", 1.0}, {"正解率", 1.0}, {"größe", 1.0}}));
    EXPECT_EQ(on.screen().size(), 2U) << columns;
  }
}

TEST(ProgressBar, shows_numbers_that_are_not_finite) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double nan = std::nan("");
  EXPECT_EQ(metric_number(-nan), "nan");
  EXPECT_EQ(metric_number(kInfinity), "inf");
  EXPECT_EQ(metric_number(-kInfinity), "-inf");
  EXPECT_EQ(metric_number(5e-4), "5.0000e-04");
  EXPECT_EQ(metric_number(1e300), "1.0000e+300");
  BarOn on(80);
  on.draw(500, logs_of({{"loss", nan}, {"mae", -kInfinity}}));
  EXPECT_TRUE(test::contains(on.screen().back(), "loss: nan - mae: -inf"));
}

TEST(ProgressBar, takes_thousands_of_metrics) {
  Logs logs;
  for (int i = 0; i < 5000; ++i) logs.set("metric_" + std::to_string(i), i);
  BarOn on(80);
  for (const std::int64_t step : {1, 500, 999}) {
    on.draw(step, logs);
    EXPECT_EQ(on.screen().size(), 2U);
    EXPECT_TRUE(test::contains(on.screen().back(), "metric_0: 0.0000"));
    EXPECT_TRUE(on.screen().back().ends_with(" …")) << on.screen().back();
  }
}

TEST(ProgressBar, survives_epochs_of_no_steps_and_of_an_unknown_number) {
  BarOn on(80);
  on.bar->begin_epoch(0, 1, 0);
  on.draw(0, {});
  EXPECT_TRUE(test::contains(on.screen().back(), "0/0"));
  on.finish(0, {});
  on.bar->begin_epoch(0, 1, std::nullopt);
  on.draw(7, {});
  EXPECT_TRUE(test::contains(on.screen().back(), "7/? ━"));
  on.finish(9, {});
  EXPECT_TRUE(test::contains(on.screen().back(), "9/9 ━"));
}

class Resized : public testing::TestWithParam<bool> {};
TEST(ProgressBar, expects_the_steps_of_the_epoch_before_where_they_are_not_known) {
  std::ostringstream unseen;
  ProgressBar bar(unseen, Terminal{}, 0);
  bar.begin_epoch(0, 4, std::nullopt);
  EXPECT_EQ(bar.steps_at(1, false), std::nullopt);
  bar.finish(10, {}, 0);
  bar.begin_epoch(1, 4, std::nullopt);
  EXPECT_EQ(bar.steps_at(0, false), 10);
  EXPECT_EQ(bar.steps_at(10, false), 10);
  EXPECT_EQ(bar.steps_at(11, false), std::nullopt) << "this epoch is longer";
  EXPECT_EQ(bar.steps_at(7, true), std::nullopt) << "this epoch was shorter";
  bar.finish(7, {}, 0);
  bar.begin_epoch(2, 4, 20);
  EXPECT_EQ(bar.steps_at(1, false), 20) << "what is known comes first";
  bar.finish(20, {}, 0);
  bar.begin_epoch(0, 4, std::nullopt);
  EXPECT_EQ(bar.steps_at(1, false), std::nullopt) << "another fit";
  bar.finish(10, {}, 0);
  bar.begin(std::nullopt);
  EXPECT_EQ(bar.steps_at(1, false), std::nullopt) << "an evaluation";
}

INSTANTIATE_TEST_SUITE_P(ProgressBar, Resized, testing::Bool(), [](const auto& info) {
  return info.param ? "on_a_terminal_that_wraps_anew" : "on_a_terminal_that_cuts";
});

TEST_P(Resized, in_mid_epoch_the_bar_is_one_line_again) {
  BarOn on(200, "C.UTF-8", "", "xterm-256color", GetParam());
  on.draw(100, three_metrics());
  std::int64_t step = 100;
  for (const int columns : {40, 80, 20, 200, 33, 50}) {
    on.terminal.resize(columns, 12);
    on.draw(++step, three_metrics());
    const std::vector<std::string> screen = on.screen();
    ASSERT_EQ(screen.size(), 2U) << columns << " columns: " << screen[0] << '|' << screen.back();
    EXPECT_EQ(screen[0], "Epoch 1/2");
    EXPECT_TRUE(test::contains(screen[1], std::to_string(step) + "/1000")) << screen[1];
  }
  on.terminal.resize(30, 12);
  on.finish(1000, three_metrics());
  EXPECT_EQ(on.terminal.read().lines_with("/1000"), 1);
}

TEST(ProgressBar, takes_the_width_from_columns_where_the_terminal_does_not_tell) {
  const ScopedVariable columns("COLUMNS", "33");
  EXPECT_EQ(size_of(Terminal{}).columns, 33);
  PseudoTerminal terminal(44, 5);
  EXPECT_EQ(size_of(Terminal{.descriptor = terminal.descriptor()}).columns, 44);
  const ScopedVariable nonsense("COLUMNS", "many");
  EXPECT_EQ(size_of(Terminal{}).columns, 80);
}

TEST(ProgressBar, leaves_the_cursor_behind_its_line_when_the_epoch_is_broken_off) {
  BarOn on(80);
  on.draw(500, logs_of({{"loss", 0.5}}));
  on.bar.reset();
  on.terminal.out() << "\nfailed\n";
  const std::vector<std::string> screen = on.screen();
  ASSERT_EQ(screen.size(), 3U);
  EXPECT_TRUE(screen[1].ends_with("loss: 0.5000")) << screen[1];
}

}  // namespace
}  // namespace stoker::report
