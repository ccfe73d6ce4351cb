#include "stoker/image.h"

#include <gtest/gtest.h>
#include <jpeglib.h>
#include <png.h>
#include <stoker/stoker.h>
#include <zlib.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "support/allocation_counter.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::TemporaryFolder;
using Pixels = std::vector<std::uint8_t>;

// 0, 1, 2, ...
Pixels counted(const ImageSize& size) {
  Pixels pixels(size.elements());
  std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
  return pixels;
}
Pixels pixels_of(const Tensor& image) {
  const auto values = image.data<std::uint8_t>();
  return {values.begin(), values.end()};
}

std::string jpeg(const ImageSize& size, std::uint8_t value) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long length = 0;
  jpeg_mem_dest(&info, &bytes, &length);
  info.image_width = static_cast<JDIMENSION>(size.width);
  info.image_height = static_cast<JDIMENSION>(size.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  Pixels row(static_cast<std::size_t>(size.width) * 3, value);
  while (info.next_scanline < info.image_height) {
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string text(reinterpret_cast<char*>(bytes), length);
  std::free(bytes);
  return text;
}

// ---- Files ----
TEST(ImageFile, a_png_comes_back_as_it_was) {
  const TemporaryFolder folder;
  const ImageSize size{5, 7, 3};
  const Pixels pixels = counted(size);
  write_png(folder / "a.png", pixels, size);
  const Tensor image = read_image(folder / "a.png");
  EXPECT_EQ(image.shape(), (Shape{5, 7, 3}));
  EXPECT_EQ(pixels_of(image), pixels);
  EXPECT_EQ(read_image(folder / "a.png", 1).shape(), (Shape{5, 7, 1}));
  EXPECT_EQ(read_image(folder / "a.png", 4).shape(), (Shape{5, 7, 4}));
}

// One pixel, or two side by side, of any format of PNG's; `gamma` in 1/100000. `keyed`: where the
// colour is (10, 100, 200), it is transparent.
std::string png(int width, int depth, int color_type, const Pixels& row, int gamma = 0,
                bool keyed = false) {
  std::string file;
  png_structp out = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(out);
  png_set_write_fn(
      out, &file,
      [](png_structp to, png_bytep bytes, std::size_t count) {
        static_cast<std::string*>(png_get_io_ptr(to))
            ->append(reinterpret_cast<const char*>(bytes), count);
      },
      nullptr);
  png_set_IHDR(out, info, static_cast<png_uint_32>(width), 1, depth, color_type,
               PNG_INTERLACE_ADAM7, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  const png_color palette[] = {{10, 20, 30}, {200, 100, 50}};
  const png_byte alpha[] = {0, 128};
  if (color_type == PNG_COLOR_TYPE_PALETTE) {
    png_set_PLTE(out, info, palette, 2);
    png_set_tRNS(out, info, alpha, 2, nullptr);
  }
  const png_color_16 key{.index = 0, .red = 10, .green = 100, .blue = 200, .gray = 0};
  if (keyed) png_set_tRNS(out, info, nullptr, 0, &key);
  if (gamma > 0) png_set_gAMA_fixed(out, info, gamma);
  png_write_info(out, info);
  for (int pass = png_set_interlace_handling(out); pass > 0; --pass) {
    png_write_row(out, row.data());
  }
  png_write_end(out, info);
  png_destroy_write_struct(&out, &info);
  return file;
}

Pixels decoded(const std::string& file, int channels) {
  return pixels_of(decode_image(std::as_bytes(std::span(file)), channels));
}

TEST(ImageFile, samples_of_a_png_are_taken_as_they_are) {
  // Linear light, that a viewer would brighten.
  EXPECT_EQ(decoded(png(1, 8, PNG_COLOR_TYPE_RGB, {10, 100, 200}, 100000), 3),
            (Pixels{10, 100, 200}));
  EXPECT_EQ(decoded(png(2, 8, PNG_COLOR_TYPE_GRAY, {10, 100}, 100000), 3),
            (Pixels{10, 10, 10, 100, 100, 100}));
  // Nearly transparent: the colours are those of the file, on no background.
  const std::string alpha = png(1, 8, PNG_COLOR_TYPE_RGBA, {10, 100, 200, 3});
  EXPECT_EQ(decoded(alpha, 3), (Pixels{10, 100, 200}));
  EXPECT_EQ(decoded(alpha, 4), (Pixels{10, 100, 200, 3}));
  EXPECT_EQ(decoded(png(1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, {10, 3}), 1), (Pixels{10}));
  // A colour that stands for transparent ones.
  const std::string keyed = png(2, 8, PNG_COLOR_TYPE_RGB, {10, 100, 200, 5, 6, 7}, 0, true);
  EXPECT_EQ(decoded(keyed, 3), (Pixels{10, 100, 200, 5, 6, 7}));
  EXPECT_EQ(decoded(keyed, 4), (Pixels{10, 100, 200, 0, 5, 6, 7, 255}));
  // 16 bits: the upper ones.
  EXPECT_EQ(decoded(png(2, 16, PNG_COLOR_TYPE_GRAY, {10, 255, 100, 0}), 1), (Pixels{10, 100}));
  EXPECT_EQ(decoded(png(2, 1, PNG_COLOR_TYPE_GRAY, {0x40}), 1), (Pixels{0, 255}));
  const std::string palette = png(2, 1, PNG_COLOR_TYPE_PALETTE, {0x40});
  EXPECT_EQ(decoded(palette, 3), (Pixels{10, 20, 30, 200, 100, 50}));
  EXPECT_EQ(decoded(palette, 4), (Pixels{10, 20, 30, 0, 200, 100, 50, 128}));
  // (299 r + 587 g + 114 b) / 1000
  EXPECT_EQ(decoded(palette, 1), (Pixels{18, 124}));
}

TEST(ImageFile, texts_in_a_png_are_not_unpacked) {
  const std::string plain = png(2, 8, PNG_COLOR_TYPE_GRAY, {10, 100});
  // Behind the header: texts of a million bytes, packed to a thousand.
  const std::string text(1000000, 'x');
  std::string chunk("zTXtComment\0\0", 13);
  uLong length = compressBound(text.size());
  std::string packed(length, '\0');
  compress2(reinterpret_cast<Bytef*>(packed.data()), &length,
            reinterpret_cast<const Bytef*>(text.data()), text.size(), 9);
  chunk += packed.substr(0, length);
  const auto append = [](std::string& to, uLong number) {
    for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>(number >> shift);
  };
  std::string whole;
  append(whole, chunk.size() - 4);
  whole += chunk;
  append(whole,
         crc32(0, reinterpret_cast<const Bytef*>(chunk.data()), static_cast<uInt>(chunk.size())));
  std::string with_texts = plain;
  for (int i = 0; i < 20; ++i) with_texts.insert(33, whole);
  EXPECT_EQ(decoded(with_texts, 1), decoded(plain, 1));
  if (!test::AllocationCounter::works()) return;
  const test::AllocationCounter without;
  decoded(plain, 1);
  const auto expected = without.count_of_this_thread();
  const test::AllocationCounter with;
  decoded(with_texts, 1);
  EXPECT_LE(with.count_of_this_thread(), expected + 1);
}

TEST(ImageFile, a_jpeg_is_told_by_its_content) {
  const TemporaryFolder folder;
  const std::string path = folder.write("photo.png", jpeg({16, 24, 3}, 77));
  for (const std::uint8_t value : pixels_of(read_image(path))) EXPECT_NEAR(value, 77, 2);
  EXPECT_EQ(read_image(path, 1).shape(), (Shape{16, 24, 1}));
  Pixels small(4 * 4 * 3);
  read_image_into(path, small, {4, 4, 3});
  for (const std::uint8_t value : small) EXPECT_NEAR(value, 77, 2);
}

TEST(ImageFile, damaged_files_are_errors_that_name_the_file) {
  const TemporaryFolder folder;
  const ImageSize size{9, 9, 3};
  write_png(folder / "a.png", counted(size), size);
  for (const std::string& whole : {test::read_all(folder / "a.png"), jpeg(size, 10)}) {
    for (std::size_t length = 0; length + 13 < whole.size(); ++length) {
      const std::string path = folder.write("cut", whole.substr(0, length));
      EXPECT_TRUE(contains(message_of<IoError>([&] { read_image(path); }), path)) << length;
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
      try {
        read_image(folder.write("damaged", damaged));
      } catch (const Error&) {  // never anything else
      }
    }
  }
  EXPECT_THROW(read_image(folder / "missing.png"), IoError);
  EXPECT_THROW(read_image(folder / "a.png", 2), ValueError);
}

// ---- Sizes and changes ----
TEST(Image, resizing_to_the_same_size_copies) {
  const ImageSize size{3, 4, 2};
  Pixels out(size.elements());
  resize(std::span<const std::uint8_t>(counted(size)), size, std::span(out), size);
  EXPECT_EQ(out, counted(size));
  EXPECT_THROW(resize(std::span<const std::uint8_t>(out), size, std::span(out), {3, 4, 1}),
               ShapeError);
}

TEST(Image, resizes_bytes_as_it_does_floats_for_any_channels_and_sizes) {
  Random random(5);
  for (const std::int64_t channels : {1, 2, 3, 4, 5}) {
    for (const ImageSize& small : {ImageSize{1, 1, channels}, ImageSize{2, 3, channels},
                                   ImageSize{7, 31, channels}, ImageSize{40, 9, channels}}) {
      for (const ImageSize& wanted : {ImageSize{1, 1, channels}, ImageSize{5, 2, channels},
                                      ImageSize{9, 13, channels}, ImageSize{41, 64, channels}}) {
        Pixels pixels(small.elements());
        for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(random.word());
        const std::vector<float> floats(pixels.begin(), pixels.end());
        Pixels bytes(wanted.elements() + 8, 0xee);  // and what must not be written
        std::vector<float> values(wanted.elements());
        resize(std::span<const std::uint8_t>(pixels), small,
               std::span(bytes).first(wanted.elements()), wanted);
        resize(std::span<const float>(floats), small, std::span(values), wanted);
        for (std::size_t i = 0; i < values.size(); ++i) {
          ASSERT_EQ(bytes[i], static_cast<std::uint8_t>(values[i] + 0.5f)) << i;
        }
        for (std::size_t i = values.size(); i < bytes.size(); ++i) ASSERT_EQ(bytes[i], 0xee);
      }
    }
  }
}

TEST(Image, flips_crops_and_cutouts) {
  const ImageSize size{2, 3, 1};
  Pixels image = counted(size);
  flip_horizontal(std::span(image), size);
  EXPECT_EQ(image, (Pixels{2, 1, 0, 5, 4, 3}));
  flip_vertical(std::span(image), size);
  EXPECT_EQ(image, (Pixels{5, 4, 3, 2, 1, 0}));
  Pixels part(2);
  crop<std::uint8_t>(image, size, part, {1, 2, 1}, 1, 1);
  EXPECT_EQ(part, (Pixels{1, 0}));
  EXPECT_THROW(crop<std::uint8_t>(image, size, part, {1, 2, 1}, 1, 2), ShapeError);
  cutout(std::span(image), size, 0, 2, 2, 9.0);  // its upper row lies outside
  EXPECT_EQ(image, (Pixels{5, 9, 9, 2, 1, 0}));
}

TEST(Image, flips_rows_of_any_width_and_channels) {
  for (const std::int64_t channels : {1, 2, 3, 4}) {
    for (const std::int64_t width : {1, 2, 5, 8}) {
      const ImageSize size{2, width, channels};
      const Pixels before = counted(size);
      Pixels image = before;
      flip_horizontal(std::span(image), size);
      for (std::int64_t i = 0; i < 2 * width * channels; ++i) {
        const std::int64_t x = i / channels % width;
        const std::int64_t mirrored = i + (width - 1 - 2 * x) * channels;
        ASSERT_EQ(image[static_cast<std::size_t>(i)], before[static_cast<std::size_t>(mirrored)])
            << channels << " channels, width " << width << ", at " << i;
      }
    }
  }
}

TEST(Image, shifts_by_whole_pixels_with_every_fill) {
  const ImageSize size{1, 4, 1};
  const auto shifted = [&](Fill fill, double by) {
    Pixels image{1, 2, 3, 4};
    affine(std::span(image), size, {.shift_x = by, .fill = fill, .value = 9});
    return image;
  };
  EXPECT_EQ(shifted(Fill::constant, 2), (Pixels{9, 9, 1, 2}));
  EXPECT_EQ(shifted(Fill::nearest, 2), (Pixels{1, 1, 1, 2}));
  EXPECT_EQ(shifted(Fill::reflect, 2), (Pixels{2, 1, 1, 2}));
  EXPECT_EQ(shifted(Fill::wrap, 1), (Pixels{4, 1, 2, 3}));
  EXPECT_EQ(shifted(Fill::constant, -1), (Pixels{2, 3, 4, 9}));
}

TEST(Image, a_quarter_turn_and_a_zoom) {
  const ImageSize size{3, 3, 1};
  Pixels image = counted(size);
  affine(std::span(image), size, {.angle = std::acos(-1.0) / 2, .fill = Fill::nearest});
  EXPECT_EQ(image, (Pixels{2, 5, 8, 1, 4, 7, 0, 3, 6}));  // counterclockwise
  std::vector<float> plain(9, 3.0f);
  affine(std::span(plain), size, {.angle = 0.3, .zoom_y = 1.4, .zoom_x = 0.7});
  for (const float value : plain) EXPECT_NEAR(value, 3.0f, 1e-5);
}

TEST(Image, brightness_contrast_and_normalisation) {
  Pixels image{0, 100, 250};
  brighten(std::span(image), 10.0);
  EXPECT_EQ(image, (Pixels{10, 110, 255}));
  std::vector<float> values{0, 100, 200};
  contrast(std::span(values), {1, 3, 1}, 0.5);
  EXPECT_EQ(values, (std::vector<float>{50, 100, 150}));
  const float mean[] = {50.0f, 100.0f, 150.0f};
  const float stddev[] = {1.0f, 2.0f, 5.0f};
  normalize(values, {1, 1, 3}, mean, stddev);
  EXPECT_EQ(values, (std::vector<float>{0, 0, 0}));
}

TEST(Image, mixup_mixes_images_and_targets_alike) {
  std::vector<float> images{1, 1, 2, 2, 3, 3};
  std::vector<float> targets{1, 2, 3};
  Random random(5);
  mixup(images, targets, 3, 0.4, random);
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_FLOAT_EQ(images[2 * row], targets[row]);
    EXPECT_GE(targets[row], 1.0f);
    EXPECT_LE(targets[row], 3.0f);
  }
  EXPECT_THROW(mixup(images, targets, 3, 0.0, random), ValueError);
}

// ---- In pipelines ----
TEST(Augment, is_the_same_for_any_number_of_workers_and_allocates_nothing) {
  const ImageSize size{12, 12, 3};
  const Tensor x = Tensor::uniform({40, 12, 12, 3}, 0, 255, 1);
  const Tensor y(Shape{40}, DType::int32);
  const auto dataset = Dataset<float, std::int32_t>::from_tensor_slices({x, y})
                           .map(augment::Flip{size})
                           .map(augment::Shift{size})
                           .map(augment::Rotate{size})
                           .map(augment::Zoom{size})
                           .map(augment::Brightness{})
                           .map(augment::Contrast{size})
                           .map(augment::Cutout{size, 4});
  const auto all = [&](std::int64_t epoch) {
    std::vector<float> values;
    dataset.for_each(
        [&](auto image, auto) { values.insert(values.end(), image.begin(), image.end()); }, epoch);
    return values;
  };
  EXPECT_EQ(all(0), all(0));
  EXPECT_NE(all(0), all(1));
  const SourceHandle source = dataset.batch(8);
  EXPECT_TRUE(source.source()->pure());
  if (!test::AllocationCounter::works()) return;
  std::vector<float> slot_x(8 * size.elements());
  std::vector<std::int32_t> slot_y(8);
  std::byte* fields[] = {reinterpret_cast<std::byte*>(slot_x.data()),
                         reinterpret_cast<std::byte*>(slot_y.data())};
  BatchContext batch;
  source.source()->fill(batch, Slot(source.source()->spec(), fields));
  const test::AllocationCounter allocations;
  for (batch.index = 1; batch.index < 5; ++batch.index) {
    source.source()->fill(batch, Slot(source.source()->spec(), fields));
  }
  EXPECT_EQ(allocations.count_of_this_thread(), 0U);
}

TEST(Augment, brightness_and_contrast_keep_to_the_range_that_values_have) {
  std::vector<float> image = {0.25f, 0.75f, 1.0f};
  brighten(std::span(image), 0.5, {0.0, 1.0});
  EXPECT_EQ(image, (std::vector<float>{0.75f, 1.0f, 1.0f}));
  image = {0.25f, 0.75f, 0.5f};
  contrast(std::span(image), {1, 3, 1}, 3.0, {0.0, 1.0});
  EXPECT_EQ(image, (std::vector<float>{0.0f, 1.0f, 0.5f}));
  // A factor is a share of the range: from 0.5, at most 0.1 away, and 0 and 255 are not its ends.
  const Tensor x = Tensor::full({64, 1, 1, 1}, 0.5f);
  float lowest = 1.0f;
  float highest = 0.0f;
  Dataset<float>::from_tensor_slices({x})
      .map(augment::Brightness{.factor = 0.1f, .value_range = {0.0, 1.0}})
      .for_each([&](std::span<const float> one) {
        lowest = std::min(lowest, one[0]);
        highest = std::max(highest, one[0]);
      });
  EXPECT_LT(lowest, 0.45f);
  EXPECT_GT(highest, 0.55f);
  EXPECT_GE(lowest, 0.4f);
  EXPECT_LE(highest, 0.6f);
}

TEST(Augment, crops_to_a_smaller_size) {
  const ImageSize from{6, 6, 1};
  const ImageSize to{4, 4, 1};
  const Tensor x = Tensor::uniform({5, 6, 6, 1}, 0, 1, 1);
  const Tensor y = Tensor::from<std::int32_t>({5}, {0, 1, 2, 3, 4});
  std::int64_t rows = 0;
  Dataset<float, std::int32_t>::from_tensor_slices({x, y})
      .map<float, std::int32_t>({Shape{4, 4, 1}, Shape{}}, augment::Crop{from, to})
      .for_each([&](auto image, auto label) {
        EXPECT_EQ(image.size(), 16U);
        EXPECT_EQ(label[0], rows++);
      });
  EXPECT_EQ(rows, 5);
}

TEST(ImageFolder, has_a_class_for_each_folder_and_decodes_into_batches) {
  const TemporaryFolder folder;
  folder.write("cats/note.txt", "no image");
  const ImageSize size{4, 4, 3};
  for (int i = 0; i < 3; ++i) {
    folder.write("cats/" + std::to_string(i) + ".jpeg", jpeg({8, 8, 3}, 40));
    folder.write("dogs/" + std::to_string(i) + ".JPG", jpeg({8, 8, 3}, 200));
  }
  folder.write("empty/readme", "");
  const ImageFolder images = image_folder(folder.path(), {.size = size, .seed = 3});
  // As in Keras, a class without images has its number too.
  EXPECT_EQ(images.class_names, (std::vector<std::string>{"cats", "dogs", "empty"}));
  EXPECT_EQ(images.labels, (std::vector<std::int32_t>{0, 0, 0, 1, 1, 1}));
  std::multiset<std::int32_t> labels;
  images.dataset.for_each([&](auto image, auto label) {
    labels.insert(label[0]);
    for (const std::uint8_t value : image) EXPECT_NEAR(value, label[0] == 0 ? 40 : 200, 2);
  });
  EXPECT_EQ(labels.count(1), 3U);
  Sequential model({Input({4, 4, 3}), Rescaling(1.0 / 255), Flatten(), Dense(2)}, {.threads = 1});
  model.compile({.optimizer = "sgd", .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  const History history =
      model.fit(images.dataset.batch(2), {.epochs = 2, .verbose = 0, .workers = 2});
  EXPECT_EQ(history.feed.batches, 6);
  folder.write("dogs/9.png", "broken");
  const ImageFolder broken = image_folder(folder.path(), {.size = size});
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { model.fit(broken.dataset.batch(2), {.verbose = 0}); }),
               "dogs/9.png: expected a PNG or a JPEG"));
  EXPECT_THROW(image_folder(folder / "empty"), IoError);
  EXPECT_THROW(image_folder(folder / "missing"), IoError);
}

}  // namespace
}  // namespace stoker
