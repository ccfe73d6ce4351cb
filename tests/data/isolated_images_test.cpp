// Images that are decoded in processes of their own, and what is left when these go wrong.
#include "stoker/isolated_images.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <stoker/stoker.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "data/isolation/helper_process.h"
#include "support/contains.h"
#include "support/environment.h"
#include "support/message.h"
#include "support/png_files.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::message_of;
using test::TemporaryFolder;
using Pixels = std::vector<std::uint8_t>;

const std::string kFaulty = STOKER_FAULTY_DECODER;

Pixels pixels_of(const Tensor& image) {
  const auto values = image.data<std::uint8_t>();
  return {values.begin(), values.end()};
}

std::string some_png(int width, int height) {
  Random random(9);
  return test::png_file({.width = width, .height = height}, random);
}

// The processes that this one has started, ended ones among them.
std::size_t children() {
  std::string text = test::read_all("/proc/self/task/" + std::to_string(getpid()) + "/children");
  std::size_t count = static_cast<std::size_t>(std::ranges::count(text, ' '));
  for (const auto& thread : fs::directory_iterator("/proc/self/task")) {
    if (thread.path().filename() == std::to_string(getpid())) continue;
    text = test::read_all((thread.path() / "children").string());
    count += static_cast<std::size_t>(std::ranges::count(text, ' '));
  }
  return count;
}

