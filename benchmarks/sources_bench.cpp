// Measures sources of files against the same reads by hand: rows of HDF5 at random, TFRecord and
// tar of floats against the rate at which their bytes can be read, JPEGs in tar against those in a
// folder. All sides take turns in each round; the table has medians. Files lie in the page cache.
//
// usage: sources_bench [ROUNDS] [FOLDER]
// Files stay in a FOLDER that is named, and are made if they are not there: for
// benchmarks/feed/sources_peers.py, which has other libraries read them.
#include <hdf5.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "core/input_file.h"
#include "support/record_files.h"

// jpeglib.h needs size_t and FILE to be declared before it.
#include <jpeglib.h>

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t kRows = 20000;
constexpr std::int64_t kWidth = 784;
constexpr std::int64_t kBatch = 64;
constexpr std::int64_t kRecords = 4000;
constexpr std::int64_t kFloats = 4096;  // of a record
constexpr std::int64_t kImages = 128;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What a program does with a batch: nothing, but the batch must have been made.
float seen = 0.0f;

struct Side {
  std::string name;
  double units;  // of a run
  std::function<void()> run;
  std::vector<double> rates{};
};

std::vector<float> numbers(std::size_t count) {
  // Some bits are noise, so that deflate has work and succeeds, as with measured data.
  std::vector<float> values(count);
  Random random(7);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = std::round(1000.0f * std::sin(0.01f * static_cast<float>(i % 5000)) +
                           20.0f * random.uniform()) /
                1000.0f;
  }
  return values;
}

void write_hdf5(const std::string& path, bool packs) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t extents[] = {kRows, kWidth};
  const hsize_t chunk[] = {8, kWidth};
  const hid_t space = H5Screate_simple(2, extents, nullptr);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  if (packs) {
    H5Pset_chunk(creation, 2, chunk);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 4);
  }
  const hid_t set =
      H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  const std::vector<float> values = numbers(static_cast<std::size_t>(kRows * kWidth));
  H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(set);
  H5Pclose(creation);
  H5Sclose(space);
  H5Fclose(file);
}

std::vector<hsize_t> random_order(std::int64_t count) {
  std::vector<hsize_t> order(static_cast<std::size_t>(kRows));
  std::iota(order.begin(), order.end(), hsize_t{0});
  Random random(3);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(random.integer(0, static_cast<std::int32_t>(i)))]);
  }
  order.resize(static_cast<std::size_t>(count));
  return order;
}

// As a program reads random rows by libhdf5.
void hdf5_by_hand(const std::string& path, std::int64_t rows) {
  static const std::vector<hsize_t> order = random_order(kRows);
  std::vector<float> batch(static_cast<std::size_t>(kBatch * kWidth));
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t set = H5Dopen2(file, "x", H5P_DEFAULT);
  const hid_t space = H5Dget_space(set);
  const hsize_t one[] = {1, kWidth};
  const hid_t memory = H5Screate_simple(2, one, nullptr);
  for (std::int64_t i = 0; i < rows; ++i) {
    const hsize_t start[] = {order[static_cast<std::size_t>(i)], 0};
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, one, nullptr);
    H5Dread(set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, batch.data() + i % kBatch * kWidth);
    if (i % kBatch == kBatch - 1) seen += batch[5];
  }
  H5Sclose(memory);
  H5Sclose(space);
  H5Dclose(set);
  H5Fclose(file);
}

// As a program that knows where rows lie reads them.
void pread_by_hand(const std::string& path, std::uint64_t offset, std::int64_t rows) {
  static const std::vector<hsize_t> order = random_order(kRows);
  std::vector<float> batch(static_cast<std::size_t>(kBatch * kWidth));
  const InputFile file(path);
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto to = std::span(batch).subspan(static_cast<std::size_t>(i % kBatch * kWidth), kWidth);
    file.read_at(offset + order[static_cast<std::size_t>(i)] * kWidth * 4,
                 std::as_writable_bytes(to));
    if (i % kBatch == kBatch - 1) seen += batch[5];
  }
}

