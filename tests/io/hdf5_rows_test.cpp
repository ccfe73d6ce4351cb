// Rows of HDF5 datasets that libhdf5 itself wrote.
#include "io/hdf5_rows.h"

#include <gtest/gtest.h>
#include <hdf5.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "stoker/error.h"
#include "stoker/hdf5_rows.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker::io {
namespace {

using test::message_of;
using test::TemporaryFolder;

struct Layout {
  std::vector<hsize_t> chunk{};  // contiguous without
  bool shuffles = false;
  int deflate = 0;
  bool has_checksum = false;
  bool is_compact = false;
  hsize_t user_block = 0;
};

template <class T>
void make(const std::string& path, hid_t type, hid_t memory, std::vector<hsize_t> extents,
          const std::vector<T>& values, const Layout& layout = {}) {
  const hid_t file_creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_userblock(file_creation, layout.user_block);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, file_creation, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  if (!layout.chunk.empty()) {
    H5Pset_chunk(creation, static_cast<int>(layout.chunk.size()), layout.chunk.data());
  }
  if (layout.is_compact) H5Pset_layout(creation, H5D_COMPACT);
  if (layout.shuffles) H5Pset_shuffle(creation);
  if (layout.deflate > 0) H5Pset_deflate(creation, static_cast<unsigned>(layout.deflate));
  if (layout.has_checksum) H5Pset_fletcher32(creation);
  const hid_t set = H5Dcreate2(file, "x", type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  ASSERT_GE(set, 0);
  EXPECT_GE(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
  H5Dclose(set);
  H5Pclose(creation);
  H5Sclose(space);
  H5Fclose(file);
  H5Pclose(file_creation);
}

std::vector<float> counting(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

std::shared_ptr<Hdf5ChunkCache> cache() { return std::make_shared<Hdf5ChunkCache>(1 << 20); }

class Hdf5RowsTest : public ::testing::Test {
 protected:
  // All rows, one after another.
  template <class T>
  std::vector<T> all() const {
    const Hdf5Rows rows(path_, "x", dtype_of<T>, cache());
    const auto size = static_cast<std::size_t>(rows.row_shape().elements());
    std::vector<T> values(size * static_cast<std::size_t>(rows.rows()));
    for (std::int64_t i = rows.rows(); i-- > 0;) {
      rows.read(i, std::as_writable_bytes(
                       std::span(values).subspan(static_cast<std::size_t>(i) * size, size)));
    }
    return values;
  }
  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "rows.h5";
};

TEST_F(Hdf5RowsTest, every_layout_gives_the_same_rows) {
  const std::vector<float> values = counting(11 * 5 * 6);
  const std::vector<Layout> layouts{
      {},
      {.is_compact = true},
      {.chunk = {3, 5, 6}},
      {.chunk = {3, 2, 4}},
      {.chunk = {4, 5, 6}, .deflate = 4},
      {.chunk = {4, 3, 5}, .shuffles = true, .deflate = 1},
      {.chunk = {4, 3, 5}, .shuffles = true, .deflate = 9, .has_checksum = true},
      {.chunk = {2, 5, 1}, .has_checksum = true},
      {.chunk = {1, 5, 6}, .shuffles = true},
      {.user_block = 512},
      {.chunk = {3, 5, 6}, .user_block = 512},
      {.chunk = {4, 3, 5}, .shuffles = true, .deflate = 1, .user_block = 1024},
  };
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    make(path_, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {11, 5, 6}, values, layouts[i]);
    EXPECT_EQ(all<float>(), values) << "layout " << i;
    make(path_, H5T_IEEE_F64BE, H5T_NATIVE_FLOAT, {11, 5, 6}, values, layouts[i]);
    EXPECT_EQ(all<float>(), values) << "layout " << i << " of big-endian float64";
  }
}

TEST_F(Hdf5RowsTest, rows_of_one_number_have_no_axes) {
  make(path_, H5T_STD_I64LE, H5T_NATIVE_FLOAT, {7}, counting(7),
       {.chunk = {3}, .shuffles = true, .deflate = 3});
  EXPECT_EQ(all<std::int32_t>(), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(all<std::uint8_t>(), (std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(all<float>(), counting(7));
}

TEST_F(Hdf5RowsTest, integers_of_every_kind_are_read) {
  const std::vector<std::int32_t> values{-3, 0, 100, 127};
  for (const hid_t type :
       {H5T_STD_I8LE, H5T_STD_I16BE, H5T_STD_I32LE, H5T_STD_I32BE, H5T_STD_I64BE}) {
    make(path_, type, H5T_NATIVE_INT32, {4}, values);
    EXPECT_EQ(all<std::int32_t>(), values);
    EXPECT_EQ(all<float>(), (std::vector<float>{-3, 0, 100, 127}));
  }
  const std::vector<std::int32_t> positive{0, 1, 200, 255};
  for (const hid_t type : {H5T_STD_U8LE, H5T_STD_U16BE, H5T_STD_U32LE, H5T_STD_U64LE}) {
    make(path_, type, H5T_NATIVE_INT32, {4}, positive);
    EXPECT_EQ(all<std::uint8_t>(), (std::vector<std::uint8_t>{0, 1, 200, 255}));
  }
}

TEST_F(Hdf5RowsTest, numbers_that_do_not_fit_name_row_and_value) {
  make(path_, H5T_STD_I32LE, H5T_NATIVE_INT32, {2}, std::vector<std::int32_t>{1, 256});
  const Hdf5Rows rows(path_, "x", DType::uint8, cache());
  std::byte to{};
  rows.read(0, {&to, 1});
  const std::string message = message_of<DataError>([&] { rows.read(1, {&to, 1}); });
  EXPECT_NE(message.find("row 1"), std::string::npos) << message;
  EXPECT_NE(message.find("256"), std::string::npos) << message;
}

TEST_F(Hdf5RowsTest, floats_are_not_read_as_integers) {
  make(path_, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {4}, counting(4));
  EXPECT_THROW(Hdf5Rows(path_, "x", DType::int32, cache()), DTypeError);
  EXPECT_THROW(Hdf5Rows(path_, "y", DType::float32, cache()), IoError);
}

TEST_F(Hdf5RowsTest, damaged_and_truncated_data_is_an_error_of_its_rows) {
  make(path_, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {64, 64}, counting(64 * 64),
       {.chunk = {16, 64}, .shuffles = true, .deflate = 6, .has_checksum = true});
  const std::string whole = test::read_all(path_);
  const std::vector<float> expected = counting(64 * 64);
  std::vector<float> row(64);
  std::size_t errors = 0;
  for (std::size_t at = 0; at < whole.size(); at += 97) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    folder_.write("rows.h5", damaged);
    try {
      const Hdf5Rows rows(path_, "x", DType::float32, cache());
      if (rows.row_shape() != Shape{64}) continue;
      for (std::int64_t i = 0; i < rows.rows(); ++i) {
        rows.read(i, std::as_writable_bytes(std::span(row)));
      }
    } catch (const Error&) {
      ++errors;
    }
  }
  EXPECT_GT(errors, 10u);
  for (std::size_t size = 0; size < whole.size(); size += whole.size() / 40) {
    folder_.write("rows.h5", whole.substr(0, size));
    EXPECT_THROW(Hdf5Rows(path_, "x", DType::float32, cache()), Error);
  }
}

TEST_F(Hdf5RowsTest, chunks_that_were_never_written_are_an_error_of_their_rows) {
  const hid_t file = H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const std::vector<hsize_t> extents{8}, chunk{4}, one{4}, start{4};
  const hid_t space = H5Screate_simple(1, extents.data(), nullptr);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(creation, 1, chunk.data());
  H5Pset_deflate(creation, 1);
  const hid_t set =
      H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  const hid_t memory = H5Screate_simple(1, one.data(), nullptr);
  H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, one.data(), nullptr);
  const std::vector<float> values(4, 2.0f);
  H5Dwrite(set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, values.data());
  H5Sclose(memory);
  H5Dclose(set);
  H5Pclose(creation);
  H5Sclose(space);
  H5Fclose(file);
  const Hdf5Rows rows(path_, "x", DType::float32, cache());
  float value = 0.0f;
  rows.read(5, std::as_writable_bytes(std::span(&value, 1)));
  EXPECT_EQ(value, 2.0f);
  EXPECT_THROW(rows.read(1, std::as_writable_bytes(std::span(&value, 1))), IoError);
}

TEST_F(Hdf5RowsTest, threads_read_the_same_rows) {
  const std::vector<float> values = counting(256 * 10);
  make(path_, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {256, 10}, values,
       {.chunk = {8, 10}, .shuffles = true, .deflate = 1});
  const Hdf5Rows rows(path_, "x", DType::float32, std::make_shared<Hdf5ChunkCache>(1000));
  std::vector<std::vector<float>> read(4, std::vector<float>(values.size()));
  std::vector<std::thread> threads;
  for (auto& mine : read) {
    threads.emplace_back([&] {
      for (std::int64_t i = 0; i < 256; ++i) {
        const std::int64_t row = i * 37 % 256;
        rows.read(row, std::as_writable_bytes(
                           std::span(mine).subspan(static_cast<std::size_t>(row) * 10, 10)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : read) EXPECT_EQ(mine, values);
}

TEST_F(Hdf5RowsTest, several_files_follow_each_other) {
  make(folder_ / "a.h5", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {3, 2}, counting(6));
  make(folder_ / "b.h5", H5T_IEEE_F64LE, H5T_NATIVE_FLOAT, {2, 2}, counting(4));
  make(folder_ / "c.h5", H5T_IEEE_F64LE, H5T_NATIVE_FLOAT, {2, 3}, counting(6));
  const auto dataset = hdf5_rows<float>({folder_ / "a.h5", folder_ / "b.h5"}, {"x"});
  std::vector<float> values;
  for (const auto& [row] : dataset) values.insert(values.end(), row.begin(), row.end());
  EXPECT_EQ(values, (std::vector<float>{0, 1, 2, 3, 4, 5, 0, 1, 2, 3}));
  EXPECT_TRUE(dataset.shuffle(5, 1).batch(2).source().source()->pure());
  EXPECT_THROW(hdf5_rows<float>({folder_ / "a.h5", folder_ / "c.h5"}, {"x"}), ShapeError);
  EXPECT_THROW(hdf5_rows<float>({}, {"x"}), ValueError);
  EXPECT_THROW(hdf5_rows<float>({folder_ / "none.h5"}, {"x"}), IoError);
}

}  // namespace
}  // namespace stoker::io
