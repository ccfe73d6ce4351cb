#include "io/hdf5.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "io/hdf5_writer.h"
#include "stoker/error.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker::io {
namespace {

using test::message_of;
using test::TemporaryFolder;

std::vector<float> count_up(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

Hdf5Writer::Fetch from(const std::vector<float>& values) {
  return [&values](std::uint64_t offset, std::span<std::byte> bytes) {
    std::memcpy(bytes.data(), reinterpret_cast<const std::byte*>(values.data()) + offset,
                bytes.size());
  };
}

std::vector<std::byte> written(Hdf5Writer& writer) {
  std::vector<std::byte> image;
  const std::uint64_t bytes = writer.close();
  writer.write([&](std::span<const std::byte> piece) {
    image.insert(image.end(), piece.begin(), piece.end());
  });
  EXPECT_EQ(image.size(), bytes);
  return image;
}

std::vector<float> read(const Hdf5File& file, const std::string& path) {
  const auto dataset = file.dataset(path);
  if (!dataset) throw std::runtime_error(path + " is missing");
  std::vector<float> values(static_cast<std::size_t>(dataset->shape.elements()));
  file.read(*dataset, DType::float32, std::as_writable_bytes(std::span(values)));
  return values;
}

TEST(Hdf5, holds_what_was_written) {
  const std::vector<float> large = count_up(700'000), small = count_up(3), scalar = count_up(1);
  Hdf5Writer writer("a.h5");
  writer.group("layers/dense/vars");
  writer.text("layers/dense/vars", "name", "hidden");
  writer.dataset("layers/dense/vars/0", {700, 1000}, DType::float32, from(large));
  writer.dataset("layers/dense/vars/1", {3}, DType::float32, from(small));
  writer.group("vars");
  writer.dataset("vars/0", {}, DType::float32, from(scalar));
  writer.dataset("vars/1", {0, 4}, DType::float32, from(small));
  const std::vector<std::byte> image = written(writer);

  const TemporaryFolder folder;
  folder.write("a.h5", {reinterpret_cast<const char*>(image.data()), image.size()});
  const Hdf5File on_disk(folder / "a.h5");
  const Hdf5File in_memory("a.h5", image);
  for (const Hdf5File* file : {&on_disk, &in_memory}) {
    EXPECT_EQ(file->bytes(), image.size());
    EXPECT_EQ(file->children(""), (std::vector<std::string>{"layers", "vars"}));
    EXPECT_EQ(file->children("layers/dense/vars"), (std::vector<std::string>{"0", "1"}));
    EXPECT_EQ(file->text("layers/dense/vars", "name"), "hidden");
    EXPECT_EQ(file->text("layers/dense", "name"), std::nullopt);
    EXPECT_EQ(file->dataset("layers/dense/vars/0")->shape, (Shape{700, 1000}));
    EXPECT_EQ(file->dataset("layers/dense/vars/2"), std::nullopt);
    EXPECT_EQ(read(*file, "layers/dense/vars/0"), large);
    EXPECT_EQ(read(*file, "layers/dense/vars/1"), small);
    EXPECT_EQ(read(*file, "vars/0"), scalar);
    EXPECT_EQ(read(*file, "vars/1"), std::vector<float>{});
    EXPECT_TRUE(file->has_group("layers/dense"));
    EXPECT_FALSE(file->has_group("layers/dense/vars/0"));
    EXPECT_FALSE(file->has_group("nothing"));
  }
}

TEST(Hdf5, gives_the_same_bytes_for_the_same_contents) {
  const auto make = [] {
    const std::vector<float> values = count_up(5);
    Hdf5Writer writer("a.h5");
    writer.group("vars");
    writer.dataset("vars/0", {5}, DType::float32, from(values));
    return written(writer);
  };
  EXPECT_EQ(make(), make());
}

TEST(Hdf5, says_what_is_wrong_with_a_file) {
  const TemporaryFolder folder;
  folder.write("text.h5", "this is no HDF5 file");
  const std::string text = message_of<IoError>([&] { Hdf5File(folder / "text.h5"); });
  EXPECT_NE(text.find("text.h5: expected an HDF5 file"), std::string::npos) << text;
  EXPECT_NE(message_of<IoError>([&] { Hdf5File(folder / "missing.h5"); }), "");
  EXPECT_NE(message_of<IoError>([&] { Hdf5File(std::string(folder.path())); }), "");
  EXPECT_NE(message_of<IoError>([&] { Hdf5File("empty", {}); }), "");
}

TEST(Hdf5, refuses_a_file_that_was_cut_off_wherever_that_was) {
  const std::vector<float> values = count_up(500);
  Hdf5Writer writer("a.h5");
  writer.group("layers/dense/vars");
  writer.dataset("layers/dense/vars/0", {500}, DType::float32, from(values));
  const std::vector<std::byte> image = written(writer);
  for (std::size_t size = 0; size < image.size(); size += 37) {
    const auto part = std::span(image).first(size);
    EXPECT_NE(message_of<IoError>([&] { read(Hdf5File("a.h5", part), "layers/dense/vars/0"); }), "")
        << size;
  }
}

}  // namespace
}  // namespace stoker::io
