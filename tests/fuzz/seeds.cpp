#include "fuzz/seeds.h"

#include <cstdio>
#include <cstdlib>

// Needs FILE from before it.
#include <hdf5.h>
#include <jpeglib.h>
#include <sndfile.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5_writer.h"
#include "io/protobuf.h"
#include "io/safetensors.h"
#include "io/zip.h"
#include "stoker/dataset.h"
#include "stoker/image.h"
#include "stoker/npy.h"
#include "support/png_files.h"
#include "support/record_files.h"

namespace {

namespace fs = std::filesystem;
using namespace stoker;

fs::path root;

void write(const std::string& reader, const std::string& name, const std::string& bytes) {
  fs::create_directories(root / reader);
  std::ofstream(root / reader / name, std::ios::binary) << bytes;
}
std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
// Behind the byte that chooses options.
std::string with(int options, const std::string& bytes) {
  return static_cast<char>(options) + bytes;
}
void append(std::string& text, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
}

std::string packed(const std::string& text, int window) {
  std::string result(compressBound(text.size()) + 100, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}
std::string gzip(const std::string& text) { return packed(text, 15 + 16); }

void idx() {
  const std::string bytes(
      "\0\0\x08\x02\0\0\0\x02\0\0\0\x03"
      "abcdef",
      18);
  const std::string floats("\0\0\x0d\x01\0\0\0\x01\x3f\x80\0\0", 12);
  write("idx", "bytes", bytes);
  write("idx", "floats", floats);
  write("idx", "packed", gzip(bytes));
}

void cifar() {
  const std::string record = std::string(2, '\1') + std::string(3072, 'x');
  write("cifar", "plain", with(0, record));
  write("cifar", "packed", with(1, gzip(record + record)));
}

void csv() {
  write("csv", "plain", with(8, "a,b,a\n1,2.5,x\n-3e-2,,\"q\"\"\n,\"\n"));
  write("csv", "returns", with(9, "a;b\r1;2\r\n \r3;NA\r"));
  write("csv", "no header", with(48, "1,2\n?,nan\n"));
  write("csv", "packed",
        with(8, gzip("\xef\xbb\xbf"
                     "a,b\n1,2\n")));
}

std::string npy_file(const Tensor& tensor) {
  const fs::path path = root / "scratch";
  write_npy(path.string(), tensor);
  std::string bytes = read(path);
  fs::remove(path);
  return bytes;
}

std::string npy_of(const std::string& header, const std::string& elements) {
  std::string text("\x93NUMPY\x01\0", 8);
  append(text, header.size(), 2);
  return text + header + elements;
}

void npy() {
  write("npy", "floats", with(0, npy_file(Tensor::normal({2, 3}))));
  write("npy", "scalar", with(0, npy_file(Tensor(Shape{}, DType::int32))));
  write("npy", "doubles",
        with(1, npy_of("{'descr': '<f8', 'fortran_order': True, 'shape': (2L, 1L), }",
                       std::string(16, '\0'))));
  write("npy", "longs",
        with(1, npy_of("{\"descr\": '<i8', 'fortran_order': False, 'shape': (1,)}\n",
                       std::string(8, '\1'))));
}

std::string zip(const std::string& content, bool packs) {
  const std::string name = "x.npy";
  const std::string data = packs ? packed(content, -15) : content;
  const uLong crc =
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
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
  text += std::string(14, '\0') + name;
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

void npz() {
  const std::string array = npy_file(Tensor::normal({2, 3}));
  write("npz", "stored", with(2, zip(array, false)));
  write("npz", "deflated", with(0, zip(array, true)));
}

std::string jpeg(bool is_progressive, int components) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long length = 0;
  jpeg_mem_dest(&info, &bytes, &length);
  info.image_width = 17;
  info.image_height = 9;
  info.input_components = components;
  info.in_color_space = components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  if (is_progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<std::uint8_t> row(static_cast<std::size_t>(17 * components));
  while (info.next_scanline < info.image_height) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = static_cast<std::uint8_t>(7 * i + 11 * info.next_scanline);
    }
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string text(reinterpret_cast<char*>(bytes), length);
  std::free(bytes);
  return text;
}

void image() {
  for (const std::int64_t channels : {1, 3}) {
    const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(6 * 5 * channels), 77);
    const fs::path path = root / "scratch.png";
    write_png(path.string(), pixels, {6, 5, channels});
    write("image", "png" + std::to_string(channels), with(4, read(path)));
    fs::remove(path);
  }
  Random random(1);
  for (const auto& [color_type, depth] : {std::pair{2, 8}, {3, 4}, {0, 1}, {4, 16}, {6, 8}}) {
    for (const bool is_interlaced : {false, true}) {
      const test::PngFormat format{.color_type = color_type,
                                   .depth = depth,
                                   .is_interlaced = is_interlaced,
                                   .width = 11,
                                   .height = 6,
                                   .idat_bytes = 60,
                                   .is_transparent = color_type == 3};
      const std::string name = std::to_string(color_type) + (is_interlaced ? "i" : "");
      write("image", "sealed png" + name, with(8 + 2, test::png_file(format, random)));
    }
  }
  for (int kind = 0; kind < 15; ++kind) {
    std::string rows(300, '\0');
    for (char& byte : rows) byte = static_cast<char>(random.integer(0, 6));
    rows[0] = static_cast<char>(kind);
    write("image", "rows of png" + std::to_string(kind), with(16 + kind % 3, rows));
  }
  write("image", "jpeg", with(4, jpeg(false, 3)));
  write("image", "gray jpeg", with(1, jpeg(false, 1)));
  write("image", "progressive jpeg", with(0, jpeg(true, 3)));
}

// As the harness has it: whole, and without checksums.
void cache() {
  const Tensor x = Tensor::normal({3, 4, 2});
  const Tensor y({3}, DType::int32);
  const fs::path path = root / "scratch.cache";
  fs::remove(path);
  Dataset<float, std::int32_t>::from_tensor_slices({x, y})
      .cache(path.string())
      .for_each([](auto, auto) {});
  const std::string whole = read(path);
  fs::remove(path);
  write("cache", "whole", with(0, whole));
  const std::size_t element = 16 + 4 * 8 + 4;
  std::size_t at = whole.size() - 3 * (element + 4) - 4;
  std::string plain = whole.substr(0, at);
  for (at += 4; at < whole.size(); at += element + 4) plain += whole.substr(at, element);
  write("cache", "sealed", with(1, plain));
  write("cache", "mended", with(3, plain));
}

// A tensor, a scalar and a text, as a model's weights have them.
std::string hdf5_file() {
  io::Hdf5Writer writer("seed");
  const auto fill = [](std::uint64_t, std::span<std::byte> bytes) {
    std::fill(bytes.begin(), bytes.end(), std::byte{0x3f});
  };
  writer.group("layers/dense/vars");
  writer.text("layers/dense/vars", "weight_names", "kernel");
  writer.dataset("layers/dense/vars/0", {3, 2}, DType::float32, fill);
  writer.group("optimizer/vars");
  writer.dataset("optimizer/vars/0", {}, DType::int32, fill);
  writer.close();
  std::string bytes;
  writer.write([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return bytes;
}

void hdf5() {
  // The long gap for more descriptions says nothing.
  write("hdf5", "on disk", with(0, hdf5_file()));
  write("hdf5", "in memory", with(1, hdf5_file()));
}

void archive() {
  std::string bytes;
  io::ZipWriter writer([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  writer.member("config.json", R"({"class_name": "Sequential", "config": {"layers": [1, 2.5]}})");
  writer.member("model.weights.h5", 5, [](const io::ZipWriter::Sink& sink) {
    sink(std::as_bytes(std::span("bytes", 5)));
  });
  writer.close();
  write("zip", "read", with(0, bytes));
  write("zip", "mapped", with(1, bytes));
}

void safetensors() {
  io::SafetensorsHeader header{.metadata = {{"format", "keras"}},
                               .entries = {{"dense/kernel", "F32", {2, 3}}, {"count", "I32", {}}}};
  const std::string text = io::write_safetensors_header(header);
  const std::uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  write("safetensors", "two", bytes + text + std::string(28, 'x'));
}

void protobuf() {
  io::ProtoWriter message;
  message.integer(1, 300).number(2, 1.5f).number(3, 2.5).text(4, "text");
  message.message(5, io::ProtoWriter().integer(1, -1));
  write("protobuf", "all", message.bytes());
}

// What libhdf5 itself writes: chunks, with every filter that is read.
void hdf5_rows() {
  const fs::path path = root / "scratch";
  for (const bool packs : {false, true}) {
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const std::array<hsize_t, 2> extents{10, 6}, chunk{4, 4};
    const hid_t space = H5Screate_simple(2, extents.data(), nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 2, chunk.data());
    if (packs) {
      H5Pset_shuffle(creation);
      H5Pset_deflate(creation, 6);
      H5Pset_fletcher32(creation);
    }
    const hid_t set =
        H5Dcreate2(file, "x", H5T_STD_I16LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    const std::vector<int> values(60, 7);
    H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    H5Dclose(set);
    H5Pclose(creation);
    H5Sclose(space);
    H5Fclose(file);
    write("hdf5_rows", packs ? "packed" : "plain", with(packs ? 1 : 0, read(path)));
  }
  fs::remove(path);
}

std::string small_png() {
  const fs::path path = root / "scratch.png";
  write_png(path.string(), std::vector<std::uint8_t>(4, 9), {2, 2, 1});
  const std::string bytes = read(path);
  fs::remove(path);
  return bytes;
}

void records() {
  using namespace stoker::test;
  const std::string record = tf_record(example(
      {{"x", float_list({1, 2})}, {"y", int64_list({3, -4})}, {"image", bytes_list(small_png())}}));
  write("tfrecord", "two", with(2, record + record));
  write("tfrecord", "packed", with(3, gzip(record + record)));
  const Tensor array = Tensor::normal({2, 1});
  std::string sample = tar_member("a/s.png", small_png()) + tar_member("a/s.cls", "3") +
                       tar_member("a/s.npy", npy_file(array)) + tar_member("a/s.txt", "text");
  sample += tar_member("pax", "15 path=b/s.png\n", 'x') + tar_member("-", small_png()) +
            tar_member("b/s.json", "{\"class\": 4}") + tar_end();
  write("tar", "two", with(0, sample));
  write("tar", "packed", with(1, gzip(sample)));
  write("lines", "plain", with(0, "a\r\n\nlast"));
  write("lines", "packed", with(0, gzip("a\nb\n")));
}

void audio() {
  const fs::path path = root / "scratch";
  for (const int format : {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16}) {
    SF_INFO info{};
    info.samplerate = 8000;
    info.channels = 2;
    info.format = format;
    SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
    const std::vector<float> samples(200, 0.25f);
    sf_writef_float(file, samples.data(), 100);
    sf_close(file);
    write("audio", (format & SF_FORMAT_TYPEMASK) == SF_FORMAT_WAV ? "wav" : "flac", read(path));
  }
  fs::remove(path);
}

}  // namespace

namespace stoker::fuzz {

void write_seeds(const fs::path& folder) {
  root = folder;
  fs::create_directories(root);
  idx();
  cifar();
  csv();
  npy();
  npz();
  image();
  cache();
  hdf5();
  hdf5_rows();
  archive();
  safetensors();
  protobuf();
  records();
  audio();
}

}  // namespace stoker::fuzz
