// What every reader of files has to refuse in the same way.
#include <gtest/gtest.h>
#include <stoker/stoker.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/sanitizer.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::TemporaryFolder;

struct Reader {
  std::string name;
  std::function<void(const std::string&)> read;
};

void read_cache(const std::string& path) {
  range(3).cache(path).for_each([](auto) {});
}

std::vector<Reader> readers() {
  return {{"idx", [](const std::string& path) { read_idx(path); }},
          {"csv", [](const std::string& path) { read_csv(path); }},
          {"npy", [](const std::string& path) { read_npy(path); }},
          {"npz", [](const std::string& path) { read_npz(path); }},
          {"image", [](const std::string& path) { read_image(path); }},
          {"image, into",
           [](const std::string& path) {
             std::vector<std::uint8_t> pixels(12);
             read_image_into(path, pixels, {2, 2, 3});
           }},
          {"cache", read_cache}};
}

TEST(InputFiles, pipes_devices_and_folders_are_refused_by_every_reader) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const Reader& reader : readers()) {
    for (const std::string& path : {pipe, std::string("/dev/zero"), folder.path()}) {
      EXPECT_TRUE(contains(message_of<IoError>([&] { reader.read(path); }),
                           path + ": expected a regular file"))
          << reader.name;
    }
  }
}

TEST(InputFiles, links_that_lead_nowhere_are_errors_that_name_the_file) {
  const TemporaryFolder folder;
  const std::string round = folder / "round";
  std::filesystem::create_symlink("round", round);
  for (const Reader& reader : readers()) {
    EXPECT_TRUE(contains(message_of<IoError>([&] { reader.read(round); }), round)) << reader.name;
  }
  std::filesystem::create_symlink("train.bin", folder / "train.bin");
  EXPECT_THROW(load_cifar100(folder.path()), IoError);
}

TEST(InputFiles, a_pipe_among_cifars_files_is_refused) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "train.bin").c_str(), 0600), 0);
  EXPECT_TRUE(contains(message_of<IoError>([&] { load_cifar100(folder.path()); }),
                       "expected a regular file, received a pipe"));
}

#if !STOKER_SANITIZED_MALLOC  // A sanitizer needs more address space than the limit here.
// Ends the process: with status 0 where reading a file for which there is no memory gave an error
// of ours, with the original nested in it.
[[noreturn]] void read_without_memory(const Reader& reader, const std::string& path) {
  const rlimit small{std::uint64_t{3} << 30, std::uint64_t{3} << 30};
  setrlimit(RLIMIT_AS, &small);
  try {
    reader.read(path);
  } catch (const IoError& error) {
    try {
      std::rethrow_if_nested(error);
    } catch (const std::bad_alloc&) {
      std::_Exit(contains(error.what(), path + ": expected as much memory") ? 0 : 2);
    } catch (...) {
    }
    std::_Exit(3);
  } catch (...) {
    std::_Exit(4);
  }
  std::_Exit(1);
}

TEST(InputFiles, too_little_memory_is_an_error_of_ours) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a", std::string("\0\0\x08\x01\xf0\0\0\0", 8));
  std::filesystem::resize_file(path, 8 + 0xf0000000U);  // without blocks on the disk
  for (const Reader& reader : readers()) {
    if (reader.name != "idx" && reader.name != "npy" && reader.name != "npz") continue;
    EXPECT_EXIT(read_without_memory(reader, path), testing::ExitedWithCode(0), "") << reader.name;
  }
}
#endif  // !STOKER_SANITIZED_MALLOC

// ---- Limits ----
std::string gzip(const std::string& text) {
  std::string packed(compressBound(text.size()) + 100, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST(Limits, a_small_file_of_many_fields_is_refused_unless_the_option_says_otherwise) {
  const TemporaryFolder folder;
  // 2^25 fields of 8 bytes each, and their commas.
  const std::string path = folder.write("a.csv.gz", gzip(std::string(std::size_t{1} << 25, ',')));
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_csv(path); }), "ReadLimits::max_expansion"));
  const std::string few = folder.write("b.csv", "x,y\n1,2\n3,4\n");
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_csv(few, {.limits = {.max_bytes = 10}}); }),
                       "expected at most 10 bytes of content (ReadLimits::max_bytes)"));
  EXPECT_EQ(read_csv(few, {.limits = {.max_expansion = 1}}).rows(), 2);
  EXPECT_THROW(read_csv(few, {.limits = {.max_expansion = 0}}), ValueError);
}

TEST(Limits, of_idx_files) {
  const TemporaryFolder folder;
  // It claims 2^28 bytes and some, which so large a gzip file could hold.
  std::string text("\0\0\x08\x01\x10\0\0\x64", 8);
  Random random(1);
  for (int i = 0; i < 300000; ++i) text += static_cast<char>(random.word());
  const std::string path = folder.write("a.gz", gzip(text));
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_idx(path); }), "ReadLimits::max_expansion"));
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_idx(path, {.max_expansion = 2000}); }),
                       "received 300000 (truncated)"));
  const std::string few = folder.write("b", std::string("\0\0\x08\x01\0\0\0\x03xyz", 11));
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_idx(few, {.max_bytes = 2}); }),
                       "expected at most 2 bytes of elements"));
  EXPECT_EQ(read_idx(few, {.max_bytes = 3, .max_expansion = 1}).size(), 3);
}

