// CIFAR, CSV and NumPy's files.
#include <gtest/gtest.h>
#include <stoker/stoker.h>
#include <zlib.h>

#include <cstring>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::TemporaryFolder;

std::vector<float> floats(const Tensor& tensor) {
  const auto values = tensor.data<float>();
  return {values.begin(), values.end()};
}
std::vector<std::int32_t> ints(const Tensor& tensor) {
  const auto values = tensor.data<std::int32_t>();
  return {values.begin(), values.end()};
}

// ---- CIFAR ----
// A record whose red plane is `label`, the green one 100, the blue one the pixel's number.
std::string record(const std::string& labels) {
  std::string text = labels;
  text += std::string(1024, labels.back());
  text += std::string(1024, 100);
  for (int i = 0; i < 1024; ++i) text += static_cast<char>(i);
  return text;
}

TEST(Cifar, planes_become_pixels_and_five_files_one_tensor) {
  const TemporaryFolder folder;
  for (int i = 1; i <= 5; ++i) {
    folder.write("data_batch_" + std::to_string(i) + ".bin",
                 record(std::string(1, static_cast<char>(i))) + record(std::string(1, 9)));
  }
  folder.write("test_batch.bin", record(std::string(1, 7)));
  const ImageDataset data = load_cifar10(folder.path());
  EXPECT_EQ(data.train_images.shape(), (Shape{10, 32, 32, 3}));
  EXPECT_EQ(ints(data.train_labels), (std::vector<std::int32_t>{1, 9, 2, 9, 3, 9, 4, 9, 5, 9}));
  const auto pixels = data.train_images.data<std::uint8_t>();
  EXPECT_EQ(pixels[3 * 5], 1);
  EXPECT_EQ(pixels[3 * 5 + 1], 100);
  EXPECT_EQ(pixels[3 * 5 + 2], 5);
  EXPECT_EQ(data.test_images.shape(), (Shape{1, 32, 32, 3}));
  EXPECT_EQ(data.class_names[9], "truck");
}

TEST(Cifar, of_100_classes_has_two_labels) {
  const TemporaryFolder folder;
  folder.write("train.bin", record({3, 44}));
  folder.write("test.bin", record({19, 99}));
  EXPECT_EQ(ints(load_cifar100(folder.path()).test_labels), (std::vector<std::int32_t>{99}));
  EXPECT_EQ(ints(load_cifar100(folder.path(), CifarLabels::coarse).train_labels),
            (std::vector<std::int32_t>{3}));
}

TEST(Cifar, refuses_broken_records_and_labels_that_there_are_not) {
  const TemporaryFolder folder;
  folder.write("test.bin", record({0, 0}));
  folder.write("train.bin", record({0, 0}).substr(1));
  EXPECT_TRUE(contains(message_of<IoError>([&] { load_cifar100(folder.path()); }),
                       "expected whole records of 3074 bytes, received 3073 in record 0"));
  folder.write("train.bin", record({0, 0}) + record({0, 100}));
  EXPECT_TRUE(contains(message_of<IoError>([&] { load_cifar100(folder.path()); }),
                       "expected labels below 100, received 100 in record 1"));
  EXPECT_THROW(load_cifar10(folder.path()), IoError);
}

// ---- CSV ----
TEST(Csv, columns_by_name_and_type) {
  const TemporaryFolder folder;
  const Csv table = read_csv(folder.write("a.csv",
                                          "width,species,\"count, all\"\r\n"
                                          "1.5,setosa,3\r\n"
                                          " -2e-1 ,\"a \"\"b\"\"\nc\",+4\r\n"
                                          "\r\n"
                                          "7,setosa,5"));
  EXPECT_EQ(table.names(), (std::vector<std::string>{"width", "species", "count, all"}));
  EXPECT_EQ(table.rows(), 3);
  EXPECT_EQ(floats(table.floats({"count, all", "width"})),
            (std::vector<float>{3, 1.5f, 4, -0.2f, 5, 7}));
  EXPECT_EQ(ints(table.ints("count, all")), (std::vector<std::int32_t>{3, 4, 5}));
  EXPECT_EQ(table.texts("species")[1], "a \"b\"\nc");
  std::vector<std::string> values;
  EXPECT_EQ(ints(table.categories("species", values)), (std::vector<std::int32_t>{1, 0, 1}));
  EXPECT_EQ(values[1], "setosa");
}

