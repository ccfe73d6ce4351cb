// The live view's screen as text: what stands where, on terminals of several sizes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "report/columns.h"
#include "report/live_screen.h"
#include "support/contains.h"

namespace stoker::report {
namespace {

LiveState state_of_a_fit() {
  LiveState state;
  state.model = "classifier";
  state.epoch = 1;
  state.epochs = 10;
  state.progress = {.step = 412, .steps = 1000, .seconds = 4.0};
  state.steps_per_second = 103.0;
  state.seconds_left = 84.0;
  for (const char* name : {"loss", "accuracy"}) state.logs.set(name, 0.5);
  state.validation.set("val_loss", 0.75);
  for (int i = 1; i <= 200; ++i) state.training_loss.add(10.0 * i, 0.1 + 1.0 / i);
  state.validation_loss.add(1000, 0.4);
  state.validation_loss.add(2000, 0.2);
  state.stages = {{"generate", 0.97, "5.10 ms a batch", Style::magenta},
                  {"wait", 0.75, "for a batch", Style::red},
                  {"upload", 0.0, "none", Style::yellow},
                  {"compute", 0.25, "1.20 ms a step", Style::green}};
  state.ring_filled = 3;
  state.ring_size = 11;
  state.workers = 2;
  state.max_workers = 8;
  state.verdict =
      "generator-bound: the step computed 25.0% of the time and waited 75.0% of it for the "
      "generator; workers 1 → 3 would make it 2.40 times as fast (needs a pure generator)";
  state.messages = {"Warning: something\x1b[2J", "and more"};
  return state;
}

std::vector<std::string> lines_of(const LiveState& state, TerminalSize size,
                                  bool is_unicode = true) {
  std::vector<std::string> lines;
  const LineFormat format{.is_unicode = is_unicode, .has_color = false};
  for (const Line& line : live_screen(state, size, format)) {
    lines.push_back(text_of(line, false));
    EXPECT_LE(columns_of(line), size.columns) << lines.back();
  }
  EXPECT_EQ(static_cast<int>(lines.size()), size.rows);
  return lines;
}

std::string text(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + '\n';
  return all;
}

class LiveScreen : public testing::TestWithParam<TerminalSize> {};
INSTANTIATE_TEST_SUITE_P(OfSize, LiveScreen,
                         testing::Values(TerminalSize{60, 16}, TerminalSize{80, 24},
                                         TerminalSize{100, 30}, TerminalSize{200, 60},
                                         TerminalSize{500, 200}),
                         [](const auto& info) {
                           return std::to_string(info.param.columns) + "x" +
                                  std::to_string(info.param.rows);
                         });

TEST_P(LiveScreen, shows_everything_within_its_lines) {
  const std::string screen = text(lines_of(state_of_a_fit(), GetParam()));
  for (const char* part :
       {"epoch 2/10 · step 412/1000 · 103 steps/s · 1:24 left", "loss ", "0.7500", "generate ",
        "97%", "wait ", "75%", "upload ", "compute ", "25%", "ring ", "3/11 ready, 2/8 workers",
        "generator-bound: ", "and more", "q: stop after this step"}) {
    EXPECT_TRUE(test::contains(screen, part));
  }
  EXPECT_EQ(screen.find('\x1b'), std::string::npos);
}

TEST_P(LiveScreen, is_ascii_where_the_terminal_is) {
  const std::string screen = text(lines_of(state_of_a_fit(), GetParam(), false));
  for (const char c : screen) EXPECT_GE(c, 0) << screen;
  EXPECT_TRUE(test::contains(screen, "###"));
  EXPECT_TRUE(test::contains(screen, "*"));
  EXPECT_TRUE(test::contains(screen, "epoch 2/10 - step 412/1000"));
}

TEST_P(LiveScreen, shows_a_fit_that_has_no_numbers_yet) {
  LiveState state;
  state.model = "m";
  const std::string screen = text(lines_of(state, GetParam()));
  EXPECT_TRUE(test::contains(screen, "epoch 1/1 · step 0"));
}

TEST_P(LiveScreen, has_room_for_thousands_of_metrics_and_absurd_numbers) {
  LiveState state = state_of_a_fit();
  state.model = std::string(1000, 'm') + "\n";
  for (int i = 0; i < 2000; ++i) {
    state.logs.set("metric_with_a_rather_long_name_" + std::to_string(i), -1e300 * i);
  }
  state.logs.set("loss", std::nan(""));
  state.training_loss.add(3000, std::numeric_limits<double>::infinity());
  state.stages[0].share = std::nan("");
  state.stages[1].share = 7.0;
  state.verdict = std::string(2000, 'v');
  state.ring_filled = 99;
  state.steps_per_second = 1e30;
  state.seconds_left = 1e300;
  const std::string screen = text(lines_of(state, GetParam()));
  EXPECT_TRUE(test::contains(screen, "nan"));
}

TEST(LiveScreen, shows_the_stages_of_a_source_where_there_is_room) {
  LiveState state = state_of_a_fit();
  state.stages.insert(state.stages.begin() + 1,
                      {{" read", 0.1, "on the feed's threads", Style::magenta, true},
                       {" map", 0.6, "on 2 threads of its own", Style::magenta, true}});
  const std::vector<std::string> lines = lines_of(state, {100, 30});
  const auto line_with = [&](const char* text) {
    return std::ranges::find_if(
        lines, [&](const std::string& line) { return line.find(text) != std::string::npos; });
  };
  const auto generate = line_with("generate");
  ASSERT_LT(generate, lines.end() - 2);
  EXPECT_TRUE(test::contains(generate[1], " read"));
  EXPECT_TRUE(test::contains(generate[1], " 10%  on the feed's threads"));
  EXPECT_TRUE(test::contains(generate[2], " map"));
  EXPECT_TRUE(test::contains(generate[2], " 60%  on 2 threads of its own"));

  const std::string low = text(lines_of(state, {100, 18}));
  EXPECT_TRUE(test::contains(low, "generate"));
  EXPECT_FALSE(test::contains(low, "threads of its own"));
}

TEST(LiveScreen, of_a_small_terminal_is_the_progress_bar) {
  for (const TerminalSize size : {TerminalSize{59, 24}, TerminalSize{200, 15}, TerminalSize{20, 5},
                                  TerminalSize{3, 3}, TerminalSize{1, 1}, TerminalSize{80, 0}}) {
    const std::vector<std::string> lines = lines_of(state_of_a_fit(), size);
    if (size.rows > 1 && size.columns > 12) {
      EXPECT_TRUE(test::contains(lines[1], " 412/1000")) << size.columns;
    }
  }
}

TEST(Curve, keeps_a_bounded_number_of_points_and_the_mean) {
  Curve curve(100);
  double sum = 0.0;
  for (int i = 0; i < 100'000; ++i) curve.add(i, i % 7);
  for (const Curve::Point& point : curve.points()) sum += point.y;
  EXPECT_LT(curve.points().size(), 100U);
  EXPECT_GT(curve.points().size(), 40U);
  EXPECT_NEAR(sum / static_cast<double>(curve.points().size()), 3.0, 0.01);
}

TEST(Curve, is_drawn_from_its_highest_point_to_its_lowest) {
  Curve falling;
  for (int i = 0; i <= 10; ++i) falling.add(i, 10 - i);
  std::vector<std::string> lines;
  for (const Line& line : plot(falling, Curve(), 20, 6, false)) {
    lines.push_back(text_of(line, false));
  }
  EXPECT_EQ(lines[0], "10 |***             ");
  EXPECT_EQ(lines[4], " 0 |             ***");
  EXPECT_EQ(lines[5], "   + 0 --- 10 steps");
}

TEST(Curve, of_one_value_and_of_orders_of_magnitude_has_an_axis) {
  Curve one, large;
  one.add(1, 0.5);
  EXPECT_TRUE(test::contains(text_of(plot(one, Curve(), 40, 5, true)[0], false), "0.5"));
  for (int i = 0; i < 50; ++i) large.add(i, std::pow(10.0, -i / 10.0));
  EXPECT_TRUE(test::contains(text_of(plot(large, one, 60, 8, true)[7], false), "(log)"));
}

}  // namespace
}  // namespace stoker::report
