// What is written to NumPy's files: .npy, .npz. scripts/nightly has NumPy itself read them.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cstring>
#include <map>
#include <string>

#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::message_of;
using test::TemporaryFolder;

Tensor counting(const Shape& shape, DType dtype) {
  Tensor tensor(shape, dtype);
  auto* bytes = static_cast<unsigned char*>(tensor.raw());
  for (std::size_t i = 0; i < tensor.bytes(); ++i) bytes[i] = static_cast<unsigned char>(i * 7);
  return tensor;
}

void expect_same(const Tensor& read, const Tensor& written) {
  ASSERT_EQ(read.shape(), written.shape());
  ASSERT_EQ(read.dtype(), written.dtype());
  if (!written.empty()) {
    EXPECT_EQ(std::memcmp(read.raw(), written.raw(), written.bytes()), 0);
  }
}

std::map<std::string, Tensor> of_every_kind() {
  std::map<std::string, Tensor> tensors;
  for (const DType dtype : {DType::float32, DType::float16, DType::int32, DType::uint8}) {
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{3, 0, 2}, Shape{5}, Shape{2, 3, 4},
                               Shape{1, 1, 1, 1, 1, 1, 1, 2}}) {
      const std::string name = std::string(name_of(dtype)) + to_string(shape);
      tensors[name] = counting(shape, dtype);
    }
  }
  return tensors;
}

TEST(NpyWriting, keeps_every_type_and_shape) {
  const TemporaryFolder folder;
  for (const auto& [name, tensor] : of_every_kind()) {
    SCOPED_TRACE(name);
    write_npy(folder / "a.npy", tensor);
    expect_same(read_npy(folder / "a.npy"), tensor);
  }
}

TEST(NpzWriting, keeps_every_type_and_shape_by_name) {
  const TemporaryFolder folder;
  const auto tensors = of_every_kind();
  write_npz(folder / "a.npz", tensors);
  const auto read = read_npz(folder / "a.npz");
  ASSERT_EQ(read.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    SCOPED_TRACE(name);
    expect_same(read.at(name), tensor);
  }
}

TEST(NpzWriting, takes_no_tensors_at_all) {
  const TemporaryFolder folder;
  write_npz(folder / "a.npz", {});
  EXPECT_TRUE(read_npz(folder / "a.npz").empty());
}

TEST(NpzWriting, leaves_the_old_file_where_it_fails) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.npz", "old");
  const std::map<std::string, Tensor> bad{{"a", Tensor({2})}, {"b", Tensor({2}, DType::bfloat16)}};
  EXPECT_EQ(message_of<DTypeError>([&] { write_npz(path, bad); }),
            "write_npz: " + path + ", b: NumPy has no bfloat16");
  EXPECT_EQ(test::read_all(path), "old");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    files += entry.exists() ? 1 : 0;
  }
  EXPECT_EQ(files, 1U);
  EXPECT_THROW(write_npz(folder / "missing/a.npz", {}), IoError);
}

TEST(NpzWriting, refuses_names_that_an_archive_cannot_have) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_npz(folder / "a.npz", {{std::string(60001, 'x'), Tensor({1})}}), ValueError);
  EXPECT_THROW(write_npz(folder / "a.npz", {{std::string("a\0b", 3), Tensor({1})}}), ValueError);
}

}  // namespace
}  // namespace stoker