TEST(Csv, without_a_header_and_with_another_delimiter) {
  const TemporaryFolder folder;
  const Csv table =
      read_csv(folder.write("a.csv", "1;2\n3;4\n"), {.delimiter = ';', .header = false});
  EXPECT_EQ(floats(table.floats()), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(floats(table.floats({"1"})), (std::vector<float>{2, 4}));
}

TEST(Csv, empty_fields_count_as_told_or_are_errors) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.csv", "x,y\n1,\n,2\n");
  EXPECT_EQ(floats(read_csv(path, {.missing = -1.0f}).floats()),
            (std::vector<float>{1, -1, -1, 2}));
  EXPECT_TRUE(contains(message_of<DataError>([&] { read_csv(path).floats(); }),
                       "line 2, column \"y\": expected a number ({.missing"));
}

TEST(Csv, numbers_too_small_for_a_float_are_zero_and_too_large_ones_errors) {
  const TemporaryFolder folder;
  EXPECT_EQ(floats(read_csv(folder.write("a.csv", "x\n1e-50\n-1e-400\n1e-42\n")).floats()),
            (std::vector<float>{0.0f, 0.0f, 1e-42f}));
  EXPECT_THROW(read_csv(folder.write("a.csv", "x\n1e50\n")).floats(), DataError);
}

TEST(Csv, errors_name_the_line_and_the_column) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& text) {
    return message_of<DataError>([&] { read_csv(folder.write("a.csv", text)).floats(); });
  };
  EXPECT_TRUE(contains(error("x,y\n1,2\n3\n"), "line 3: expected 2 fields"));
  EXPECT_TRUE(
      contains(error("x,y\n1,2x\n"), "line 2, column \"y\": expected a number, received \"2x\""));
  EXPECT_TRUE(contains(error("x\n\"\n1"), "line 2: a quote without an end"));
  EXPECT_TRUE(contains(error("x\n\"1\"2\n"), "line 2: expected ','"));
  EXPECT_TRUE(contains(error(""), "expected at least one line"));
  const Csv table = read_csv(folder.write("b.csv", "x,y\n1,2\n"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { table.ints("z"); }), "there is: x, y"));
  EXPECT_THROW(read_csv(folder / "missing.csv"), IoError);
}

// ---- NumPy ----
std::string npy(const std::string& header, const std::string& elements) {
  std::string text = "\x93NUMPY";
  text += '\x01';
  text += '\0';
  text += static_cast<char>(header.size());
  text += '\0';
  return text + header + elements;
}
template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string text(values.size() * sizeof(T), '\0');
  std::memcpy(text.data(), values.begin(), text.size());
  return text;
}

TEST(Npy, what_is_written_can_be_read) {
  const TemporaryFolder folder;
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3, 4}, Shape{0, 3}}) {
    const Tensor tensor = Tensor::normal(shape, 0, 1, 1);
    write_npy(folder / "a.npy", tensor);
    const Tensor read = read_npy(folder / "a.npy");
    EXPECT_EQ(read.shape(), shape);
    EXPECT_EQ(floats(read), floats(tensor));
    EXPECT_EQ((test::read_all(folder / "a.npy").size() - tensor.bytes()) % 64, 0U);
  }
  const Tensor labels = Tensor::from<std::int32_t>({3}, {1, -2, 3});
  write_npy(folder / "a.npy", labels);
  EXPECT_EQ(ints(read_npy(folder / "a.npy")), ints(labels));
}