void read_bytes(const std::string& path) {
  InputFile file(path);
  std::vector<std::byte> memory(std::size_t{1} << 20);
  while (const std::size_t bytes = file.read(memory))
    seen += std::to_integer<int>(memory[bytes / 2]);
}

// As a program that need not look for records would bring the bytes into batches.
void copy_bytes(const std::string& path) {
  InputFile file(path);
  std::vector<std::byte> memory(std::size_t{1} << 18);
  std::vector<std::byte> batch(static_cast<std::size_t>(kBatch * kFloats * 4));
  std::size_t at = 0;
  while (const std::size_t bytes = file.read(memory)) {
    if (at + bytes > batch.size()) at = 0;
    std::memcpy(batch.data() + at, memory.data(), bytes);
    at += bytes;
    seen += std::to_integer<int>(batch[at / 2]);
  }
}

template <class D>
void in_loop(const D& batches, std::int64_t epoch) {
  for (const auto& fields : batches.pass(epoch)) seen += static_cast<float>(std::get<0>(fields)[5]);
}
template <class T>
void by_loader(const SourceHandle& batches, int workers, std::int64_t most) {
  for (const BatchView& batch : stream(batches, {.epochs = 1, .workers = workers})) {
    seen += static_cast<float>(batch.x<T>()[5]);
    if (--most == 0) break;
  }
}

