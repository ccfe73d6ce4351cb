#include "stoker/tar_samples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "stoker/image.h"
#include "stoker/npy.h"
#include "support/message.h"
#include "support/record_files.h"
#include "support/temporary_folder.h"

namespace stoker::test {
namespace {

class TarSamples : public ::testing::Test {
 protected:
  std::string png(std::uint8_t value) const {
    const std::string path = folder_ / "x.png";
    write_png(path, std::vector<std::uint8_t>(4, value), {2, 2, 1});
    return read_all(path);
  }
  std::string npy(const Tensor& tensor) const {
    const std::string path = folder_ / "x.npy";
    write_npy(path, tensor);
    return read_all(path);
  }
  std::string sample(int i) const {
    const std::string name = "data/s" + std::to_string(i);
    return tar_member(name + ".png", png(static_cast<std::uint8_t>(i))) +
           tar_member(name + ".cls", " " + std::to_string(i) + "\n");
  }
  std::string samples(int first, int count) const {
    std::string bytes;
    for (int i = first; i < first + count; ++i) bytes += sample(i);
    return bytes;
  }
  Dataset<std::uint8_t, std::int32_t> open(const std::vector<std::string>& shards,
                                           const RecordOptions& options = {}) const {
    return tar_samples<std::uint8_t, std::int32_t>(shards, {{{"jpg;png", {2, 2, 1}}, {"cls", {}}}},
                                                   options);
  }
  static std::vector<int> labels_of(const Dataset<std::uint8_t, std::int32_t>& dataset) {
    std::vector<int> labels;
    for (const auto& [image, label] : dataset) {
      EXPECT_EQ(image[3], label[0]);
      labels.push_back(label[0]);
    }
    return labels;
  }
  // The message of the error that an archive with this content gives, plain and gzipped.
  std::string refusal(const std::string& bytes) const {
    folder_.write("g.tar.gz", gzipped(bytes));
    EXPECT_THROW(labels_of(open({folder_ / "g.tar.gz"})), Error);
    folder_.write("a.tar", bytes);
    return message_of<IoError>([&] { open({folder_ / "a.tar"}); });
  }
  const TemporaryFolder folder_;
};

TEST_F(TarSamples, members_of_one_name_are_a_sample) {
  folder_.write("a-0.tar", tar_member("data/", "", '5') + samples(0, 3) + tar_end());
  folder_.write("a-1.tar",
                samples(3, 1) + tar_member("data/.hidden", "x") + samples(4, 1) + tar_end());
  const auto dataset = open({folder_ / "a-{0..1}.tar"});
  EXPECT_EQ(dataset.cardinality(), 5);
  EXPECT_EQ(labels_of(dataset), (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(dataset.shuffle(5, 1).batch(2).source().source()->pure());
}

TEST_F(TarSamples, gzipped_archives_come_one_after_another) {
  folder_.write("a.tar.gz", gzipped(samples(0, 2) + tar_member("data/.hidden", "x") +
                                    samples(2, 1) + tar_end()));
  const auto dataset = open({folder_ / "a.tar.gz"});
  EXPECT_EQ(dataset.cardinality(), dataset.kUnknown);
  EXPECT_EQ(labels_of(dataset), (std::vector<int>{0, 1, 2}));
}

TEST_F(TarSamples, members_are_read_by_their_extension) {
  const Tensor array = Tensor::from<float>({2, 1}, {0.5f, 2.0f});
  const std::string bytes =
      tar_member("s.x.npy", npy(array)) + tar_member("s.JSON", R"({"box": [1, 2.5], "class": 7})") +
      tar_member("s.bin", std::string("\1\0\0\0", 4)) + tar_member("s.txt", "hello") + tar_end();
  for (const bool packs : {false, true}) {
    folder_.write("a.tar", packs ? gzipped(bytes) : bytes);
    const auto dataset = tar_samples<float, float, std::int32_t, std::int32_t, std::uint8_t>(
        {folder_ / "a.tar"}, {{{"x.npy", {2, 1}},
                               {"json", {2}, "box"},
                               {"json", {}, "class"},
                               {"bin", {}},
                               {"txt", {Shape::kUnknown}}}});
    int elements = 0;
    for (const auto& [x, box, label, raw, text] : dataset) {
      ++elements;
      EXPECT_EQ(box[1], 2.5f);
      EXPECT_EQ(label[0], 7);
      EXPECT_EQ(raw[0], 1);
      EXPECT_EQ(std::string(text.begin(), text.end()), "hello");
      EXPECT_EQ(x.size(), 2u);
    }
    EXPECT_EQ(elements, 1);
  }
}

TEST_F(TarSamples, large_members_of_bytes_go_where_they_are_wanted) {
  const std::string data(8192, 'x');
  for (const bool packs : {false, true}) {
    const std::string bytes = tar_member("s.raw", data) + tar_end();
    folder_.write("a.tar", packs ? gzipped(bytes) : bytes);
    const auto open_as = [&](const Shape& shape) {
      return tar_samples<std::int32_t>({folder_ / "a.tar"}, {{{"raw", shape}}});
    };
    for (const auto& [values] : open_as({2048})) {
      EXPECT_EQ(std::ranges::count(values, 0x78787878), 2048);
    }
    const auto wrong = open_as({2047});
    const std::string message = message_of<DataError>([&] {
      for (const auto& [values] : wrong) EXPECT_FALSE(values.empty());
    });
    EXPECT_NE(message.find("a.tar, offset 512, member .raw: "), std::string::npos) << message;
  }
}

TEST_F(TarSamples, long_names_are_read_in_both_formats) {
  const std::string name = std::string(150, 'a') + "/" + std::string(120, 'b');
  const std::string line = " path=" + name + ".cls\n";
  std::string record = std::to_string(line.size() + 3) + line;
  ASSERT_EQ(record.size(), line.size() + 3);
  const std::string bytes = tar_member("././@LongLink", name + ".png" + '\0', 'L') +
                            tar_member("cut", png(6)) + tar_member("pax", record, 'x') +
                            tar_member("cut", "6") + tar_end();
  folder_.write("a.tar", bytes);
  EXPECT_EQ(labels_of(open({folder_ / "a.tar"})), std::vector<int>{6});
}

TEST_F(TarSamples, archives_that_lead_elsewhere_are_refused) {
  EXPECT_NE(refusal(tar_member("/etc/x.png", "") + tar_end()).find("absolute"), std::string::npos);
  EXPECT_NE(refusal(tar_member("a/../../x.png", "") + tar_end()).find("leads out"),
            std::string::npos);
  EXPECT_NE(refusal(tar_member("x.png", "", '2') + tar_end()).find("a link"), std::string::npos);
  EXPECT_NE(refusal(tar_member("x.png", "", '1') + tar_end()).find("a link"), std::string::npos);
  EXPECT_NE(refusal(tar_member("x.png", "", '3') + tar_end()).find("x.png"), std::string::npos);
  EXPECT_NE(refusal(tar_member("x.png", "", 'S') + tar_end()).find("sparse"), std::string::npos);
}

TEST_F(TarSamples, archives_that_are_cut_off_or_damaged_are_refused) {
  const std::string bytes = samples(0, 2) + tar_end();
  for (std::size_t size = 0; size + 1024 < bytes.size(); size += 256) {
    EXPECT_NE(refusal(bytes.substr(0, size)).find("a.tar"), std::string::npos);
  }
  std::string damaged = bytes;
  damaged[2] = static_cast<char>(damaged[2] ^ 1);
  EXPECT_NE(refusal(damaged).find("offset 0"), std::string::npos);
  EXPECT_NE(refusal(std::string(2000, 'x')).find("checksum"), std::string::npos);
}

TEST_F(TarSamples, a_sample_that_fails_names_archive_and_member) {
  const std::string broken = tar_member("b.png", "no image") + tar_member("b.cls", "1");
  const std::string lacking = tar_member("c.cls", "1");
  const std::string wrong = tar_member("d.png", png(1)) + tar_member("d.cls", "one");
  for (const std::string& bad : {broken, lacking, wrong}) {
    const std::string bytes = samples(0, 1) + bad + samples(2, 1) + tar_end();
    folder_.write("a.tar", bytes);
    const std::string message =
        message_of<DataError>([&] { labels_of(open({folder_ / "a.tar"})); });
    EXPECT_NE(message.find("a.tar, offset "), std::string::npos) << message;
    EXPECT_NE(message.find("member ."), std::string::npos) << message;
    const RecordOptions skip{.on_error = OnError::skip};
    EXPECT_EQ(labels_of(open({folder_ / "a.tar"}, skip)).size(), 3u);
    folder_.write("a.tar.gz", gzipped(bytes));
    EXPECT_EQ(labels_of(open({folder_ / "a.tar.gz"}, skip)), (std::vector<int>{0, 2}));
  }
  EXPECT_NE(refusal(tar_member("b.png", "") + tar_member("b.png", "") + tar_end()).find("two"),
            std::string::npos);
}

TEST_F(TarSamples, fields_that_make_no_sense_are_refused) {
  const std::string path = folder_.write("a.tar", samples(0, 1) + tar_end());
  EXPECT_THROW((tar_samples<std::uint8_t>({path}, {{{"jpg;npy", {2, 2, 1}}}})), ValueError);
  EXPECT_THROW((tar_samples<std::uint8_t>({path}, {{{"", {}}}})), ValueError);
  EXPECT_THROW((tar_samples<float>({path}, {{{"jpg", {2, 2, 1}}}})), DTypeError);
}

}  // namespace
}  // namespace stoker::test