TEST(Npy, fortran_order_is_turned_around) {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("a.npy", npy("{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }\n",
                                bytes_of<std::int32_t>({1, 4, 2, 5, 3, 6})));
  EXPECT_EQ(ints(read_npy(path)), (std::vector<std::int32_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, doubles_are_converted_when_asked_for) {
  const TemporaryFolder folder;
  const std::string header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
  const std::string path = folder.write("a.npy", npy(header, bytes_of<double>({1.5, -2.0})));
  EXPECT_EQ(floats(read_npy(path, {.convert = true})), (std::vector<float>{1.5f, -2.0f}));
  EXPECT_TRUE(contains(message_of<DTypeError>([&] { read_npy(path); }), "{.convert = true}"));
  const std::string wide =
      folder.write("b.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }",
                                bytes_of<std::int64_t>({std::int64_t{1} << 40})));
  EXPECT_TRUE(contains(message_of<DataError>([&] { read_npy(wide, {.convert = true}); }),
                       "does not fit int32"));
}

TEST(Npy, every_truncation_and_every_damaged_byte_is_an_error_or_another_array) {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", Tensor::normal({3, 2}, 0, 1, 1));
  const std::string whole = test::read_all(folder / "a.npy");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string path = folder.write("b.npy", whole.substr(0, size));
    EXPECT_THROW(read_npy(path), IoError) << size;
  }
  for (std::size_t at = 0; at < 128; ++at) {
    for (const int flip : {1, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      try {
        read_npy(folder.write("b.npy", damaged));
      } catch (const Error&) {  // never anything else
      }
    }
  }
}

void append(std::string& text, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
}

std::string deflated(const std::string& text) {
  std::string packed(text.size() + 100, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// An archive of one entry.
std::string zip(const std::string& name, const std::string& content, bool packs) {
  const std::string data = packs ? deflated(content) : content;
  const std::uint32_t crc = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())));
  const auto common = [&](std::string& text) {
    append(text, 20, 2);
    append(text, 0, 2);
    append(text, packs ? 8 : 0, 2);
    append(text, 0, 4);
    append(text, crc, 4);
    append(text, data.size(), 4);
    append(text, content.size(), 4);
    append(text, name.size(), 2);
    append(text, 0, 2);
  };
  std::string text;
  append(text, 0x04034b50, 4);
  common(text);
  text += name + data;
  const std::size_t directory = text.size();
  append(text, 0x02014b50, 4);
  append(text, 20, 2);
  common(text);
  append(text, 0, 2 + 2 + 2 + 4 + 4);
  text += name;
  const std::size_t size = text.size() - directory;
  append(text, 0x06054b50, 4);
  append(text, 0, 4);
  append(text, 1, 2);
  append(text, 1, 2);
  append(text, size, 4);
  append(text, directory, 4);
  append(text, 0, 2);
  return text;
}

TEST(Npz, arrays_by_name_stored_or_deflated) {
  const TemporaryFolder folder;
  const std::string array = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                                bytes_of<float>({1.0f, 2.0f}));
  for (const bool packs : {false, true}) {
    const auto arrays = read_npz(folder.write("a.npz", zip("x.npy", array, packs)));
    ASSERT_EQ(arrays.size(), 1U);
    EXPECT_EQ(floats(arrays.at("x")), (std::vector<float>{1, 2}));
  }
}

TEST(Npz, entries_that_share_their_bytes_are_refused) {
  const TemporaryFolder folder;
  const std::string array =
      npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4096,), }", std::string(4096, 'x'));
  std::string archive = zip("x.npy", array, false);
  // The directory's entry again and again, as the directory of as many.
  const std::size_t end = archive.size() - 22;
  const std::size_t directory = archive.find("PK\x01\x02");
  const std::string entry = archive.substr(directory, end - directory);
  std::string tail = archive.substr(end);
  tail[10] = 3;
  archive = archive.substr(0, directory) + entry + entry + entry + tail;
  EXPECT_TRUE(
      contains(message_of<IoError>([&] { read_npz(folder.write("a.npz", archive)); }), "overlap"));
}

TEST(Npz, damaged_archives_are_errors) {
  const TemporaryFolder folder;
  const std::string array = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                                bytes_of<float>({1.0f, 2.0f}));
  for (const bool packs : {false, true}) {
    const std::string whole = zip("x.npy", array, packs);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THROW(read_npz(folder.write("b.npz", whole.substr(0, size))), IoError) << size;
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0xff);
      try {
        read_npz(folder.write("b.npz", damaged));
      } catch (const Error&) {  // never anything else
      }
    }
  }
}

}  // namespace
}  // namespace stoker