std::string jpeg(std::int64_t number) {
  constexpr int kHeight = 375, kImageWidth = 500;
  std::vector<std::uint8_t> pixels(std::size_t{kHeight} * kImageWidth * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<std::uint8_t>(
        127.0 + 60.0 * std::sin(0.003 * static_cast<double>(i + static_cast<std::size_t>(number))) +
        static_cast<double>(i * 7 % 31));
  }
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = kImageWidth;
  info.image_height = kHeight;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = pixels.data() + std::size_t{info.next_scanline} * kImageWidth * 3;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string result(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return result;
}

void compare(const char* title, const char* unit, std::vector<Side> sides, int rounds) {
  for (Side& side : sides) side.run();  // fills caches
  for (int round = 0; round < rounds; ++round) {
    for (Side& side : sides) {
      const double begin = now();
      side.run();
      side.rates.push_back(side.units / (now() - begin));
    }
  }
  std::printf("\n%s (%s, median of %d rounds, lowest to highest)\n", title, unit, rounds);
  double first = 0.0;
  for (Side& side : sides) {
    std::ranges::sort(side.rates);
    const double median = side.rates[side.rates.size() / 2];
    if (first == 0.0) first = median;
    std::printf("  %-44s %10.0f  %6.2f of the first   %0.f to %0.f\n", side.name.c_str(), median,
                median / first, side.rates.front(), side.rates.back());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  namespace fs = std::filesystem;
  const fs::path folder =
      argc > 2 ? fs::path(argv[2]) : fs::temp_directory_path() / "stoker-sources-bench";
  fs::create_directories(folder / "photos" / "a");
  const auto in = [&](const char* name) { return (folder / name).string(); };

  if (!fs::exists(in("done"))) {
    write_hdf5(in("plain.h5"), false);
    write_hdf5(in("packed.h5"), true);
    std::ofstream records(in("x.tfrecord"), std::ios::binary), tar(in("x.tar"), std::ios::binary);
    const std::vector<float> values = numbers(kFloats);
    for (std::int64_t i = 0; i < kRecords; ++i) {
      records << test::tf_record(
          test::example({{"x", test::float_list(values)}, {"y", test::int64_list({i})}}));
      tar << test::tar_member(std::to_string(i) + ".bin",
                              {reinterpret_cast<const char*>(values.data()), kFloats * 4});
    }
    tar << test::tar_end();
    std::ofstream photos(in("photos.tar"), std::ios::binary);
    for (std::int64_t i = 0; i < kImages; ++i) {
      const std::string bytes = jpeg(i);
      std::ofstream(folder / "photos" / "a" / (std::to_string(i) + ".jpg"), std::ios::binary)
          << bytes;
      photos << test::tar_member(std::to_string(i) + ".jpg", bytes)
             << test::tar_member(std::to_string(i) + ".cls", "0");
    }
    photos << test::tar_end();
    std::ofstream(in("done")) << "";
  }

  constexpr std::int64_t kSome = 16 * kBatch * 4;  // rows of a run
  const auto plain = hdf5_rows<float>({in("plain.h5")}, {"x"}).shuffle(kRows, 5).batch(kBatch);
  const auto packed = hdf5_rows<float>({in("packed.h5")}, {"x"}).shuffle(kRows, 5).batch(kBatch);
  const auto some = [&](const Dataset<float>& batches) { return batches.take(kSome / kBatch); };
  std::int64_t epoch = 0;
  compare("HDF5, contiguous, rows of 784 floats at random", "rows/s",
          {{"libhdf5 by hand", kSome, [&] { hdf5_by_hand(in("plain.h5"), kSome); }},
           {"pread by hand", kSome, [&] { pread_by_hand(in("plain.h5"), 2048, kSome); }},
           {"hdf5_rows, the loop's thread", kSome, [&] { in_loop(some(plain), epoch++); }},
           {"hdf5_rows, 2 workers", kSome, [&] { by_loader<float>(some(plain), 2, -1); }}},
          rounds);
  compare("HDF5, chunks of 8 rows, shuffle and deflate, rows at random", "rows/s",
          {{"libhdf5 by hand", kSome, [&] { hdf5_by_hand(in("packed.h5"), kSome); }},
           {"hdf5_rows, the loop's thread", kSome, [&] { in_loop(some(packed), epoch++); }},
           {"hdf5_rows, 1 worker", kSome, [&] { by_loader<float>(some(packed), 1, -1); }},
           {"hdf5_rows, 2 workers", kSome, [&] { by_loader<float>(some(packed), 2, -1); }}},
          rounds);
  const auto records =
      tfrecord_examples<float, std::int32_t>({in("x.tfrecord")}, {{{"x", {kFloats}}, {"y", {}}}})
          .batch(kBatch);
  const auto members = tar_samples<float>({in("x.tar")}, {{{"bin", {kFloats}}}}).batch(kBatch);
  constexpr double kMegabytes = kRecords * kFloats * 4 / 1e6;
  compare("TFRecord, 4096 floats each", "MB/s",
          {{"its bytes copied to batches", kMegabytes, [&] { copy_bytes(in("x.tfrecord")); }},
           {"its bytes read by read()", kMegabytes, [&] { read_bytes(in("x.tfrecord")); }},
           {"tfrecord_examples, the loop's thread", kMegabytes, [&] { in_loop(records, 0); }},
           {"tfrecord_examples, 2 workers", kMegabytes, [&] { by_loader<float>(records, 2, -1); }}},
          rounds);
  compare("tar, 4096 floats each", "MB/s",
          {{"its bytes copied to batches", kMegabytes, [&] { copy_bytes(in("x.tar")); }},
           {"its bytes read by read()", kMegabytes, [&] { read_bytes(in("x.tar")); }},
           {"tar_samples, the loop's thread", kMegabytes, [&] { in_loop(members, 0); }},
           {"tar_samples, 2 workers", kMegabytes, [&] { by_loader<float>(members, 2, -1); }}},
          rounds);
  const auto in_tar = tar_samples<std::uint8_t, std::int32_t>(
                          {in("photos.tar")}, {{{"jpg", {224, 224, 3}}, {"cls", {}}}})
                          .batch(32);
  const auto in_folder =
      image_folder(in("photos"), {.size = {224, 224, 3}, .shuffle = false}).dataset.batch(32);
  compare("JPEG, 500 x 375 to 224 x 224", "images/s",
          {{"image_folder, 2 workers", kImages, [&] { by_loader<std::uint8_t>(in_folder, 2, -1); }},
           {"tar_samples, 2 workers", kImages, [&] { by_loader<std::uint8_t>(in_tar, 2, -1); }}},
          rounds);
  std::error_code ignored;
  if (argc <= 2) fs::remove_all(folder, ignored);
  return std::isnan(seen) ? 1 : 0;
}
