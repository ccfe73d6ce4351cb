#include "stoker/idx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "stoker/random.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;

std::string big_endian(std::uint32_t word) {
  return {static_cast<char>(word >> 24), static_cast<char>(word >> 16),
          static_cast<char>(word >> 8), static_cast<char>(word)};
}

std::string little_endian(std::uint32_t word) {
  const std::string text = big_endian(word);
  return {text.rbegin(), text.rend()};
}

std::string idx(std::uint8_t code, const std::vector<std::uint32_t>& extents,
                const std::string& elements) {
  std::string file = {'\0', '\0', static_cast<char>(code), static_cast<char>(extents.size())};
  for (const std::uint32_t extent : extents) file += big_endian(extent);
  return file + elements;
}

// gzip (RFC 1952) around one stored block of deflate (RFC 1951, section 3.2.4).
std::string gzip(const std::string& content) {
  std::uint32_t checksum = 0xffffffffU;
  for (const char character : content) {
    checksum ^= static_cast<std::uint8_t>(character);
    for (int bit = 0; bit < 8; ++bit) {
      checksum = (checksum >> 1) ^ ((checksum & 1U) != 0 ? 0xedb88320U : 0U);
    }
  }
  const auto size = static_cast<std::uint32_t>(content.size());
  const std::string header("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  return header + '\x01' + little_endian(size).substr(0, 2) + little_endian(~size).substr(0, 2) +
         content + little_endian(~checksum) + little_endian(size);
}

class IdxTest : public testing::Test {
 protected:
  IdxTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = fs::path(testing::TempDir()) / (std::string("stoker_idx_") + test->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~IdxTest() override { fs::remove_all(directory_); }

  fs::path write(const std::string& content, const std::string& name = "file") const {
    fs::path path = directory_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  // The message of the `Expected` error that reading `content` ends in, without the path that it
  // has to start with.
  template <class Expected = IoError>
  std::string error(const std::string& content) const {
    const fs::path path = write(content);
    try {
      (void)read_idx(path);
    } catch (const Expected& error) {
      const std::string message = error.what();
      const std::string prefix = path.string() + ": ";
      return message.starts_with(prefix) ? message.substr(prefix.size())
                                         : "does not start with the path: " + message;
    }
    return "no error was thrown";
  }

  fs::path directory_;
};

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  const std::span<const T> data = tensor.data<T>();
  return {data.begin(), data.end()};
}

// 12 bytes of header and 6 elements.
const std::string small = idx(0x08, {2, 3}, "abcdef");

TEST_F(IdxTest, reads_bytes_integers_and_floats) {
  const Tensor bytes = read_idx(write(small));
  EXPECT_EQ(bytes.shape(), (Shape{2, 3}));
  EXPECT_EQ(values_of<std::uint8_t>(bytes),
            (std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'}));
  const Tensor integers = read_idx(write(idx(0x0c, {2}, big_endian(1) + big_endian(0xfffffffe))));
  EXPECT_EQ(values_of<std::int32_t>(integers), (std::vector<std::int32_t>{1, -2}));
  const Tensor floats = read_idx(write(idx(0x0d, {1, 1, 1, 1}, big_endian(0x3fc00000))));
  EXPECT_EQ(floats.shape(), (Shape{1, 1, 1, 1}));
  EXPECT_EQ(values_of<float>(floats), (std::vector<float>{1.5f}));
}

TEST_F(IdxTest, unpacks_gzip_by_content_also_in_several_members) {
  const std::vector<std::uint8_t> expected{'a', 'b', 'c', 'd', 'e', 'f'};
  EXPECT_EQ(values_of<std::uint8_t>(read_idx(write(gzip(small), "named_otherwise"))), expected);
  const std::string members = gzip(small.substr(0, 7)) + gzip("") + gzip(small.substr(7));
  EXPECT_EQ(values_of<std::uint8_t>(read_idx(write(members))), expected);
}

TEST_F(IdxTest, no_elements_is_a_tensor_without_elements) {
  EXPECT_EQ(read_idx(write(idx(0x08, {0, 28, 28}, ""))).shape(), (Shape{0, 28, 28}));
  EXPECT_EQ(read_idx(write(gzip(idx(0x0d, {3, 0}, "")))).shape(), (Shape{3, 0}));
}

TEST_F(IdxTest, types_that_a_tensor_does_not_have_are_named) {
  EXPECT_EQ(error<DTypeError>(idx(0x09, {1}, "a")),
            "expected elements of uint8, int32 or float32, received int8");
  EXPECT_EQ(error<DTypeError>(idx(0x0b, {1}, "aa")),
            "expected elements of uint8, int32 or float32, received int16");
  EXPECT_EQ(error<DTypeError>(idx(0x0e, {1}, "aaaaaaaa")),
            "expected elements of uint8, int32 or float32, received float64");
  EXPECT_EQ(error(idx(0x0a, {1}, "a")),
            "expected an IDX element type of 08, 0c or 0d, received 0a");
}

TEST_F(IdxTest, another_kind_of_file_is_refused) {
  EXPECT_EQ(error("\x89PNG\r\n\x1a\n"),
            "expected an IDX file, which starts with 00 00, received 89 50 4e 47");
  EXPECT_EQ(error(""), "expected 4 more bytes of an IDX header, received 0 (truncated)");
}

TEST_F(IdxTest, ranks_other_than_one_to_four_are_refused) {
  EXPECT_EQ(error(idx(0x08, {}, "a")), "expected an IDX rank of 1 to 4, received 0");
  EXPECT_EQ(error(idx(0x08, {1, 1, 1, 1, 1}, "a")), "expected an IDX rank of 1 to 4, received 5");
}

TEST_F(IdxTest, absurd_extents_are_refused) {
  EXPECT_EQ(error(idx(0x08, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, "a")),
            "expected at most 2^33 bytes of elements, received the shape "
            "(4294967295, 4294967295, 4294967295, 4294967295)");
  // 2^64 bytes: a product that wraps around to 0.
  EXPECT_EQ(error(idx(0x0c, {1U << 31, 1U << 31}, "")),
            "expected at most 2^33 bytes of elements, received the shape (2147483648, 2147483648)");
  EXPECT_EQ(error(idx(0x08, {(1U << 31) + 1, 4}, "")),
            "expected at most 2^33 bytes of elements, received the shape (2147483649, 4)");
}

TEST_F(IdxTest, no_memory_is_taken_for_more_than_the_file_can_hold) {
  EXPECT_EQ(error(idx(0x08, {1U << 31, 4}, "a")),
            "expected 8589934604 bytes for the shape (2147483648, 4) in its header, received 13 "
            "(truncated)");
  // 36 bytes of gzip; deflate expands at most 1032 times.
  EXPECT_EQ(error(gzip(idx(0x08, {1U << 31, 4}, "a"))),
            "expected 8589934604 bytes for the shape (2147483648, 4) in its header, received a "
            "gzip file that can hold at most 37152 (truncated)");
}

TEST_F(IdxTest, every_truncation_is_an_error) {
  for (const std::string& file : {small, gzip(small)}) {
    for (std::size_t size = 0; size < file.size(); ++size) {
      EXPECT_THROW((void)read_idx(write(file.substr(0, size))), IoError) << size;
    }
  }
  EXPECT_EQ(error(small.substr(0, 7)),
            "expected 8 more bytes of an IDX header, received 3 (truncated)");
  EXPECT_EQ(error(small.substr(0, 17)),
            "expected 18 bytes for the shape (2, 3) in its header, received 17 (truncated)");
  EXPECT_EQ(error(gzip(small.substr(0, 17))),
            "expected 6 bytes of elements for the shape (2, 3), received 5 (truncated)");
  const std::string packed = gzip(small);
  EXPECT_EQ(error(packed.substr(0, packed.size() - 9)),
            "expected more compressed data, but the file ends (truncated gzip)");
}

TEST_F(IdxTest, trailing_bytes_are_an_error) {
  EXPECT_EQ(error(small + "g"),
            "expected 18 bytes for the shape (2, 3) in its header, received 19 (trailing bytes)");
  EXPECT_EQ(error(gzip(small + "g")),
            "expected 6 bytes of elements for the shape (2, 3), received more (trailing bytes)");
  EXPECT_EQ(error(gzip(small) + "garbage"), "damaged gzip data: incorrect header check");
}

TEST_F(IdxTest, a_flipped_bit_in_the_header_is_an_error_or_another_whole_tensor) {
  for (std::size_t bit = 0; bit < std::size_t{8} * 12; ++bit) {
    std::string file = small;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << (bit % 8)));
    try {
      const Tensor tensor = read_idx(write(file));
      EXPECT_EQ(tensor.bytes() + 4 + 4 * tensor.shape().rank(), file.size()) << "bit " << bit;
    } catch (const Error&) {
    }
  }
}

// gzip's checksum finds what is changed in the data; its header has fields that do not matter.
TEST_F(IdxTest, a_flipped_bit_in_a_gzip_file_is_an_error_or_changes_nothing) {
  const std::string whole = gzip(small);
  int errors = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string file = whole;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << (bit % 8)));
    try {
      EXPECT_EQ(values_of<std::uint8_t>(read_idx(write(file))),
                (std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'}))
          << "bit " << bit;
    } catch (const Error&) {
      ++errors;
    }
  }
  EXPECT_GT(errors, static_cast<int>(8 * (whole.size() - 10)) - 8);
}

TEST_F(IdxTest, random_bytes_end_in_an_error_of_ours) {
  Random random(1);
  for (int round = 0; round < 1000; ++round) {
    std::string file(static_cast<std::size_t>(random.integer(0, 64)), '\0');
    for (char& byte : file) byte = static_cast<char>(random.integer(0, 256));
    // Most rounds keep what leads deeper: the magic, a small rank, or gzip's header.
    const std::string start = round % 3 == 0   ? std::string("\0\0\x08\x02\0\0\0", 7)
                              : round % 3 == 1 ? std::string("\x1f\x8b\x08\0", 4)
                                               : std::string();
    try {
      (void)read_idx(write(start + file));
    } catch (const Error&) {
    }
  }
}

TEST_F(IdxTest, a_missing_file_and_a_directory_are_named) {
  try {
    (void)read_idx(directory_ / "missing");
    FAIL() << "expected an IoError";
  } catch (const IoError& error) {
    EXPECT_EQ(error.what(), (directory_ / "missing").string() +
                                ": expected a file, received: No such file or directory");
  }
  try {
    (void)read_idx(directory_);
    FAIL() << "expected an IoError";
  } catch (const IoError& error) {
    EXPECT_EQ(error.what(),
              directory_.string() + ": expected a regular file, received a directory or a device");
  }
}

class IdxDatasetTest : public IdxTest {
 protected:
  // Three training images and two test images of 2 x 2.
  void write_dataset() const {
    write(idx(0x08, {3, 2, 2}, "abcdefghijkl"), "train-images-idx3-ubyte");
    write(gzip(idx(0x08, {3}, std::string("\x02\0\xff", 3))), "train-labels-idx1-ubyte.gz");
    write(gzip(idx(0x08, {2, 2, 2}, "mnopqrst")), "t10k-images-idx3-ubyte.gz");
    write(idx(0x08, {2}, std::string("\x01\x03", 2)), "t10k-labels-idx1-ubyte");
  }

  std::string dataset_error() const {
    try {
      (void)load_idx_images(directory_);
    } catch (const IoError& error) {
      return error.what();
    }
    return "no error was thrown";
  }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
};

TEST_F(IdxDatasetTest, four_files_make_a_data_set) {
  write_dataset();
  const ImageDataset dataset = load_idx_images(directory_);
  EXPECT_EQ(dataset.train_images.shape(), (Shape{3, 2, 2, 1}));
  EXPECT_EQ(dataset.train_images.data<std::uint8_t>()[11], 'l');
  EXPECT_EQ(values_of<std::int32_t>(dataset.train_labels), (std::vector<std::int32_t>{2, 0, 255}));
  EXPECT_EQ(dataset.test_images.shape(), (Shape{2, 2, 2, 1}));
  EXPECT_EQ(values_of<std::int32_t>(dataset.test_labels), (std::vector<std::int32_t>{1, 3}));
  EXPECT_TRUE(dataset.class_names.empty());
}

TEST_F(IdxDatasetTest, another_number_of_labels_is_an_error) {
  write_dataset();
  write(idx(0x08, {3}, std::string(3, '\0')), "t10k-labels-idx1-ubyte");
  EXPECT_EQ(dataset_error(), path("t10k-labels-idx1-ubyte") +
                                 ": expected 2 labels as there are images in " +
                                 path("t10k-images-idx3-ubyte.gz") + ", received 3");
}

TEST_F(IdxDatasetTest, labels_in_place_of_images_are_an_error_and_the_reverse) {
  write_dataset();
  write(idx(0x08, {3}, "abc"), "train-images-idx3-ubyte");
  EXPECT_EQ(dataset_error(),
            path("train-images-idx3-ubyte") +
                ": expected images of shape (N, height, width) and uint8, received (3,) of uint8");
  write_dataset();
  write(idx(0x0d, {2}, std::string(8, '\0')), "t10k-labels-idx1-ubyte");
  EXPECT_EQ(dataset_error(), path("t10k-labels-idx1-ubyte") +
                                 ": expected labels of shape (N,) and uint8, received (2,) of "
                                 "float32");
}

TEST_F(IdxDatasetTest, an_empty_set_is_an_error) {
  write_dataset();
  write(idx(0x08, {0, 2, 2}, ""), "train-images-idx3-ubyte");
  EXPECT_EQ(dataset_error(),
            path("train-images-idx3-ubyte") +
                ": expected images of shape (N, height, width) and uint8, received (0, 2, 2) of "
                "uint8");
}

TEST_F(IdxDatasetTest, test_images_of_another_size_are_an_error) {
  write_dataset();
  write(gzip(idx(0x08, {2, 2, 1}, "mnop")), "t10k-images-idx3-ubyte.gz");
  EXPECT_EQ(dataset_error(),
            path("t10k-images-idx3-ubyte.gz") +
                ": expected images of the training set's size, (2, 2, 1), received (2, 1, 1)");
}

TEST_F(IdxDatasetTest, a_missing_data_set_says_how_to_get_it) {
  const std::string message = dataset_error();
  EXPECT_EQ(message, "No IDX data set in " + directory_.string() +
                         ": expected train-images-idx3-ubyte or train-images-idx3-ubyte.gz there. "
                         "Pass the directory that holds the four files (--data DIR in the "
                         "examples); Fashion-MNIST: apt-get install dataset-fashion-mnist");
  EXPECT_THROW((void)load_fashion_mnist(directory_), IoError);
}

TEST(FashionMnist, has_its_images_evenly_spread_over_ten_classes) {
  if (!fs::exists("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "Debian's package dataset-fashion-mnist is not installed";
  }
  const ImageDataset dataset = load_fashion_mnist();
  EXPECT_EQ(dataset.train_images.shape(), (Shape{60000, 28, 28, 1}));
  EXPECT_EQ(dataset.test_images.shape(), (Shape{10000, 28, 28, 1}));
  EXPECT_EQ(dataset.class_names.size(), 10U);
  const auto train = dataset.train_labels.data<std::int32_t>();
  const auto test = dataset.test_labels.data<std::int32_t>();
  for (std::int32_t label = 0; label < 10; ++label) {
    EXPECT_EQ(std::count(train.begin(), train.end(), label), 6000) << label;
    EXPECT_EQ(std::count(test.begin(), test.end(), label), 1000) << label;
  }
  // The mean pixel that is quoted for the training images: 0.2860 of 255.
  const auto pixels = dataset.train_images.data<std::uint8_t>();
  double sum = 0.0;
  for (const std::uint8_t pixel : pixels) sum += pixel;
  EXPECT_NEAR(sum / static_cast<double>(pixels.size()) / 255.0, 0.2860, 0.0001);
}

}  // namespace
}  // namespace stoker
