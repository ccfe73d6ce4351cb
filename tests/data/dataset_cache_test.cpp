// Files of Dataset::cache(): what is damaged is an error, and never training data.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "stoker/dataset.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::TemporaryFolder;

// Five rows of four numbers and a label, in batches of two, the last one short.
Dataset<float, std::int32_t> batches(const std::string& path) {
  const Tensor x = Tensor::normal({5, 4}, 0, 1, 1);
  const Tensor y = Tensor::from<std::int32_t>({5}, {0, 1, 2, 3, 4});
  return Dataset<float, std::int32_t>::from_tensor_slices({x, y}).batch(2).cache(path);
}

std::vector<float> values(const Dataset<float, std::int32_t>& dataset) {
  std::vector<float> all;
  dataset.for_each([&](auto x, auto y) {
    all.insert(all.end(), x.begin(), x.end());
    all.insert(all.end(), y.begin(), y.end());
  });
  return all;
}

// How the file lies: header, what the elements are, checksum; then each element with its own.
constexpr std::size_t kHeader = 32;
constexpr std::size_t kSignatureSizeAt = 8;
constexpr std::size_t kCountAt = 16;

std::size_t first_element(const std::string& file) {
  std::uint64_t size = 0;
  std::memcpy(&size, file.data() + kSignatureSizeAt, 8);
  return kHeader + size + 4;
}
// Right checksums for the header and for elements of these sizes.
void seal(std::string& file, const std::vector<std::size_t>& elements) {
  std::size_t at = 0;
  uLong crc = 0;
  const auto pass = [&](std::size_t size) {
    crc = crc32(crc, reinterpret_cast<const Bytef*>(file.data()) + at, static_cast<uInt>(size));
    const auto stored = static_cast<std::uint32_t>(crc);
    std::memcpy(file.data() + at + size, &stored, 4);
    at += size + 4;
  };
  pass(first_element(file) - 4);
  for (const std::size_t size : elements) pass(size);
}
void put_number(std::string& file, std::size_t at, std::int64_t number) {
  std::memcpy(file.data() + at, &number, 8);
}

class CacheFile : public testing::Test {
 protected:
  CacheFile() : path_(folder_ / "elements") {
    expected_ = values(batches(path_));
    whole_ = test::read_all(path_);
  }
  std::string error(const std::string& file) const {
    folder_.write("elements", file);
    return message_of<IoError>([&] { values(batches(path_)); });
  }

  TemporaryFolder folder_;
  std::string path_;
  std::vector<float> expected_;
  std::string whole_;
  // Extents of both components, and their values.
  const std::size_t pair_ = 8 * 3 + 4 * (2 * 4 + 2);
  const std::size_t single_ = 8 * 3 + 4 * (4 + 1);
};

TEST_F(CacheFile, is_read_as_it_was_written) {
  EXPECT_EQ(values(batches(path_)), expected_);
  std::string sealed = whole_;
  seal(sealed, {pair_, pair_, single_});
  EXPECT_EQ(sealed, whole_);
}

TEST_F(CacheFile, every_truncation_and_every_flipped_bit_is_an_error) {
  for (std::size_t size = 0; size < whole_.size(); ++size) {
    ASSERT_TRUE(contains(error(whole_.substr(0, size)), path_ + ": ")) << size;
  }
  for (std::size_t at = 0; at < whole_.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = whole_;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      ASSERT_TRUE(contains(error(damaged), path_ + ": ")) << at;
    }
  }
  EXPECT_TRUE(contains(error(whole_ + "x"), "a damaged cache: its length is not what it says"));
}

TEST_F(CacheFile, a_changed_value_is_never_trained_on) {
  std::string damaged = whole_;
  damaged[damaged.size() - 20] ^= 1;
  EXPECT_TRUE(contains(error(damaged), "a damaged cache: its checksum is wrong. Remove it"));
}

TEST_F(CacheFile, elements_that_changed_places_are_an_error) {
  std::string damaged = whole_;
  const std::size_t first = first_element(whole_);
  const std::size_t size = pair_ + 4;
  damaged.replace(first, size, whole_.substr(first + size, size));
  damaged.replace(first + size, size, whole_.substr(first, size));
  EXPECT_TRUE(contains(error(damaged), "its checksum is wrong"));
}

