// JPEG files as they are met: with stray bytes, odd versions, cut off, in many scans.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

// Needs FILE from before it.
#include <jpeglib.h>

#include <string>
#include <vector>

#include "stoker/error.h"
#include "stoker/image.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Pixels = std::vector<std::uint8_t>;

struct JpegOptions {
  int width = 40;
  int height = 24;
  int components = 3;  // 4: CMYK
  bool is_progressive = false;
  int restart_rows = 0;
  std::vector<jpeg_scan_info> scans = {};
};

// A gradient with some noise, so that its data goes on to the last row.
std::string jpeg(const JpegOptions& options) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long length = 0;
  jpeg_mem_dest(&info, &bytes, &length);
  info.image_width = static_cast<JDIMENSION>(options.width);
  info.image_height = static_cast<JDIMENSION>(options.height);
  info.input_components = options.components;
  info.in_color_space = options.components == 4   ? JCS_CMYK
                        : options.components == 1 ? JCS_GRAYSCALE
                                                  : JCS_RGB;
  jpeg_set_defaults(&info);
  info.restart_in_rows = options.restart_rows;
  if (options.is_progressive) jpeg_simple_progression(&info);
  if (!options.scans.empty()) {
    info.scan_info = options.scans.data();
    info.num_scans = static_cast<int>(options.scans.size());
  }
  jpeg_start_compress(&info, TRUE);
  Pixels row(static_cast<std::size_t>(options.width * options.components));
  std::uint32_t noise = 1;
  while (info.next_scanline < info.image_height) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      noise = noise * 1664525U + 1013904223U;
      row[i] = static_cast<std::uint8_t>(2 * i + 3 * info.next_scanline + (noise >> 28));
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

Pixels decoded(const std::string& file, const ImageLimits& limits = {}) {
  const Tensor image = decode_image(std::as_bytes(std::span(file)), 3, "image", limits);
  const auto values = image.data<std::uint8_t>();
  return {values.begin(), values.end()};
}
std::string error_of(const std::string& file, const ImageLimits& limits = {}) {
  return message_of<IoError>([&] { decoded(file, limits); });
}

TEST(Jpeg, warnings_that_do_no_harm_are_passed_over) {
  for (const bool is_progressive : {false, true}) {
    const std::string plain = jpeg({.is_progressive = is_progressive});
    const Pixels expected = decoded(plain);
    std::string stray = plain;
    stray.insert(stray.size() - 2, std::string(37, '\x5a'));
    EXPECT_EQ(decoded(stray), expected);
    std::string revision = plain;
    revision.replace(revision.find("JFIF") + 5, 2, std::string(2, '\0'));
    EXPECT_EQ(decoded(revision), expected);
    std::string adobe = plain;  // a colour transform that there is not
    adobe.insert(2, std::string("\xff\xee\0\x0e"
                                "Adobe\0\x64\0\0\0\0\x07",
                                16));
    EXPECT_EQ(decoded(adobe), expected);
    EXPECT_EQ(decoded(plain + std::string(100, 'x')), expected);
  }
}

TEST(Jpeg, a_file_that_ends_within_its_pixels_is_an_error) {
  for (const JpegOptions& options :
       {JpegOptions{}, JpegOptions{.restart_rows = 1}, JpegOptions{.is_progressive = true}}) {
    const std::string whole = jpeg(options);
    const std::size_t pixels = whole.find("\xff\xda");
    for (std::size_t length = 0; length + 4 < whole.size(); ++length) {
      if (length > pixels && length % 7 != 0) continue;
      EXPECT_THROW(decoded(whole.substr(0, length)), IoError) << length;
      // The end marker that a tool has put behind what there was changes nothing.
      EXPECT_THROW(decoded(whole.substr(0, length) + "\xff\xd9"), IoError) << length;
      if (options.is_progressive && length > pixels) break;
    }
  }
  EXPECT_TRUE(
      contains(error_of(jpeg({}).substr(0, 700)), "a damaged JPEG (it ends within its pixels)"));
}

TEST(Jpeg, what_is_only_missing_its_end_marker_is_read) {
  const std::string whole = jpeg({});
  EXPECT_EQ(decoded(whole.substr(0, whole.size() - 2)), decoded(whole));
}

TEST(Jpeg, valid_files_that_are_not_read_are_not_called_damaged) {
  EXPECT_TRUE(contains(error_of(jpeg({.components = 4})),
                       "a JPEG of a kind that is not supported (Unsupported color conversion"));
  std::string lossless = jpeg({});
  lossless[lossless.find("\xff\xc0") + 1] = '\xc3';
  EXPECT_TRUE(contains(error_of(lossless), "not supported (Unsupported JPEG process"));
  std::string deep = jpeg({});
  deep[deep.find("\xff\xc0") + 4] = 12;
  EXPECT_TRUE(contains(error_of(deep), "not supported (Unsupported JPEG data precision"));
}

// As many scans as a gray image can have, in two steps of precision.
std::vector<jpeg_scan_info> many_scans() {
  std::vector<jpeg_scan_info> scans;
  for (const int low : {1, 0}) {
    const int high = low == 1 ? 0 : 1;
    for (int k = 0; k < 64; ++k) scans.push_back({1, {0, 0, 0, 0}, k, k, high, low});
  }
  return scans;
}

TEST(Jpeg, scans_have_a_limit_that_is_an_option) {
  const std::string many = jpeg({.components = 1, .scans = many_scans()});
  EXPECT_TRUE(contains(error_of(many),
                       "expected a JPEG of at most 100 scans (ImageLimits::max_scans), received "
                       "more"));
  EXPECT_EQ(decoded(many, {.max_scans = 128}), decoded(jpeg({.components = 1})));
  EXPECT_TRUE(contains(error_of(many, {.max_scans = 127}), "at most 127 scans"));
  const std::string common = jpeg({.is_progressive = true});
  EXPECT_EQ(decoded(common, {.max_scans = 10}), decoded(common));
  EXPECT_TRUE(contains(error_of(common, {.max_scans = 9}), "at most 9 scans"));
  EXPECT_EQ(decoded(jpeg({}), {.max_scans = 1}), decoded(jpeg({})));
}

TEST(Jpeg, a_picture_behind_the_first_one_counts_for_nothing) {
  const std::string first = jpeg({.is_progressive = true});
  const std::string both = first + jpeg({.components = 1, .scans = many_scans()});
  EXPECT_EQ(decoded(both), decoded(first));
}

TEST(Jpeg, pixels_have_a_limit_that_is_an_option) {
  const std::string file = jpeg({});
  EXPECT_EQ(decoded(file, {.max_pixels = 960}), decoded(file));
  EXPECT_TRUE(contains(error_of(file, {.max_pixels = 959}),
                       "at most 959 pixels (ImageLimits::max_pixels), received 40 x 24"));
  EXPECT_THROW(decoded(file, {.max_pixels = 0}), ValueError);
  EXPECT_THROW(decoded(file, {.max_scans = 0}), ValueError);
}

}  // namespace
}  // namespace stoker
