#include "stoker/tfrecord.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "stoker/image.h"
#include "support/message.h"
#include "support/record_files.h"
#include "support/temporary_folder.h"

namespace stoker::test {
namespace {

std::string numbered(int i) {
  return tf_record(example({{"x", float_list({1.0f * i, 0.5f})}, {"y", int64_list({i})}}));
}
std::string shard(int first, int count) {
  std::string bytes;
  for (int i = first; i < first + count; ++i) bytes += numbered(i);
  return bytes;
}
const std::array<ExampleFeature, 2> kFeatures{{{"x", {2}}, {"y", {}}}};

Dataset<float, std::int32_t> open(const std::vector<std::string>& shards,
                                  const RecordOptions& options = {}) {
  return tfrecord_examples<float, std::int32_t>(shards, kFeatures, options);
}
std::vector<int> labels_of(const Dataset<float, std::int32_t>& dataset, std::int64_t epoch = 0) {
  std::vector<int> labels;
  dataset.for_each(
      [&](std::span<const float> x, std::span<const std::int32_t> y) {
        EXPECT_EQ(x[0], static_cast<float>(y[0]));
        EXPECT_EQ(x[1], 0.5f);
        labels.push_back(y[0]);
      },
      epoch);
  return labels;
}

class TFRecord : public ::testing::Test {
 protected:
  const TemporaryFolder folder_;
};

TEST(Shards, braces_stand_for_numbers_and_words) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(expand_shards("a-{08..11}.tar"),
            (Names{"a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"}));
  EXPECT_EQ(expand_shards("{x,y}{0..1}"), (Names{"x0", "x1", "y0", "y1"}));
  EXPECT_EQ(expand_shards("plain"), Names{"plain"});
  for (const char* wrong :
       {"{0..", "{3..1}", "{a..b}", "{}", "{0..9999999}", "{0..999999}{0..9}"}) {
    EXPECT_THROW(expand_shards(wrong), ValueError) << wrong;
  }
}

TEST_F(TFRecord, plain_shards_can_be_asked_by_number) {
  folder_.write("a-0", shard(0, 3));
  folder_.write("a-1", shard(3, 2));
  const auto dataset = open({folder_ / "a-{0..1}"});
  EXPECT_TRUE(dataset.is_random_access());
  EXPECT_EQ(dataset.cardinality(), 5);
  EXPECT_EQ(labels_of(dataset), (std::vector<int>{0, 1, 2, 3, 4}));
  std::vector<int> shuffled = labels_of(dataset.shuffle(5, 1));
  std::ranges::sort(shuffled);
  EXPECT_EQ(shuffled, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(dataset.batch(2).source().source()->pure());
}

TEST_F(TFRecord, gzipped_shards_come_one_after_another) {
  folder_.write("a", gzipped(shard(0, 3)));
  folder_.write("b", shard(3, 2));
  const auto dataset = open({folder_ / "a", folder_ / "b"});
  EXPECT_FALSE(dataset.is_random_access());
  EXPECT_EQ(labels_of(dataset), (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(labels_of(dataset), (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(TFRecord, shards_are_shuffled_by_epoch_either_way) {
  for (int i = 0; i < 6; ++i) {
    folder_.write("p" + std::to_string(i), shard(2 * i, 2));
    folder_.write("g" + std::to_string(i), gzipped(shard(2 * i, 2)));
  }
  const RecordOptions options{.shuffle_shards = true, .seed = 4};
  const auto plain = open({folder_ / "p{0..5}"}, options);
  const auto gzip = open({folder_ / "g{0..5}"}, options);
  EXPECT_EQ(labels_of(plain, 0), labels_of(gzip, 0));
  EXPECT_EQ(labels_of(plain, 1), labels_of(gzip, 1));
  EXPECT_NE(labels_of(plain, 0), labels_of(plain, 1));
  std::vector<int> all = labels_of(plain, 2);
  for (std::size_t i = 0; i < all.size(); i += 2) EXPECT_EQ(all[i + 1], all[i] + 1);
}

TEST_F(TFRecord, features_become_what_is_asked_for) {
  const std::vector<std::uint8_t> pixels{1, 2, 3, 4};
  const std::string png = folder_ / "x.png";
  write_png(png, pixels, {2, 2, 1});
  folder_.write("a", tf_record(example({{"image", bytes_list(read_all(png))},
                                        {"ids", int64_list({5, 6, 7})},
                                        {"raw", bytes_list(std::string("\1\0\0\0\2\0\0\0", 8))},
                                        {"other", float_list({})}})));
  const auto dataset = tfrecord_examples<std::uint8_t, float, std::int32_t>(
      {folder_ / "a"}, {{{"image", {2, 2, 1}, true}, {"ids", {Shape::kUnknown}}, {"raw", {2}}}});
  int elements = 0;
  for (const auto& [image, ids, raw] : dataset) {
    ++elements;
    EXPECT_TRUE(std::ranges::equal(image, pixels));
    EXPECT_EQ(std::vector<float>(ids.begin(), ids.end()), (std::vector<float>{5, 6, 7}));
    EXPECT_EQ(raw[1], 2);
  }
  EXPECT_EQ(elements, 1);
}

TEST_F(TFRecord, records_as_they_are) {
  folder_.write("a", tf_record("abc") + tf_record("") + tf_record("de"));
  std::vector<std::string> texts;
  for (const auto& [bytes] : tfrecord_records({folder_ / "a"})) {
    texts.emplace_back(bytes.begin(), bytes.end());
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"abc", "", "de"}));
}

TEST_F(TFRecord, damage_names_file_and_offset) {
  const std::string bytes = shard(0, 3);
  const std::string path = folder_ / "a";
  const std::size_t second = numbered(0).size();
  std::string data = bytes, length = bytes;
  data[second + 20] = static_cast<char>(data[second + 20] ^ 1);
  length[second] = static_cast<char>(length[second] ^ 1);

  folder_.write("a", data);
  std::string message = message_of<DataError>([&] { labels_of(open({path})); });
  EXPECT_NE(message.find(path + ", offset " + std::to_string(second + 12)), std::string::npos)
      << message;
  folder_.write("a", length);
  message = message_of<IoError>([&] { open({path}); });
  EXPECT_NE(message.find(path + ", offset " + std::to_string(second)), std::string::npos)
      << message;
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    if (size % second == 0) continue;
    folder_.write("a", bytes.substr(0, size));
    EXPECT_THROW(open({path}), IoError) << size;
    folder_.write("a", gzipped(bytes.substr(0, size)));
    EXPECT_THROW(labels_of(open({path})), Error) << size;
  }
}

TEST_F(TFRecord, failures_are_passed_over) {
  const std::string bytes = shard(0, 3);
  std::string data = bytes, length = bytes;
  const std::size_t second = numbered(0).size();
  data[second + 20] = static_cast<char>(data[second + 20] ^ 1);
  length[second] = static_cast<char>(length[second] ^ 1);
  const RecordOptions skip{.on_error = OnError::skip};
  folder_.write("a", data);
  const std::vector<int> replaced = labels_of(open({folder_ / "a"}, skip));
  EXPECT_EQ(replaced.size(), 3u);
  EXPECT_NE(replaced[1], 1);
  folder_.write("b", gzipped(data));
  EXPECT_EQ(labels_of(open({folder_ / "b"}, skip)), (std::vector<int>{0, 2}));
  // Behind a length that is damaged, nothing of that shard can be found.
  folder_.write("c", gzipped(length));
  folder_.write("d", gzipped(shard(7, 1)));
  EXPECT_EQ(labels_of(open({folder_ / "c", folder_ / "d"}, skip)), (std::vector<int>{0, 7}));
}

TEST_F(TFRecord, messages_that_do_not_fit_are_refused) {
  const auto refused = [&](const std::string& message) {
    folder_.write("a", tf_record(message));
    return message_of<DataError>([&] { labels_of(open({folder_ / "a"})); });
  };
  EXPECT_NE(refused("\xff\xff").find("offset"), std::string::npos);
  EXPECT_NE(refused(example({{"x", float_list({1, 2})}})).find("\"y\""), std::string::npos);
  EXPECT_NE(refused(example({{"x", float_list({1})}, {"y", int64_list({1})}})).find("x:"),
            std::string::npos);
  refused(example({{"x", float_list({1, 2})}, {"y", float_list({1})}}));
  refused(example({{"x", float_list({1, 2})}, {"y", int64_list({std::int64_t{1} << 40})}}));
  refused(example({{"x", ""}, {"y", int64_list({1})}}));
}

TEST_F(TFRecord, options_that_make_no_sense_are_refused) {
  folder_.write("a", shard(0, 1));
  EXPECT_THROW(open({}), ValueError);
  EXPECT_THROW(open({folder_ / "none"}), IoError);
  EXPECT_THROW((tfrecord_examples<float>({folder_ / "a"}, {{{"x", {2, 2, 1}, true}}})), DTypeError);
  EXPECT_THROW((tfrecord_examples<std::uint8_t>({folder_ / "a"}, {{{"x", {2}, true}}})),
               ShapeError);
  EXPECT_THROW(
      (tfrecord_examples<float>({folder_ / "a"}, {{{"x", {Shape::kUnknown, Shape::kUnknown}}}})),
      ValueError);
  EXPECT_THROW(labels_of(open({folder_ / "a"}, {.limits = {.max_bytes = 4}})), DataError);
}

}  // namespace
}  // namespace stoker::test