std::size_t entries(const char* folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(IsolatedImages, have_the_pixels_and_the_errors_of_those_that_are_not) {
  const TemporaryFolder folder;
  const IsolatedImageReader reader;
  std::vector<std::string> files = {folder.write("a.png", some_png(50, 30)),
                                    folder.write("large.png", some_png(1500, 900)),
                                    folder.write("b.png", some_png(7, 9))};
  for (const std::string& path : files) {
    for (const int channels : {1, 3, 4}) {
      const Tensor isolated = reader.read_image(path, channels);
      const Tensor plain = read_image(path, channels);
      EXPECT_EQ(isolated.shape(), plain.shape());
      EXPECT_EQ(pixels_of(isolated), pixels_of(plain));
      Pixels here(static_cast<std::size_t>(20 * 24 * channels));
      Pixels there(here.size());
      reader.read_image_into(path, there, {20, 24, channels});
      read_image_into(path, here, {20, 24, channels});
      EXPECT_EQ(here, there);
    }
  }
  const std::string whole = some_png(50, 30);
  for (const std::string& path :
       {folder.write("cut.png", whole.substr(0, whole.size() / 2)), folder.write("empty.png", ""),
        folder.write("text.png", "neither"), folder / "missing.png"}) {
    EXPECT_EQ(message_of<IoError>([&] { reader.read_image(path); }),
              message_of<IoError>([&] { read_image(path); }));
  }
  EXPECT_THROW(reader.read_image(files[0], 2), ValueError);
  const IsolatedImageReader small({.limits = {.max_pixels = 100}});
  EXPECT_EQ(message_of<IoError>([&] { small.read_image(files[0]); }),
            message_of<IoError>([&] { read_image(files[0], 3, {.max_pixels = 100}); }));
  EXPECT_EQ(children(), 2U);  // one for each reader, since only one thread has read
}

TEST(IsolatedImages, a_decoder_that_goes_wrong_is_an_error_that_names_the_file) {
  const TemporaryFolder folder;
  const std::string good = folder.write("good.png", some_png(12, 11));
  const Pixels pixels = pixels_of(read_image(good));
  const IsolatedImageReader patient({.helper = kFaulty});
  const IsolatedImageReader hurried({.time_limit = 0.25, .helper = kFaulty});
  constexpr std::pair<const char*, const char*> kFaults[] = {
      {"abort", "signal 6"},
      {"segfault", "signal 11"},
      {"exit", "ended by itself, with 7"},
      {"hang", "took more than 0.25 s"},
      {"spin", "took more than 0.25 s"},
      {"short answer", "makes no sense"},
      {"other magic", "makes no sense"},
      {"unknown answer", "makes no sense"},
      {"large size", "makes no sense"},
      {"other channels", "makes no sense"},
      {"more than there is", "makes no sense"},
      {"no end of the message", ":  "},
      {"an answer that was late", "makes no sense"},
      {"shrink", "neither"},
      {"open a file", "no file could be opened"},
  };
  for (const auto& [fault, message] : kFaults) {
    const std::string path = folder.write("bad.png", fault);
    const bool lasts = contains(message, "took more");
    const std::string what =
        message_of<IoError>([&] { (lasts ? hurried : patient).read_image(path); });
    EXPECT_TRUE(contains(what, "bad.png: ")) << what;
    EXPECT_TRUE(contains(what, message)) << fault << ": " << what;
    EXPECT_EQ(what.find('\n'), std::string::npos);
    // After the message without an end, its helper has another answer to give, which the next
    // image doesn't take for its own.
    if (std::string(fault) == "no end of the message") continue;
    EXPECT_EQ(pixels_of(patient.read_image(good)), pixels) << fault;
  }
}

TEST(IsolatedImages, two_hundred_crashes_leave_nothing_behind) {
  const TemporaryFolder folder;
  const std::string good = folder.write("good.png", some_png(12, 11));
  const std::string bad = folder.write("bad.png", "segfault");
  const std::size_t processes = children();
  const std::size_t descriptors = entries("/proc/self/fd");
  {
    const IsolatedImageReader reader({.helper = kFaulty});
    const auto mappings = [] {
      const std::string maps = test::read_all("/proc/self/maps");
      std::size_t count = 0;
      for (std::size_t at = 0; (at = maps.find("memfd:stoker-decode", at)) != std::string::npos;) {
        ++count;
        ++at;
      }
      return count;
    };
    for (int i = 0; i < 200; ++i) {
      EXPECT_THROW(reader.read_image(bad), IoError);
      EXPECT_EQ(mappings(), 0U);
    }
    EXPECT_EQ(children(), processes);
    EXPECT_EQ(entries("/proc/self/fd"), descriptors);
    reader.read_image(good);
    EXPECT_EQ(children(), processes + 1);
    EXPECT_EQ(mappings(), 1U);
  }
  EXPECT_EQ(children(), processes);
  EXPECT_EQ(entries("/proc/self/fd"), descriptors);
}

TEST(IsolatedImages, many_threads_read_while_others_crash) {
  const TemporaryFolder folder;
  const std::string good = folder.write("good.png", some_png(40, 31));
  const std::string bad = folder.write("bad.png", "abort");
  const Pixels pixels = pixels_of(read_image(good));
  const std::size_t processes = children();
  {
    const IsolatedImageReader reader({.helper = kFaulty});
    std::atomic<int> right{0};
    std::atomic<int> errors{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          try {
            right += pixels_of(reader.read_image((i + t) % 5 == 0 ? bad : good)) == pixels ? 1 : 0;
          } catch (const IoError&) {
            ++errors;
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right, 160);
    EXPECT_EQ(errors, 40);
    EXPECT_LE(children(), processes + 8);  // helpers outlive the threads that have started them
    EXPECT_EQ(pixels_of(reader.read_image(good)), pixels);
  }
  EXPECT_EQ(children(), processes);
}

TEST(IsolatedImages, a_helper_that_was_killed_while_it_was_idle_is_an_error_once) {
  const TemporaryFolder folder;
  const std::string good = folder.write("good.png", some_png(12, 11));
  const IsolatedImageReader reader;
  reader.read_image(good);
  const std::string children =
      test::read_all("/proc/self/task/" + std::to_string(getpid()) + "/children");
  const pid_t helper = std::stoi(children.substr(children.rfind(' ', children.size() - 2) + 1));
  kill(helper, SIGKILL);
  EXPECT_TRUE(contains(message_of<IoError>([&] { reader.read_image(good); }), "signal 9"));
  reader.read_image(good);
}

TEST(IsolatedImages, helpers_end_with_the_program_that_started_them) {
  const TemporaryFolder folder;
  const std::string good = folder.write("good.png", some_png(12, 11));
  const std::string hanging = folder.write("hang.png", "hang");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t program = fork();
  if (program == 0) {
    const IsolatedImageReader reader;
    reader.read_image(good);
    const std::string children =
        test::read_all("/proc/self/task/" + std::to_string(getpid()) + "/children");
    (void)!write(ends[1], children.data(), children.size());
    for (;;) pause();
  }
  close(ends[1]);
  char text[64] = "";
  ASSERT_GT(read(ends[0], text, sizeof text - 1), 0);
  close(ends[0]);
  const pid_t helper = std::stoi(text);
  EXPECT_EQ(kill(helper, 0), 0);
  kill(program, SIGKILL);
  waitpid(program, nullptr, 0);
  const std::string state = "/proc/" + std::to_string(helper) + "/stat";
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  // It is gone, or a process that has ended and that its new parent has not asked for.
  const auto is_running = [&] {
    const std::string stat = test::read_all(state);
    return !stat.empty() && !contains(stat, ") Z");
  };
  while (is_running() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_FALSE(is_running());
}

TEST(IsolatedImages, a_helper_that_is_missing_or_another_program_is_an_error) {
  const TemporaryFolder folder;
  const std::string good = folder.write("good.png", some_png(12, 11));
  EXPECT_TRUE(contains(
      message_of<IoError>([&] { const IsolatedImageReader reader({.helper = folder / "none"}); }),
      folder / "none"));
  {
    const test::ScopedVariable variable("STOKER_DECODE", folder / "other");
    EXPECT_TRUE(
        contains(message_of<IoError>([] { const IsolatedImageReader reader; }), folder / "other"));
  }
  const IsolatedImageReader silent({.helper = "/bin/true"});
  EXPECT_TRUE(contains(message_of<IoError>([&] { silent.read_image(good); }),
                       "good.png: the process that decoded it ended by itself"));
  const std::string script = folder.write("talks", "#!/bin/sh\necho nonsense >&0\n");
  fs::permissions(script, fs::perms::owner_all);
  const IsolatedImageReader talks({.helper = script});
  EXPECT_TRUE(contains(message_of<IoError>([&] { talks.read_image(good); }), "makes no sense"));
  const std::string text = folder.write("text", "no program at all");
  fs::permissions(text, fs::perms::owner_all);
  const IsolatedImageReader broken({.helper = text});
  EXPECT_TRUE(contains(message_of<IoError>([&] { broken.read_image(good); }), "good.png: "));
}

TEST(IsolatedImages, without_descriptors_reading_is_an_error_and_goes_on_later) {
  const TemporaryFolder folder;
  const std::string good = folder.write("good.png", some_png(12, 11));
  const IsolatedImageReader reader;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const std::size_t used = entries("/proc/self/fd") - 1;  // without the one that looks
  int failures = 0;
  for (std::size_t more = 0; more < 8; ++more) {
    const rlimit few{used + more, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    std::string what;
    try {
      reader.read_image(good);
    } catch (const IoError& error) {
      what = error.what();
    }
    setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_TRUE(what.empty() || contains(what, "good.png")) << what;
    failures += what.empty() ? 0 : 1;
  }
  EXPECT_GT(failures, 0);
  reader.read_image(good);
  EXPECT_EQ(entries("/proc/self/fd"), used + 4);  // with the memory, the socket, the process
}

TEST(IsolatedImages, a_folder_of_images_can_be_isolated) {
  const TemporaryFolder folder;
  for (int i = 0; i < 6; ++i) {
    folder.write("a/" + std::to_string(i) + ".png", some_png(20 + i, 15));
  }
  const ImageSize size{8, 9, 3};
  const auto all = [&](bool isolate) {
    Pixels pixels;
    image_folder(folder.path(), {.size = size, .shuffle = false, .isolate = isolate})
        .dataset.for_each(
            [&](auto image, auto) { pixels.insert(pixels.end(), image.begin(), image.end()); });
    return pixels;
  };
  EXPECT_EQ(all(true), all(false));
  const test::ScopedVariable variable("STOKER_DECODE", kFaulty);
  folder.write("a/bad.png", "segfault");
  EXPECT_TRUE(contains(message_of<DataError>([&] { all(true); }), "bad.png"));
}

}  // namespace
}  // namespace stoker
