// Event files: framing, summaries, and what happens where they can't be written.
#include "io/event_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/utf8.h"
#include "io/png_write.h"
#include "stoker/error.h"
#include "stoker/image.h"
#include "support/contains.h"
#include "support/event_reader.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker::io {
namespace {

using test::Event;

std::vector<Event> written(const std::function<void(EventFile&)>& write) {
  const test::TemporaryFolder folder;
  {
    EventFile file(folder / "run");
    write(file);
  }
  return test::read_events(folder / "run");
}

TEST(EventFile, has_a_name_of_its_own_and_begins_with_its_version) {
  const test::TemporaryFolder folder;
  const EventFile first(folder.path()), second(folder.path());
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(test::event_files(folder.path()).size(), 2u);
  const std::string name = first.path().filename();
  EXPECT_TRUE(name.starts_with("events.out.tfevents.")) << name;
  EXPECT_TRUE(name.ends_with(".v2")) << name;
  EXPECT_TRUE(test::contains(name, "." + std::to_string(getpid()) + "."));
}

TEST(EventFile, keeps_the_order_steps_and_values_of_scalars) {
  const auto events = written([](EventFile& file) {
    for (int i = 0; i < 3000; ++i) file.scalar(i, i % 2 == 0 ? "even" : "odd", 0.5 * i);
  });
  ASSERT_EQ(events.size(), 3000u);
  double before = 0.0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    ASSERT_EQ(events[i].step, static_cast<std::int64_t>(i));
    ASSERT_EQ(events[i].tag, i % 2 == 0 ? "even" : "odd");
    ASSERT_EQ(events[i].numbers, std::vector<double>{0.5 * static_cast<double>(i)});
    ASSERT_EQ(events[i].plugin, "scalars");
    ASSERT_EQ(events[i].data_class, 1);
    ASSERT_EQ(events[i].dtype, 1);
    ASSERT_TRUE(events[i].shape.empty());
    ASSERT_GE(events[i].wall_time, before);
    before = events[i].wall_time;
  }
  EXPECT_GT(before, 1.6e9);
}

TEST(EventFile, takes_numbers_that_are_none_and_steps_of_any_size) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto events = written([](EventFile& file) {
    file.scalar(0, "a", std::numeric_limits<double>::quiet_NaN());
    file.scalar(std::int64_t{1} << 60, "a", kInfinity);
    file.scalar(-1, "a", -1e300);
  });
  EXPECT_TRUE(std::isnan(events.at(0).numbers.at(0)));
  EXPECT_EQ(events.at(1).numbers.at(0), kInfinity);
  EXPECT_EQ(events.at(1).step, std::int64_t{1} << 60);
  EXPECT_EQ(events.at(2).numbers.at(0), -kInfinity);
  EXPECT_EQ(events.at(2).step, -1);
}

TEST(EventFile, replaces_bytes_of_tags_that_are_no_utf8) {
  const auto events = written([](EventFile& file) {
    file.scalar(0, "", 1.0);
    file.scalar(0, "größe/損失 \"<|>\"\n", 1.0);
    file.scalar(0, "a\xff\xc0\x80z", 1.0);
  });
  EXPECT_EQ(events.at(0).tag, "");
  EXPECT_EQ(events.at(1).tag, "größe/損失 \"<|>\"\n");
  EXPECT_EQ(events.at(2).tag, "a\ufffd\ufffd\ufffdz");
}

TEST(Utf8, keeps_what_is_valid_and_nothing_else) {
  for (const char* valid : {"", "abc", "é", "損", "😀", "\u07ff\u0800\uffff", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(valid_utf8(valid), valid);
  }
  EXPECT_EQ(valid_utf8("\xe0\x80\x80"), "\ufffd\ufffd\ufffd");            // longer than needed
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");            // a surrogate
  EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), "\ufffd\ufffd\ufffd\ufffd");  // above U+10FFFF
  EXPECT_EQ(valid_utf8("a\xe2\x82"), "a\ufffd\ufffd");                    // ends too early
}

TEST(EventFile, counts_histograms_as_tensorflow_does) {
  const auto events = written([](EventFile& file) {
    file.histogram(3, "w", std::vector<float>{0.0f, 1.0f, 29.5f, 30.0f, 2.0f, 2.5f});
  });
  ASSERT_EQ(events.at(0).numbers.size(), 90u);
  EXPECT_EQ(events[0].shape, (std::vector<std::int64_t>{30, 3}));
  EXPECT_EQ(events[0].plugin, "histograms");
  EXPECT_EQ(events[0].data_class, 2);
  EXPECT_EQ(events[0].step, 3);
  for (std::size_t i = 0; i < 30; ++i) {
    EXPECT_EQ(events[0].numbers[3 * i], static_cast<double>(i));
    EXPECT_EQ(events[0].numbers[3 * i + 1], static_cast<double>(i + 1));
    EXPECT_EQ(events[0].numbers[3 * i + 2], i < 2 ? 1.0 : i == 2 || i == 29 ? 2.0 : 0.0) << i;
  }
}