TEST(Limits, of_cifar_files) {
  const TemporaryFolder folder;
  const std::string record(3074, '\1');
  folder.write("train.bin.gz", gzip(record + record));
  folder.write("test.bin", record);
  const auto load = [&](const ReadLimits& limits) {
    return load_cifar100(folder.path(), CifarLabels::fine, limits);
  };
  EXPECT_EQ(load({.max_bytes = 6152}).train_labels.size(), 2);
  EXPECT_TRUE(contains(message_of<IoError>([&] { load({.max_bytes = 6151}); }),
                       "train.bin.gz: expected at most 6151 bytes of content"));
}

TEST(Limits, of_numpys_files) {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", Tensor({100}));
  EXPECT_EQ(read_npy(folder / "a.npy", {.limits = {.max_bytes = 528}}).size(), 100);
  EXPECT_TRUE(contains(
      message_of<IoError>([&] { read_npy(folder / "a.npy", {.limits = {.max_bytes = 527}}); }),
      "at most 527 bytes"));
}

TEST(Limits, of_images_and_folders_of_them) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "class");
  const std::string path = folder / "class/a.png";
  write_png(path, std::vector<std::uint8_t>(64 * 32), {64, 32, 1});
  EXPECT_EQ(read_image(path, 1, {.max_pixels = 2048}).size(), 2048);
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_image(path, 1, {.max_pixels = 2047}); }),
                       "expected an image of at most 2047 pixels (ImageLimits::max_pixels), "
                       "received 32 x 64"));
  const auto first = [&](const ImageLimits& limits) {
    image_folder(folder.path(), {.size = {8, 8, 3}, .limits = limits})
        .dataset.for_each([](auto, auto) {});
  };
  first({.max_pixels = 2048});
  EXPECT_TRUE(contains(message_of<DataError>([&] { first({.max_pixels = 2047}); }), "max_pixels"));
  // A file that says that it is as large as PNG allows is too large, and not damaged.
  std::string huge = test::read_all(path);
  for (const std::size_t at : {16U, 20U}) huge.replace(at, 4, "\x7f\xff\xff\xff");
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(huge.data()) + 12, 17);
  for (int i = 0; i < 4; ++i)
    huge[29 + static_cast<std::size_t>(i)] = static_cast<char>(crc >> (24 - 8 * i));
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_image(folder.write("b.png", huge)); }),
                       "at most 2^28 pixels (ImageLimits::max_pixels), received 2147483647 x"));
}

// ---- Folders ----
TEST(ImageFolder, passes_over_what_is_hidden) {
  const TemporaryFolder folder;
  for (const char* name : {"cat", "dog", ".ipynb_checkpoints", ".git"}) {
    std::filesystem::create_directory(folder / name);
  }
  const std::vector<std::uint8_t> pixels(16);
  for (const char* name : {"cat/0.png", "cat/._0.png", "cat/.hidden.png", "dog/1.png",
                           ".ipynb_checkpoints/0-checkpoint.png", ".top.png"}) {
    write_png(folder / name, pixels, {4, 4, 1});
  }
  const ImageFolder found = image_folder(folder.path(), {.size = {4, 4, 3}, .shuffle = false});
  EXPECT_EQ(found.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(found.labels, (std::vector<std::int32_t>{0, 1}));
}

TEST(ImageFolder, a_link_that_leads_to_no_file_is_an_error_of_its_batch) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "cat/folder.png");
  ASSERT_EQ(mkfifo((folder / "cat/pipe.png").c_str(), 0600), 0);
  std::filesystem::create_symlink("gone.png", folder / "cat/dangling.png");
  std::filesystem::create_symlink("round.png", folder / "cat/round.png");
  const ImageFolder found = image_folder(folder.path(), {.size = {4, 4, 3}, .shuffle = false});
  ASSERT_EQ(found.files.size(), 2U);
  EXPECT_TRUE(contains(message_of<DataError>([&] { found.dataset.for_each([](auto, auto) {}); }),
                       "dangling.png"));
  EXPECT_THROW(image_folder(folder.path(), {.size = {0, 4, 3}}), ShapeError);
  EXPECT_THROW(image_folder(folder.path(), {.size = {-4, -4, 3}}), ShapeError);
}

// ---- Names of MNIST's files ----
TEST(IdxNames, a_dot_may_stand_before_idx) {
  const TemporaryFolder folder;
  const std::string images("\0\0\x08\x03\0\0\0\x01\0\0\0\x02\0\0\0\x01xy", 18);
  const std::string labels("\0\0\x08\x01\0\0\0\x01\x07", 9);
  folder.write("train-images.idx3-ubyte", images);
  folder.write("train-labels.idx1-ubyte.gz", gzip(labels));
  folder.write("t10k-images-idx3-ubyte", images);
  folder.write("t10k-labels.idx1-ubyte", labels);
  const ImageDataset data = load_idx_images(folder.path());
  EXPECT_EQ(data.train_images.shape(), (Shape{1, 2, 1, 1}));
  EXPECT_EQ(data.train_labels.data<std::int32_t>()[0], 7);
  // The name that the data set has comes first.
  folder.write("train-labels-idx1-ubyte", std::string("\0\0\x08\x01\0\0\0\x01\x03", 9));
  EXPECT_EQ(load_idx_images(folder.path()).train_labels.data<std::int32_t>()[0], 3);
}

}  // namespace
}  // namespace stoker
