// Fits on a terminal: the progress bar, and the live view (verbose 3), which gives the terminal
// back whatever ends the program.
#include <gtest/gtest.h>
#include <signal.h>
#include <stoker/stoker.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/pseudo_terminal.h"
#include "support/sanitizer.h"
#include "train/terminal_fit.h"

namespace stoker {
namespace {

using test::endless_fit;
using test::fit;
using test::kForEver;
using test::options;
using test::set_environment;
using test::TerminalChild;
using test::TerminalEmulator;

// ---- The bar ----

// Each epoch has one line, at any moment.
testing::AssertionResult has_a_line_an_epoch(TerminalEmulator& screen) {
  const int bars = screen.lines_with("/150");
  const int headings = screen.lines_with("Epoch ");
  if (bars <= headings) return testing::AssertionSuccess();
  std::string all;
  for (const std::string& line : screen.everything()) all += line + "\n";
  return testing::AssertionFailure() << bars << " bars in " << headings << " epochs:\n" << all;
}

class FitOnTerminal : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(OfWidth, FitOnTerminal, testing::Values(40, 80, 200),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(FitOnTerminal, HasABarOfOneLineAnEpoch) {
  TerminalChild child(GetParam(), 24, [] {
    set_environment();
    return fit(options(1, 2));
  });
  EXPECT_TRUE(child.wait_for([](TerminalEmulator& screen) {
    EXPECT_TRUE(has_a_line_an_epoch(screen));
    return screen.lines_with("Epoch 2/2") > 0 && screen.lines_with("/150") == 2;
  }));
  child.wait_until_ended();
  EXPECT_EQ(child.read().lines_with("150/150"), 2);
  EXPECT_EQ(child.read().unknown(), "");
}

TEST(FitOnTerminal, KeepsItsBarOneLineWhenItIsResized) {
  TerminalChild child(100, 24, [] {
    set_environment();
    return fit(options(1, 1));
  });
  int columns = 100;
  child.wait_for([&](TerminalEmulator& screen) {
    if (screen.lines_with("/150") == 0) return false;
    const int next = columns == 100 ? 50 : columns == 50 ? 30 : columns == 30 ? 90 : 0;
    if (next > 0) child.resize(columns = next, 24);
    return columns == 90;
  });
  child.wait_until_ended();
  EXPECT_EQ(child.read().lines_with("/150"), 1);
}

// ---- The live view ----

// What a person sees after the view has ended, and the settings of the terminal, are as before.
void expect_restored(TerminalChild& child) {
  EXPECT_FALSE(child.read().is_alternate());
  EXPECT_TRUE(child.read().shows_cursor());
  EXPECT_TRUE(test::are_same(child.settings(), child.first_settings()));
  EXPECT_EQ(child.read().unknown(), "");
}

bool shows_all(TerminalEmulator& screen) {
  for (const char* text : {"epoch ", "steps/s", "metric", "loss", "accuracy", "generate", "wait",
                           "upload", "compute", "ring", "steps", "-bound"}) {
    if (screen.lines_with(text) == 0) return false;
  }
  return screen.is_alternate();
}

class LiveView : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(OfWidth, LiveView, testing::Values(80, 200),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(LiveView, ShowsTheFitAndEndsOnQ) {
  TerminalChild child(GetParam(), 24, [] { return endless_fit(); });
  EXPECT_TRUE(child.wait_for(shows_all));
  EXPECT_FALSE(child.read().shows_cursor());
  child.type("q");
  EXPECT_EQ(child.wait_until_ended(), 0);
  expect_restored(child);
  // The summary: lines as with verbose 2, and the verdict.
  EXPECT_TRUE(child.read().has_seen_color());
  EXPECT_GT(child.read().lines_with("Epoch 1/1000"), 0);
  EXPECT_GT(child.read().lines_with("- loss: "), 0);
  EXPECT_GT(child.read().lines_with("A batch takes"), 0);
}

TEST(LiveView, FollowsTheTerminalsSize) {
  TerminalChild child(80, 24, [] { return endless_fit(); });
  ASSERT_TRUE(child.wait_for(shows_all));
  child.resize(120, 40);
  const auto stands_in_row = [](std::size_t row, const char* text) {
    return [=](TerminalEmulator& screen) {
      const std::vector<std::string> lines = screen.screen();
      return lines.size() > row && lines[row].find(text) != std::string::npos;
    };
  };
  EXPECT_TRUE(child.wait_for(stands_in_row(39, "q: stop")));
  child.resize(50, 10);
  EXPECT_TRUE(child.wait_for(stands_in_row(1, "/150")));
  EXPECT_TRUE(
      child.wait_for([](TerminalEmulator& screen) { return screen.lines_with("q: stop") == 0; }));
  child.resize(80, 24);
  EXPECT_TRUE(child.wait_for(stands_in_row(23, "q: stop")));
  child.type("q");
  EXPECT_EQ(child.wait_until_ended(), 0);
  expect_restored(child);
}

TEST(LiveView, IsAsciiWithoutColoursWhereTheyAreNotWanted) {
  TerminalChild child(80, 24, [] {
    set_environment("C", "1");
    return fit(options(3, kForEver));
  });
  EXPECT_TRUE(child.wait_for(shows_all));
  child.type("q");
  EXPECT_EQ(child.wait_until_ended(), 0);
  EXPECT_FALSE(child.read().has_seen_color());
  const std::string view = child.output().substr(0, child.output().rfind("\x1b[?1049l"));
  for (const char c : view) ASSERT_GE(c, 0);
}

TEST(LiveView, IsTheBarOnASmallTerminal) {
  TerminalChild child(40, 24, [] {
    set_environment();
    return fit(options(3, 1));
  });
  EXPECT_EQ(child.wait_until_ended(), 0);
  EXPECT_EQ(child.output().find("\x1b[?1049h"), std::string::npos);
  EXPECT_EQ(child.read().lines_with("150/150"), 1);
}

TEST(LiveView, IsPlainLinesWhereThereIsNoTerminal) {
  for (const bool is_dumb : {false, true}) {
    TerminalChild child(80, 24, [=] {
      set_environment();
      if (is_dumb) {
        setenv("TERM", "dumb", 1);
        return fit(options(3, 1));
      }
      testing::internal::CaptureStdout();
      fit(options(3, 1));
      std::cout << testing::internal::GetCapturedStdout() << std::flush;
      return 0;
    });
    EXPECT_EQ(child.wait_until_ended(), 0);
    EXPECT_EQ(child.output().find('\x1b'), std::string::npos);
    EXPECT_TRUE(test::contains(child.output(), "Epoch 1/1\r\n"));
    EXPECT_TRUE(test::contains(child.output(), "\n150/150 - "));
  }
}

TEST(LiveView, LivesWhileTheGeneratorHangs) {
  TerminalChild child(80, 24, [] {
    set_environment();
    Sequential model = test::classifier();
    auto source = generator<float, std::int32_t>(
        {.x = {8, 4}, .y = {8}},
        [](BatchContext& batch, std::span<float>, std::span<std::int32_t>) {
          if (batch.sequence == 5) pause();
        });
    model.fit(source, options(3, 1));
    return 0;
  });
  EXPECT_TRUE(child.wait_for_text("for a batch: 1."));
  EXPECT_TRUE(child.wait_for_text("for a batch: 2."));
  child.type("\x03");
  const int status = child.wait_until_ended();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 130) << status;
  expect_restored(child);
}

TEST(LiveView, ShowsWhatTheProgramPrintsAndLeavesIt) {
  TerminalChild child(80, 24, [] {
    FitOptions fit_options = options(3, kForEver);
    fit_options.on_train_begin = [] {
      std::cout << "hello from a callback" << std::endl;
      std::cerr << "and \x1b[1mfrom another\n";
    };
    return endless_fit(std::move(fit_options));
  });
  EXPECT_TRUE(child.wait_for([](TerminalEmulator& screen) {
    return shows_all(screen) && screen.lines_with("and ^[[1mfrom another") == 1;
  }));
  child.type("q");
  EXPECT_EQ(child.wait_until_ended(), 0);
  EXPECT_EQ(child.read().lines_with("hello from a callback"), 1);
}

// ---- Endings ----

// Runs an endless fit, does something to it once it is drawn, and returns the status.
int ended_by(TerminalChild& child, const std::function<void()>& act) {
  EXPECT_TRUE(child.wait_for_text("generate"));
  act();
  const int status = child.wait_until_ended();
  expect_restored(child);
  return status;
}

class LiveViewSignal : public testing::TestWithParam<int> {};
// A sanitizer has a use of its own for the signals of crashes.
INSTANTIATE_TEST_SUITE_P(Signal, LiveViewSignal,
                         testing::Values(SIGTERM, SIGHUP, SIGQUIT, SIGABRT,
                                         STOKER_SANITIZED_MALLOC ? SIGXCPU : SIGSEGV),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(LiveViewSignal, RestoresTheTerminalAndEndsTheProgram) {
  TerminalChild child(80, 24, [] { return endless_fit(); });
  const int status = ended_by(child, [&] { child.send(GetParam()); });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == GetParam()) << status;
}

// Ctrl-S stops the terminal's output, so that whoever writes to it waits.
TEST(LiveView, EndsOnASignalWhereTheTerminalTakesNothing) {
  TerminalChild child(80, 24, [] { return endless_fit(); });
  ASSERT_TRUE(child.wait_for_text("generate"));
  child.type("\x13");
  child.send(SIGTERM);
  const int status = child.wait_until_ended_unread();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
}

TEST(LiveView, EndsOnCtrlCWithStatus130) {
  TerminalChild child(80, 24, [] { return endless_fit(); });
  const int status = ended_by(child, [&] { child.type("\x03"); });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 130) << status;
  EXPECT_EQ(child.read().lines_with("fit: interrupted"), 1);
}

TEST(LiveView, IsGivenUpBySigintWhereTheFitIgnoresIt) {
  TerminalChild child(80, 24, [] {
    FitOptions fit_options = options(3, kForEver);
    fit_options.on_interrupt = OnInterrupt::ignore;
    return endless_fit(std::move(fit_options));
  });
  const int status = ended_by(child, [&] { child.send(SIGINT); });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
}

TEST(LiveView, RestoresTheTerminalBeforeTheSecondCtrlCEndsTheProgram) {
  TerminalChild child(80, 24, [] {
    FitOptions fit_options = options(3, kForEver);
    fit_options.on_epoch_end = [](std::int64_t, Logs&) {
      std::cout << "in the hook" << std::endl;
      for (;;) pause();
    };
    return endless_fit(std::move(fit_options));
  });
  EXPECT_TRUE(child.wait_for_text("in the hook"));
  const int status = ended_by(child, [&] {
    child.wait_for([&](TerminalEmulator&) {
      child.send(SIGINT);  // Two that come at once are one.
      return false;
    });
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 130) << status;
}

TEST(LiveView, RestoresTheTerminalWhenACallbackThrowsAbortsOrExits) {
  for (const char* how : {"throw", "abort", "exit"}) {
    TerminalChild child(80, 24, [how] {
      FitOptions fit_options = options(3, kForEver);
      fit_options.on_epoch_begin = [how](std::int64_t epoch) {
        if (epoch == 0) return;
        const std::string what = how;
        if (what == "throw") throw std::runtime_error("no more");
        std::cout << "last words" << std::endl;
        if (what == "abort") std::abort();
        std::exit(7);
      };
      try {
        return endless_fit(std::move(fit_options));
      } catch (const CallbackError& error) {
        std::cout << "last words: " << error.what() << std::endl;
        return 8;
      }
    });
    const int status = ended_by(child, [] {});
    const int expected = how[0] == 't' ? 8 << 8 : how[0] == 'a' ? SIGABRT : 7 << 8;
    EXPECT_EQ(status, expected) << how;
    EXPECT_EQ(child.read().lines_with("last words"), 1) << how;
  }
}

TEST(LiveView, ComesBackAfterAHandlerOfTheProgram) {
  TerminalChild child(80, 24, [] {
    signal(SIGTERM, [](int) { static_cast<void>(write(STDOUT_FILENO, "handled\n", 8)); });
    return endless_fit();
  });
  ASSERT_TRUE(child.wait_for(shows_all));
  child.send(SIGTERM);
  EXPECT_TRUE(child.wait_for([&](TerminalEmulator& screen) {
    return child.output().find("handled") != std::string::npos && shows_all(screen);
  }));
  child.type("q");
  EXPECT_EQ(child.wait_until_ended(), 0);
  expect_restored(child);
}

TEST(LiveView, OutlivesItsTerminalWhereTheProgramDoes) {
  TerminalChild child(80, 24, [] {
    signal(SIGHUP, SIG_IGN);
    set_environment();
    return fit(options(3, 2));
  });
  ASSERT_TRUE(child.wait_for_text("generate"));
  child.hang_up();
  EXPECT_EQ(child.wait_until_ended(), 0);
}

TEST(LiveView, GoesOnAfterCtrlZ) {
  // The child's process group has no shell that could let it go on, so it does not stop.
  TerminalChild child(80, 24, [] { return endless_fit(); });
  ASSERT_TRUE(child.wait_for(shows_all));
  child.send(SIGTSTP);
  EXPECT_TRUE(child.wait_for([&](TerminalEmulator& screen) {
    return child.output().find("\x1b[?1049l") != std::string::npos && shows_all(screen);
  }));
  child.type("q");
  EXPECT_EQ(child.wait_until_ended(), 0);
  expect_restored(child);
}

}  // namespace
}  // namespace stoker
