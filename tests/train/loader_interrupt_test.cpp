// Ctrl-C in loops over a Loader: the next turn ends them, and no signal is lost.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

#include "stoker/error.h"
#include "stoker/loader.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

SourceHandle numbers() {
  return generator<float>({.x = {4}}, [](BatchContext& batch, std::span<float> x) {
    x[0] = static_cast<float>(batch.index);
  });
}

// Runs `body` in a process of its own, which has no handler of SIGINT. Returns "130", "SIGINT", or
// what else became of it.
std::string end_of(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
    if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(3);
    signal(SIGINT, SIG_DFL);
    alarm(30);
    try {
      body();
    } catch (...) {
      _exit(4);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return std::to_string(WEXITSTATUS(status));
  return WTERMSIG(status) == SIGINT ? "SIGINT" : "signal " + std::to_string(WTERMSIG(status));
}

TEST(LoaderInterrupt, ends_the_loop_at_its_next_turn_by_an_exception) {
  Loader loader = stream(numbers(), {.workers = 2, .on_interrupt = OnInterrupt::raise});
  for (int i = 0; i < 3; ++i) loader.next();
  raise(SIGINT);
  const std::string message = message_of<Interrupted>([&] { loader.next(); });
  EXPECT_TRUE(contains(message, "stream: interrupted after batch 3")) << message;
  EXPECT_THROW(loader.next(), Interrupted);
  // The place is that after the last batch of the loop.
  Loader second = stream(numbers(), {.steps_per_epoch = 5});
  second.restore(loader.state());
  EXPECT_EQ(second.next()->index(), 3);
}

TEST(LoaderInterrupt, comes_to_a_loop_that_waits) {
  Loader loader = stream(generator<float>({.x = {1}},
                                          [n = 0](BatchContext&, std::span<float>) mutable {
                                            if (++n == 3) {
                                              raise(SIGINT);
                                              usleep(300'000);
                                            }
                                          }),
                         {.on_interrupt = OnInterrupt::raise});
  EXPECT_THROW(
      {
        while (loader.next() != nullptr) {
        }
      },
      Interrupted);
}

TEST(LoaderInterrupt, ends_the_program_by_default) {
  EXPECT_EQ(end_of([] {
              for (const BatchView& batch : stream(numbers(), {.workers = 2})) {
                if (batch.index() == 10) raise(SIGINT);
              }
            }),
            "130");
}

TEST(LoaderInterrupt, is_not_lost_where_the_loop_is_left_at_once) {
  EXPECT_EQ(end_of([] {
              for (const BatchView& batch : stream(numbers(), {.workers = 2})) {
                (void)batch;
                raise(SIGINT);
                break;
              }
            }),
            "130");
  EXPECT_EQ(
      end_of([] {
        for (const BatchView& batch : stream(numbers(), {.on_interrupt = OnInterrupt::raise})) {
          (void)batch;
          raise(SIGINT);
          break;
        }
      }),
      "SIGINT");
}

TEST(LoaderInterrupt, is_left_alone_where_that_is_wanted_and_after_the_loop) {
  EXPECT_EQ(
      end_of([] {
        for (const BatchView& batch : stream(numbers(), {.on_interrupt = OnInterrupt::ignore})) {
          if (batch.index() == 3) raise(SIGINT);
        }
      }),
      "SIGINT");
  EXPECT_EQ(end_of([] {
              Loader loader = stream(numbers(), {.steps_per_epoch = 4});
              for (const BatchView& batch : loader) (void)batch;
              raise(SIGINT);
            }),
            "SIGINT");
}

}  // namespace
}  // namespace stoker
