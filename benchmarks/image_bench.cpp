// Measures images a second and core from a folder, which the library reads, decodes, resizes and
// puts into a slot, against libjpeg-turbo and libpng called by hand, with the same resizing. Other
// load on the machine changes the times of either side, which
// --benchmark_enable_random_interleaving=true evens out.
#include <benchmark/benchmark.h>
#include <stoker/stoker.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

// jpeglib.h needs size_t and FILE to be declared before it.
#include <jpeglib.h>
#include <png.h>

#include "data/png.h"
#include "support/png_files.h"

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

constexpr ImageSize kStored{375, 500, 3};
constexpr ImageSize kWanted{224, 224, 3};
constexpr std::int64_t kImages = 64;

// The picture is a mixture of noise and plain surface.
std::vector<std::uint8_t> picture(std::int64_t number) {
  std::vector<std::uint8_t> pixels(kStored.elements());
  for (std::int64_t y = 0; y < kStored.height; ++y) {
    for (std::int64_t x = 0; x < kStored.width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        const double wave = std::sin(0.05 * static_cast<double>(x + number) * (1.0 + 0.2 * c)) +
                            std::cos(0.07 * static_cast<double>(y));
        pixels[static_cast<std::size_t>((y * kStored.width + x) * 3 + c)] =
            static_cast<std::uint8_t>(127.0 + 60.0 * wave + static_cast<double>((x * y) % 5));
      }
    }
  }
  return pixels;
}

void write_jpeg(const std::string& path, const std::vector<std::uint8_t>& pixels) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, file);
  info.image_width = static_cast<JDIMENSION>(kStored.width);
  info.image_height = static_cast<JDIMENSION>(kStored.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 90, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<std::uint8_t*>(pixels.data()) +
                   info.next_scanline * static_cast<std::size_t>(kStored.width * 3);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::fclose(file);
}

// A folder of one class that is removed when the program ends.
struct Folder {
  explicit Folder(bool jpeg)
      : path(std::filesystem::temp_directory_path() /
             ("stoker-image-bench-" + std::to_string(getpid()) + (jpeg ? "j" : "p"))) {
    std::filesystem::create_directories(path / "all");
    for (std::int64_t i = 0; i < kImages; ++i) {
      files.push_back((path / "all" / (std::to_string(i) + (jpeg ? ".jpg" : ".png"))).string());
      if (jpeg) {
        write_jpeg(files.back(), picture(i));
      } else {
        write_png(files.back(), picture(i), kStored);
      }
    }
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
  std::vector<std::string> files;
};

const Folder& folder(bool jpeg) {
  static const Folder jpegs(true);
  static const Folder pngs(false);
  return jpeg ? jpegs : pngs;
}

std::vector<char> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<char> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

void decode_jpeg(const std::vector<char>& bytes, std::vector<std::uint8_t>& pixels) {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels.data() + info.output_scanline * std::size_t{info.output_width} * 3;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
}

// Decodes row by row, as the library does, and skips checks of what is known about these files.
void decode_png(const std::vector<char>& bytes, std::vector<std::uint8_t>& pixels) {
  std::span<const char> left(bytes);
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_read_fn(png, &left, [](png_structp from, png_bytep to, std::size_t count) {
    auto& source = *static_cast<std::span<const char>*>(png_get_io_ptr(from));
    std::memcpy(to, source.data(), count);
    source = source.subspan(count);
  });
  png_read_info(png, info);
  png_read_update_info(png, info);
  const std::size_t pitch = png_get_rowbytes(png, info);
  for (png_uint_32 y = 0; y < png_get_image_height(png, info); ++y) {
    png_read_row(png, pixels.data() + y * pitch, nullptr);
  }
  png_destroy_read_struct(&png, &info, nullptr);
}

void by_hand(const std::string& path, bool jpeg, std::vector<std::uint8_t>& pixels,
             std::span<std::uint8_t> to) {
  const std::vector<char> bytes = read(path);
  jpeg ? decode_jpeg(bytes, pixels) : decode_png(bytes, pixels);
  resize(std::span<const std::uint8_t>(pixels), kStored, to, kWanted);
}

// The first argument is 1 for JPEG and 0 for PNG; the second is 1 for the library and 0 for the
// code by hand.
void images(benchmark::State& state) {
  const bool jpeg = state.range(0) == 1;
  const Folder& stored = folder(jpeg);
  if (state.range(1) == 1) {
    const ImageFolder photos =
        image_folder(stored.path.string(), {.size = kWanted, .shuffle = false});
    const SourceHandle source = photos.dataset.batch(kImages);
    std::vector<std::uint8_t> slot(kImages * kWanted.elements());
    std::vector<std::int32_t> labels(kImages);
    std::byte* fields[] = {reinterpret_cast<std::byte*>(slot.data()),
                           reinterpret_cast<std::byte*>(labels.data())};
    BatchContext batch;
    for (auto _ : state) source.source()->fill(batch, Slot(source.source()->spec(), fields));
  } else {
    std::vector<std::uint8_t> pixels(kStored.elements());
    std::vector<std::uint8_t> slot(kImages * kWanted.elements());
    for (auto _ : state) {
      std::span<std::uint8_t> left(slot);
      for (const std::string& file : stored.files) {
        by_hand(file, jpeg, pixels, left.first(kWanted.elements()));
        left = left.subspan(kWanted.elements());
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * kImages);
}
BENCHMARK(images)
    ->ArgNames({"jpeg", "library"})
    ->Args({1, 0})
    ->Args({1, 1})
    ->Args({0, 0})
    ->Args({0, 1})
    ->Repetitions(9)
    ->ReportAggregatesOnly(false)
    ->Unit(benchmark::kMillisecond);

// Reads the folder by one thread, with a helper process that decodes (1) and without one (0), by the
// clock: a helper's time is not this process's.
void isolation(benchmark::State& state) {
  const Folder& stored = folder(state.range(0) == 1);
  const IsolatedImageReader reader;
  std::vector<std::uint8_t> pixels(kWanted.elements());
  for (auto _ : state) {
    for (const std::string& file : stored.files) {
      if (state.range(1) == 1) {
        reader.read_image_into(file, pixels, kWanted);
      } else {
        read_image_into(file, pixels, kWanted);
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * kImages);
}
BENCHMARK(isolation)
    ->ArgNames({"jpeg", "isolated"})
    ->ArgsProduct({{0, 1}, {0, 1}})
    ->UseRealTime()
    ->Repetitions(9)
    ->ReportAggregatesOnly(false)
    ->Unit(benchmark::kMillisecond);

// Decodes alone, from memory. The first argument is PNG's colour type, of 8 bits; the second is 1
// for libdeflate and 0 for libpng, to which the library leaves what libdeflate's decoder can't
// judge.
void png_decoders(benchmark::State& state) {
  const auto color_type = static_cast<int>(state.range(0));
  Random random(1);
  const std::string file =
      test::png_file({.color_type = color_type, .width = 500, .height = 375}, random);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(file));
  const std::string name = "file";
  const ImageLimits limits;
  const image::Job job{color_type == 0 ? 1 : color_type == 6 ? 4 : 3, name, limits};
  image::Target target;
  for (auto _ : state) {
    if (state.range(1) == 0) {
      image::decode_png_by_libpng(bytes, job, target);
    } else if (!image::decode_png_by_libdeflate(bytes, job, target)) {
      state.SkipWithError("the file was left to libpng");
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(png_decoders)
    ->ArgNames({"type", "libdeflate"})
    ->ArgsProduct({{0, 2, 3, 6}, {0, 1}})
    ->Repetitions(9)
    ->ReportAggregatesOnly(false)
    ->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