TEST(EventFile, counts_histograms_of_one_value_of_none_and_of_what_is_not_finite) {
  const auto same = buckets_of(std::vector<float>(5, 2.0f));
  ASSERT_EQ(same.size(), 30u);
  EXPECT_EQ(same[0].count, 0.0);
  EXPECT_EQ(same[29].count, 5.0);
  EXPECT_EQ(same[0].left, 2.0);
  EXPECT_EQ(same[29].right, 2.0);
  for (const Bucket& bucket : buckets_of({})) EXPECT_EQ(bucket.count + bucket.right, 0.0);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto some = buckets_of(std::vector<float>{kInfinity, 1.0f, std::nanf(""), 3.0f});
  EXPECT_EQ(some[0].left, 1.0);
  EXPECT_EQ(some[29].right, 3.0);
  double count = 0.0;
  for (const Bucket& bucket : some) count += bucket.count;
  EXPECT_EQ(count, 2.0);
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_EQ(buckets_of(std::vector<float>{-kMost, kMost})[29].count, 1.0);
}

TEST(EventFile, writes_images_that_read_back) {
  const test::TemporaryFolder folder;
  for (const int channels : {1, 3, 4}) {
    std::vector<std::uint8_t> pixels;
    for (int i = 0; i < 5 * 2 * channels; ++i) pixels.push_back(static_cast<std::uint8_t>(7 * i));
    if (channels == 4) {
      for (std::size_t i = 3; i < pixels.size(); i += 4) pixels[i] = 255;
    }
    const std::string png = encode_png(5, 2, channels, pixels);
    const Tensor read = read_image(folder.write("x.png", png), channels);
    EXPECT_EQ(read.shape(), (Shape{2, 5, channels}));
    ASSERT_EQ(read.dtype(), DType::uint8);
    EXPECT_TRUE(std::ranges::equal(read.data<std::uint8_t>(), pixels)) << channels;
    const auto events = written([&](EventFile& file) {
      file.images(2, "w/image", 5, 2, std::vector<std::string>{png, png});
    });
    EXPECT_EQ(events.at(0).strings, (std::vector<std::string>{"5", "2", png, png}));
    EXPECT_EQ(events[0].shape, std::vector<std::int64_t>{4});
    EXPECT_EQ(events[0].plugin, "images");
    EXPECT_EQ(events[0].data_class, 3);
    EXPECT_EQ(events[0].dtype, 7);
  }
  EXPECT_THROW(encode_png(0, 2, 1, {}), IoError);
}

TEST(EventFile, writes_texts_and_models) {
  const auto events = written([](EventFile& file) {
    file.text(1, "note", "# a\nb");
    file.keras_model(0, "keras", "{}");
  });
  EXPECT_EQ(events.at(0).strings, std::vector<std::string>{"# a\nb"});
  EXPECT_EQ(events[0].plugin, "text");
  EXPECT_EQ(events.at(1).strings, std::vector<std::string>{"{}"});
  EXPECT_EQ(events[1].plugin, "graph_keras_model");
  EXPECT_EQ(events[1].plugin_content, "1");
}

TEST(EventFile, has_everything_in_the_file_after_a_flush) {
  const test::TemporaryFolder folder;
  EventFile file(folder.path());
  file.scalar(1, "a", 1.0);
  EXPECT_EQ(std::filesystem::file_size(file.path()), 0u);
  file.flush();
  EXPECT_EQ(test::read_events(folder.path()).size(), 1u);
}

TEST(EventFile, says_where_it_could_not_be_made) {
  const test::TemporaryFolder folder;
  folder.write("file", "");
  const std::string path = folder / "file/logs";
  EXPECT_TRUE(test::contains(test::message_of<IoError>([&] { EventFile file(path); }),
                             "Writing " + path + ": could not make the folder: "));
}

// The limit on the size of files stands for a full disk.
TEST(EventFile, ends_with_a_whole_record_where_the_disk_is_full) {
  const test::TemporaryFolder folder;
  EventFile file(folder.path());
  file.scalar(1, "a", 1.0);
  file.flush();
  const auto before = std::filesystem::file_size(file.path());
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit low{before + 10, limit.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &low);
  file.scalar(2, "a", 2.0);
  const std::string message = test::message_of<IoError>([&] { file.flush(); });
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(message, "Writing " + file.path().string() + ": could not write it: File too large");
  EXPECT_EQ(std::filesystem::file_size(file.path()), before);
  file.scalar(3, "a", 3.0);
  file.flush();
  const auto events = test::read_events(folder.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].step, 3);
}

}  // namespace
}  // namespace stoker::io