// Whoever writes such a file on purpose can make checksums too.
TEST_F(CacheFile, an_extent_beyond_the_elements_own_is_an_error_though_checksums_are_right) {
  const std::size_t first = first_element(whole_);
  for (const std::int64_t extent : {std::int64_t{3}, std::int64_t{5}, std::int64_t{300000},
                                    std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 62}) {
    for (const std::size_t axis : {0U, 1U}) {
      std::string damaged = whole_;
      put_number(damaged, first + 8 * axis, extent);
      seal(damaged, {pair_, pair_, single_});
      EXPECT_TRUE(contains(error(damaged), "an element is of another shape than it says"))
          << extent << " " << axis;
    }
  }
}

TEST_F(CacheFile, one_element_as_large_as_all_is_an_error) {
  // As one element of (300000,) where the file says (2, 4).
  std::string damaged = whole_;
  put_number(damaged, kCountAt, 1);
  put_number(damaged, first_element(whole_), 300000);
  seal(damaged, {});
  EXPECT_TRUE(contains(error(damaged), "a damaged cache: its length is not what it says"));
}

TEST_F(CacheFile, of_another_version_or_of_no_cache_is_not_called_damaged) {
  std::string other = whole_;
  other[7] = '1';
  EXPECT_TRUE(contains(error(other), "expected a cache of version 2, received version 1"));
  EXPECT_TRUE(contains(error(std::string(100, 'x')), "received another file"));
}

TEST_F(CacheFile, of_other_elements_is_an_error_that_names_both) {
  EXPECT_TRUE(contains(message_of<IoError>([&] { range(4).cache(path_).for_each([](auto) {}); }),
                       "a cache of elements float32(2, 4);int32(2,);, expected int32();"));
}

TEST(Cache, elements_without_values_are_kept_too) {
  const TemporaryFolder folder;
  const std::string path = folder / "elements";
  const auto empty = [&] {
    return Dataset<float>::from_tensor_slices({Tensor({3, 0})}).cache(path);
  };
  for (int i = 0; i < 2; ++i) {
    int count = 0;
    empty().for_each([&](std::span<const float> x) {
      EXPECT_TRUE(x.empty());
      ++count;
    });
    EXPECT_EQ(count, 3);
  }
}

TEST(Cache, batches_padded_to_their_largest_come_back_from_a_file) {
  const TemporaryFolder folder;
  const std::string path = folder / "elements";
  const auto padded = [&] {
    return range(7).window(3).padded_batch(2, {Shape{Shape::kUnknown}}).cache(path);
  };
  const auto all = [&] {
    std::vector<std::vector<std::int32_t>> rows;
    padded().for_each([&](auto x) { rows.emplace_back(x.begin(), x.end()); });
    return rows;
  };
  const std::vector<std::vector<std::int32_t>> expected{{0, 1, 2, 3, 4, 5}, {6}};
  EXPECT_EQ(all(), expected);
  EXPECT_EQ(all(), expected);
}

TEST(Cache, larger_elements_than_buffers_come_back_from_a_file) {
  const TemporaryFolder folder;
  const std::string path = folder / "elements";
  const Tensor x = Tensor::normal({3, 200000}, 0, 1, 1);
  for (int i = 0; i < 2; ++i) {
    std::vector<float> all;
    Dataset<float>::from_tensor_slices({x}).cache(path).for_each(
        [&](auto row) { all.insert(all.end(), row.begin(), row.end()); });
    EXPECT_TRUE(std::ranges::equal(all, x.data<float>()));
  }
}

TEST(Cache, a_pass_that_is_broken_off_leaves_no_file) {
  const TemporaryFolder folder;
  const std::string path = folder / "elements";
  for (const auto& element : batches(path)) {
    static_cast<void>(element);
    break;
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

// Ends the process: with status 0 where the error says what it should.
[[noreturn]] void write_to_a_full_disk(const std::string& path) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100000, 100000};
  setrlimit(RLIMIT_FSIZE, &small);
  try {
    Dataset<float>::from_tensor_slices({Tensor({1000, 100})}).cache(path).for_each([](auto) {});
  } catch (const IoError& error) {
    std::_Exit(contains(error.what(), "File too large") ? 0 : 2);
  }
  std::_Exit(1);
}

// A limit of the file's size stands in for a full disk. The next run finds no part of a file.
TEST(Cache, a_file_whose_writing_is_interrupted_is_not_there) {
  const TemporaryFolder folder;
  const std::string path = folder / "elements";
  EXPECT_EXIT(write_to_a_full_disk(path), testing::ExitedWithCode(0), "");
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace stoker
