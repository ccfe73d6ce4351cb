// CIFAR and NumPy's files.
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

TEST(Npy, extents_may_be_long_integers_of_python_2) {
  const TemporaryFolder folder;
  const std::string elements = bytes_of<float>({0, 1, 2, 3, 4, 5});
  std::string file =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n", elements);
  const Tensor read = read_npy(folder.write("a.npy", file));
  EXPECT_EQ(read.shape(), (Shape{2, 3}));
  EXPECT_EQ(floats(read), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  const std::string one =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6L,), }", elements);
  EXPECT_EQ(read_npy(folder.write("a.npy", one)).shape(), (Shape{6}));
  // Version 3 came with Python 3: its lengths have four bytes.
  file[6] = '\x03';
  file.insert(10, 2, '\0');
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_npy(folder.write("a.npy", file)); }),
                       "a damaged .npy header"));
  EXPECT_THROW(read_npy(folder.write("a.npy", npy("{'descr': '<f4', 'fortran_order': False, "
                                                  "'shape': (2LL, 3), }\n",
                                                  elements))),
               IoError);
}

TEST(Npy, valid_files_that_are_not_read_are_not_called_damaged) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& header) {
    return message_of<IoError>([&] { read_npy(folder.write("a.npy", npy(header, ""))); });
  };
  EXPECT_TRUE(contains(error("{'descr': [('x', '<f4'), ('y', '<i4')], 'fortran_order': False, "
                             "'shape': (0,), }"),
                       "elements of several fields, which NumPy reads and read_npy does not"));
  EXPECT_TRUE(contains(error("{'descr': '<f4', 'fortran_order': False, "
                             "'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }"),
                       "an array of more than eight axes, which NumPy reads"));
  std::string newer = npy("{}", "");
  newer[6] = '\x04';
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_npy(folder.write("a.npy", newer)); }),
                       "received version 4, which is not known"));
  EXPECT_TRUE(
      contains(message_of<DTypeError>([&] {
                 read_npy(folder.write(
                     "a.npy", npy("{'descr': '>f4', 'fortran_order': False, 'shape': (0,)}", "")));
               }),
               "received \">f4\""));
}

TEST(Npy, an_extent_of_0_makes_no_elements_of_any_others) {
  const TemporaryFolder folder;
  const Tensor read = read_npy(
      folder.write("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, "
                                "1000000000000, 0), }",
                                "")));
  EXPECT_EQ(read.size(), 0);
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

TEST(Npz, what_unpacks_to_too_much_is_refused_unless_the_option_says_otherwise) {
  const TemporaryFolder folder;
  const std::string array = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (100000,), }",
                                std::string(100000, '\0'));
  const std::string path = folder.write("a.npz", zip("x.npy", array, true));
  EXPECT_EQ(read_npz(path).at("x").size(), 100000);
  EXPECT_TRUE(
      contains(message_of<IoError>([&] { read_npz(path, {.limits = {.max_bytes = 100000}}); }),
               "expected at most 100000 bytes of content (ReadLimits::max_bytes)"));
  // It claims 2^28 bytes, and is packed in a thousandth of that.
  std::string claims = zip("x.npy", std::string(std::size_t{1} << 19, 'x'), false);
  const auto claim = [&](std::size_t at) { claims.replace(at, 4, std::string("\1\0\0\x10", 4)); };
  const std::size_t directory = claims.find("PK\x01\x02");
  claims[directory + 10] = 8;  // deflated
  claim(directory + 24);
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_npz(folder.write("b.npz", claims)); }),
                       "ReadLimits::max_expansion"));
}

TEST(Npz, valid_archives_that_are_not_read_are_not_called_damaged) {
  const TemporaryFolder folder;
  const std::string whole =
      zip("x.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }", "x"), false);
  const std::size_t directory = whole.find("PK\x01\x02");
  const auto error = [&](std::size_t at, const std::string& bytes) {
    std::string changed = whole;
    changed.replace(at, bytes.size(), bytes);
    return message_of<IoError>([&] { read_npz(folder.write("a.npz", changed)); });
  };
  const std::string more(4, '\xff');
  EXPECT_TRUE(contains(error(directory + 8, "\1"), "encrypted, which is not read"));
  EXPECT_TRUE(contains(error(directory + 10, "\x0c"), "packed by method 12; expected"));
  EXPECT_TRUE(contains(error(directory + 20, more), "(zip64), which is not read"));
  EXPECT_TRUE(contains(error(directory + 24, more), "(zip64), which is not read"));
  EXPECT_TRUE(contains(error(directory + 42, more), "(zip64), which is not read"));
  EXPECT_TRUE(contains(error(whole.size() - 6, more), "(zip64), which is not read"));
  EXPECT_TRUE(contains(error(whole.size() - 12, "\xff\xff"), "(zip64), which is not read"));
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
